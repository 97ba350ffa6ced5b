/**
 * Tags as one bit each. What was acknowledged behind a task that hangs are as many as came since: ten million in half an hour, for which
 * a Set would take hundreds of megabytes. Tags below `from` are never asked for again, and are dropped when room is needed.
 */
const BITS = 8;
const FIRST_BYTES = 256;

export class TagSet {
  size = 0;
  private bytes = new Uint8Array(FIRST_BYTES);
  /** The tag of the first bit, a multiple of eight. */
  private base = 0;

  /** It must not be there yet. `from`: the lowest tag that may still be there or come, at most `tag`. */
  add(tag: number, from: number): void {
    if (tag - this.base >= BITS * this.bytes.length) this.makeRoom(tag, from);
    this.bytes[this.at(tag)]! |= bitOf(tag);
    this.size++;
  }

  /** Whether it was there. */
  delete(tag: number): boolean {
    const at = this.at(tag);
    const byte = this.bytes[at] ?? 0;
    if ((byte & bitOf(tag)) === 0) return false;
    this.bytes[at] = byte & ~bitOf(tag);
    this.size--;
    return true;
  }

  private at(tag: number): number {
    return Math.floor((tag - this.base) / BITS);
  }

  private makeRoom(tag: number, from: number): void {
    const base = from - (from % BITS);
    const kept = this.bytes.subarray(Math.min(this.bytes.length, (base - this.base) / BITS));
    const needed = Math.floor((tag - base) / BITS) + 1;
    // Twice as much: as many tags may come before the next time.
    const bytes = new Uint8Array(Math.max(FIRST_BYTES, 2 * needed));
    bytes.set(kept.subarray(0, bytes.length));
    this.bytes = bytes;
    this.base = base;
  }
}

function bitOf(tag: number): number {
  return 1 << (tag % BITS);
}
