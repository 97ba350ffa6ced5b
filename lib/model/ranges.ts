/**
 * Ranges: a set of positions of a stream as the few ranges that it consists of. Positions come nearly in order, so a stream of any
 * length is one range and some beyond it.
 */

/** From the first position to the one behind the last. */
export type Range = readonly [from: number, end: number];

export class Ranges {
  /** From, end, from, end ...: ascending, and apart from each other. */
  private bounds: number[] = [];

  constructor(ranges: Iterable<Range> = []) {
    for (const [from, end] of ranges) this.add(from, end);
  }

  /** How many ranges there are. */
  get count(): number {
    return this.bounds.length / 2;
  }

  add(from: number, end = from + 1): void {
    if (end <= from) return;
    const { bounds } = this;
    const last = bounds.length - 1;
    // As most come: right behind the last range, or beyond it.
    if (last >= 0 && bounds[last] === from) bounds[last] = end;
    else if (last < 0 || from > bounds[last]!) bounds.push(from, end);
    else this.merge(from, end);
  }

  /** The first position from `from` on that is not in the set. */
  firstMissing(from: number): number {
    const at = this.indexBehind(from);
    return at % 2 === 1 ? this.bounds[at]! : from;
  }

  /** Removes all positions before this one. */
  cut(before: number): void {
    const at = this.indexBehind(before);
    this.bounds = at % 2 === 1 ? [before, ...this.bounds.slice(at)] : this.bounds.slice(at);
  }

  list(): Range[] {
    return Array.from({ length: this.count }, (_, n) => [this.bounds[2 * n]!, this.bounds[2 * n + 1]!] as const);
  }

  private merge(from: number, end: number): void {
    // A range that begins or ends at a bound of ours touches it, and becomes one with it.
    const first = this.indexBehind(from - 1);
    const last = this.indexBehind(end);
    const start = first % 2 === 1 ? [] : [from];
    const stop = last % 2 === 1 ? [] : [end];
    this.bounds.splice(first, last - first, ...start, ...stop);
  }

  /** Index of the first bound beyond a position; odd where the position is in a range. */
  private indexBehind(position: number): number {
    const { bounds } = this;
    let [low, high] = [0, bounds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[middle]! > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
