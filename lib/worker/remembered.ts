/** Ids that are remembered, so many: the oldest are forgotten first. */
export class Remembered {
  private readonly ids = new Set<string>();
  /** What stands in `ids`, a ring: the place that is written next holds the oldest. (A Set finds its oldest slowly.) */
  private readonly ring: string[] = [];
  private oldest = 0;

  constructor(private readonly limit: number) {}

  has(id: string): boolean {
    return this.ids.has(id);
  }

  add(id: string): void {
    if (this.ids.has(id)) return;
    const forgotten = this.ring[this.oldest];
    if (forgotten !== undefined) this.ids.delete(forgotten);
    this.ids.add(id);
    this.ring[this.oldest] = id;
    this.oldest = (this.oldest + 1) % this.limit;
  }
}
