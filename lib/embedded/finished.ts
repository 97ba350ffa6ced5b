/**
 * Which sequences of one source are finished: all below `next`, and ranges beyond it (a slow task holds `next` back while others go
 * on). There are never more ranges than tasks that are open at once, so the row of a cursor stays small.
 */
import { type Range, Ranges } from '../model/ranges.js';

/** Bytes of a sequence in keys and rows: 2^48 tasks are 89 years at 100,000 a second, and a double holds them exactly. */
export const SEQUENCE_BYTES = 6;
export const LAST_SEQUENCE = 2 ** (8 * SEQUENCE_BYTES) - 1;

export class Finished {
  private constructor(private readonly done: Ranges) {}

  static none(): Finished {
    return new Finished(new Ranges());
  }

  /** The row: `next`, then starts and ends (exclusive) of the ranges beyond it. */
  static decode(row: Uint8Array): Finished {
    const bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    const numberAt = (n: number) => bytes.readUIntBE(n * SEQUENCE_BYTES, SEQUENCE_BYTES);
    const done = new Ranges([[0, bytes.length === 0 ? 0 : numberAt(0)]]);
    for (let n = 1; n < bytes.length / SEQUENCE_BYTES; n += 2) done.add(numberAt(n), numberAt(n + 1));
    return new Finished(done);
  }

  encode(): Buffer {
    const beyond = this.done
      .list()
      .flat()
      .slice(this.next > 0 ? 2 : 0);
    const row = Buffer.allocUnsafe((1 + beyond.length) * SEQUENCE_BYTES);
    row.writeUIntBE(this.next, 0, SEQUENCE_BYTES);
    for (const [n, edge] of beyond.entries()) row.writeUIntBE(edge, (1 + n) * SEQUENCE_BYTES, SEQUENCE_BYTES);
    return row;
  }

  copy(): Finished {
    return new Finished(new Ranges(this.done.list()));
  }

  /** The first sequence that is not finished. */
  get next(): number {
    return this.done.firstMissing(0);
  }

  /** How many sequences are finished. */
  get count(): number {
    let count = 0;
    for (const [start, end] of this.done.list()) count += end - start;
    return count;
  }

  /** Finished ranges in ascending order, ends exclusive. */
  ranges(): Range[] {
    return this.done.list();
  }

  has(sequence: number): boolean {
    return this.done.firstMissing(sequence) > sequence;
  }

  /** All of [start, end) are finished; those that were already stay so. */
  add(start: number, end?: number): void {
    this.done.add(start, end);
  }
}
