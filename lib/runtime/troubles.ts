/** Troubles: what is tried again and again, and why it did not work the last time, as those say who try; for `status`. */
export class Troubles {
  private readonly whys = new Map<object, string>();

  /** It did not work, and `who` tries again. */
  waits(who: object, why: string): void {
    this.whys.set(who, why);
  }

  goesOn(who: object): void {
    this.whys.delete(who);
  }

  /** Of whoever waits longest; null where nobody does. */
  get why(): string | null {
    for (const why of this.whys.values()) return why;
    return null;
  }
}
