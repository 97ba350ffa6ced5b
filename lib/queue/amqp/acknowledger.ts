/**
 * Which delivery tags of a channel are acknowledged, and how (product.md, rule 5): many at once up to the first unfinished one. What
 * is finished beyond that is acknowledged singly, which costs the broker more: once it is old, takes up half of the prefetch, or stands
 * where more messages could come. So one slow entity does not pin everything behind it.
 *
 * A `multiple` must name a tag that is still unacknowledged: RabbitMQ closes the channel over any other (406, unknown delivery tag). What is
 * kept here is what the broker keeps, too, so the prefetch bounds it, however long a task takes.
 */

/** Parts of the prefetch: finished tags beyond the first unfinished one that may be held; */
const MOST_BEYOND = 1 / 2;
/** unacknowledged tags that may be left after many were acknowledged at once, as under full load; and where none were. */
const MOST_LEFT = 7 / 8;
const MOST_STANDING = 3 / 4;

/** Sends `basic.ack`. */
export type SendAck = (tag: number, multiple: boolean) => void;

export class Acknowledger {
  private newest = 0;
  /** In the order in which they came, which is that of their numbers. */
  private readonly open = new Set<number>();
  /** Finished and not acknowledged. */
  private held = new Set<number>();
  /** Since when the newest tag of a moment is open: [tag, time], for the age of the oldest. */
  private readonly moments: { readonly tag: number; readonly at: number }[] = [];

  constructor(
    private readonly send: SendAck,
    private readonly prefetch: number,
  ) {}

  /** Tags that the broker counts against the prefetch. */
  get unacknowledged(): number {
    return this.open.size + this.held.size;
  }

  /** All tags up to this one are acknowledged, once everything finished was flushed. */
  get allBelow(): number {
    return this.firstOpen - 1;
  }

  /** Tags that were received and are not finished. */
  get unfinished(): number {
    return this.open.size;
  }

  received(tag: number): void {
    this.newest = tag;
    this.open.add(tag);
  }

  /** The delivery is done with; it is acknowledged by the next `flush`. */
  finished(tag: number): void {
    this.open.delete(tag);
    this.held.add(tag);
  }

  /** Acknowledges it now and alone. Throws where the channel is closed; then it counts as unfinished. */
  finishedAtOnce(tag: number): void {
    this.send(tag, false);
    this.open.delete(tag);
  }

  flush(): void {
    if (this.held.size === 0) return;
    const { prefetch } = this;
    const most = (this.acknowledgeBelow() ? MOST_LEFT : MOST_STANDING) * prefetch;
    if (this.unacknowledged >= most || this.held.size >= MOST_BEYOND * prefetch) this.flushBeyond();
  }

  /** What is finished beyond the first unfinished tag has waited long enough. */
  flushBeyond(): void {
    const { held } = this;
    if (held.size === 0) return;
    this.held = new Set();
    for (const tag of held) this.send(tag, false);
  }

  /** How long the oldest unfinished tag is open, to the precision of the calls of this; 0 where there is none. */
  ageMs(now: number): number {
    const { moments, firstOpen } = this;
    while (moments.length > 0 && moments[0]!.tag < firstOpen) moments.shift();
    if (this.newest >= firstOpen && moments.at(-1)?.tag !== this.newest) moments.push({ tag: this.newest, at: now });
    return moments.length === 0 ? 0 : now - moments[0]!.at;
  }

  /** The tag that comes next where none is open. */
  private get firstOpen(): number {
    const [first = this.newest + 1] = this.open;
    return first;
  }

  /** Acknowledges all that is finished below the first unfinished tag; false where nothing is. */
  private acknowledgeBelow(): boolean {
    const { firstOpen } = this;
    const beyond = new Set<number>();
    let upTo = 0;
    for (const tag of this.held) {
      if (tag > firstOpen) beyond.add(tag);
      else if (tag > upTo) upTo = tag;
    }
    this.held = beyond;
    if (upTo > 0) this.send(upTo, true);
    return upTo > 0;
  }
}
