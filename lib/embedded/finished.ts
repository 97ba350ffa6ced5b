/**
 * Which sequences of one source are finished: all below `next`, and ranges beyond it (a slow task holds `next` back while others go
 * on). There are never more ranges than tasks that are open at once, so the row of a cursor stays small.
 */

/** Bytes of a sequence in keys and rows: 2^48 tasks are 89 years at 100,000 a second, and a double holds them exactly. */
export const SEQUENCE_BYTES = 6;
export const LAST_SEQUENCE = 2 ** (8 * SEQUENCE_BYTES) - 1;

export class Finished {
  private constructor(
    private below: number,
    /** Starts and ends (exclusive) in turn, ascending, disjoint and not touching. */
    private readonly edges: number[],
  ) {}

  static none(): Finished {
    return new Finished(0, []);
  }

  static decode(row: Uint8Array): Finished {
    const bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    const numbers: number[] = [];
    for (let at = 0; at < bytes.length; at += SEQUENCE_BYTES) numbers.push(bytes.readUIntBE(at, SEQUENCE_BYTES));
    const [below = 0, ...edges] = numbers;
    return new Finished(below, edges);
  }

  encode(): Buffer {
    const row = Buffer.allocUnsafe((1 + this.edges.length) * SEQUENCE_BYTES);
    row.writeUIntBE(this.below, 0, SEQUENCE_BYTES);
    this.edges.forEach((edge, i) => {
      row.writeUIntBE(edge, (1 + i) * SEQUENCE_BYTES, SEQUENCE_BYTES);
    });
    return row;
  }

  copy(): Finished {
    return new Finished(this.below, [...this.edges]);
  }

  /** The first sequence that is not finished. */
  get next(): number {
    return this.below;
  }

  /** How many sequences are finished. */
  get count(): number {
    let count = this.below;
    for (let i = 0; i < this.edges.length; i += 2) count += this.edges[i + 1]! - this.edges[i]!;
    return count;
  }

  /** Finished ranges in ascending order, ends exclusive. */
  *ranges(): Generator<readonly [start: number, end: number]> {
    if (this.below > 0) yield [0, this.below];
    for (let i = 0; i < this.edges.length; i += 2) yield [this.edges[i]!, this.edges[i + 1]!];
  }

  has(sequence: number): boolean {
    return sequence < this.below || this.firstAbove(sequence) % 2 === 1;
  }

  /** All of [start, end) are finished; those that were already stay so. */
  add(start: number, end: number = start + 1): void {
    if (end <= this.below || start >= end) return;
    if (start <= this.below) {
      this.below = end;
      this.absorb();
      return;
    }
    // Odd positions lie inside a range: it grows instead of a new edge being made. Touching ranges become one.
    const edges = this.edges;
    let from = this.firstAbove(start);
    const to = this.firstAbove(end);
    const added: number[] = [];
    if (from % 2 === 0) {
      if (from > 0 && edges[from - 1] === start) from--;
      else added.push(start);
    }
    if (to % 2 === 0) added.push(end);
    edges.splice(from, to - from, ...added);
  }

  /** Index of the first edge greater than `sequence`. */
  private firstAbove(sequence: number): number {
    const edges = this.edges;
    let low = 0;
    let high = edges.length;
    if (high > 0 && edges[high - 1]! <= sequence) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (edges[middle]! > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private absorb(): void {
    let used = 0;
    while (used < this.edges.length && this.edges[used]! <= this.below) {
      this.below = Math.max(this.below, this.edges[used + 1]!);
      used += 2;
    }
    if (used > 0) this.edges.splice(0, used);
  }
}
