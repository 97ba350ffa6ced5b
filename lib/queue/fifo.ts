/** First in, first out: an array whose taken places are given back now and then, since `shift` of a long array moves all of it. */

const FEW = 1_024;

export class Fifo<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head];
    // What was taken is let go of at once: it may be large.
    this.items[this.head++] = undefined;
    if (this.head === this.items.length || (this.head >= FEW && this.head * 2 >= this.items.length)) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** Puts these before all others. */
  prepend(items: readonly T[]): void {
    if (items.length === 0) return;
    this.items = [...items, ...this.toArray()];
    this.head = 0;
  }

  toArray(): T[] {
    return this.items.slice(this.head) as T[];
  }

  /** Takes everything. */
  drain(): T[] {
    const all = this.toArray();
    this.items = [];
    this.head = 0;
    return all;
  }
}
