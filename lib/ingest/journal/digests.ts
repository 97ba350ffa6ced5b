/**
 * Digests of lines, 8 bytes each: texts of 8 latin1 characters in memory, side by side in files. A line that was refused was not sent;
 * in its place stands REFUSED, which no line has.
 */
import { hash } from 'node:crypto';

export const DIGEST_BYTES = 8;
export const REFUSED = '\0'.repeat(DIGEST_BYTES);

/** What a line too long to be kept has; it is always refused. */
export const NO_LINE = REFUSED;

export function digestOf(line: Buffer): string {
  const digest = hash('sha256', line, 'binary').slice(0, DIGEST_BYTES);
  return digest === REFUSED ? digest.replace('\0', '\u0001') : digest;
}

export function packDigests(digests: readonly string[]): Buffer {
  const packed = Buffer.allocUnsafe(digests.length * DIGEST_BYTES);
  digests.forEach((digest, n) => {
    packed.write(digest, n * DIGEST_BYTES, 'latin1');
  });
  return packed;
}

export function* unpackDigests(packed: Buffer): Iterable<string> {
  for (let at = 0; at < packed.length; at += DIGEST_BYTES) yield packed.toString('latin1', at, at + DIGEST_BYTES);
}

/** How often each line of many is there, in 12 bytes a line. */
export class CountedDigests {
  private readonly sorted: BigUint64Array;
  /** How many of equal ones were taken, at the place of their first. */
  private readonly taken: Uint32Array;
  private readonly scratch = Buffer.alloc(DIGEST_BYTES);

  /** REFUSED is left out. `most`: no fewer than there are. */
  constructor(digests: Iterable<string>, most: number) {
    const all = new BigUint64Array(most);
    let count = 0;
    for (const digest of digests) if (digest !== REFUSED) all[count++] = this.numberOf(digest);
    this.sorted = all.subarray(0, count).sort();
    this.taken = new Uint32Array(count);
  }

  /** Takes one away; false where none is left. */
  take(digest: string): boolean {
    const wanted = this.numberOf(digest);
    const first = this.firstOf(wanted);
    if (this.sorted[first + (this.taken[first] ?? 0)] !== wanted) return false;
    this.taken[first]! += 1;
    return true;
  }

  /** Those that were not taken. */
  *left(): Iterable<string> {
    const { sorted, taken, scratch } = this;
    for (let at = 0; at < sorted.length; ) {
      const number = sorted[at]!;
      at += taken[at]!;
      for (; sorted[at] === number; at++) {
        scratch.writeBigUInt64LE(number);
        yield scratch.toString('latin1');
      }
    }
  }

  private firstOf(wanted: bigint): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private numberOf(digest: string): bigint {
    this.scratch.write(digest, 'latin1');
    return this.scratch.readBigUInt64LE();
  }
}
