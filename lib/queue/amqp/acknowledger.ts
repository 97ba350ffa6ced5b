/**
 * Which delivery tags of a channel are acknowledged, and how (product.md, rule 5): many at once up to the first unfinished one. What
 * is finished beyond that is acknowledged singly, which costs the broker more: once it is old, takes up half of the prefetch, or stands
 * where more messages could come. So one slow entity does not pin everything behind it.
 *
 * A `multiple` must name a tag that is still unacknowledged: RabbitMQ closes the channel over any other (406, unknown delivery tag).
 */

import { TagSet } from './tag-set.js';

/** Parts of the prefetch: finished tags beyond the first unfinished one that may be held; */
const MOST_BEYOND = 1 / 2;
/** unacknowledged tags that may be left after many were acknowledged at once, as under full load; and where none were. */
const MOST_LEFT = 7 / 8;
const MOST_STANDING = 3 / 4;

/** Sends `basic.ack`. */
export type SendAck = (tag: number, multiple: boolean) => void;

export class Acknowledger {
  /** The lowest tag that is not finished; tags count from 1 in each channel. */
  private low = 1;
  private newest = 0;
  /** The highest finished tag below `low` that is not acknowledged; 0 for none. */
  private upTo = 0;
  /** How many finished tags below `low` are not acknowledged. */
  private below = 0;
  /** Finished beyond `low`: not yet acknowledged, and acknowledged singly. */
  private beyond = new Set<number>();
  private readonly single = new TagSet();
  /** Since when the newest tag of a moment is open: [tag, time], for the age of the oldest. */
  private readonly moments: { readonly tag: number; readonly at: number }[] = [];

  constructor(
    private readonly send: SendAck,
    private readonly prefetch: number,
  ) {}

  /** Tags that the broker counts against the prefetch. */
  get unacknowledged(): number {
    return this.newest - (this.low - 1) - this.single.size + this.below;
  }

  /** All tags up to this one are acknowledged, once everything finished was flushed. */
  get allBelow(): number {
    return this.low - 1;
  }

  /** Tags that were received and are not finished. */
  get unfinished(): number {
    return this.newest - (this.low - 1) - this.single.size - this.beyond.size;
  }

  received(tag: number): void {
    this.newest = tag;
  }

  /** The delivery is done with; it is acknowledged by the next `flush`. */
  finished(tag: number): void {
    if (tag !== this.low) {
      this.beyond.add(tag);
      return;
    }
    this.pass(tag);
    this.low++;
    this.skip();
  }

  flush(): void {
    const { prefetch } = this;
    const most = (this.upTo > 0 ? MOST_LEFT : MOST_STANDING) * prefetch;
    if (this.upTo > 0) {
      const { upTo } = this;
      this.upTo = 0;
      this.below = 0;
      this.send(upTo, true);
    }
    if (this.unacknowledged >= most || this.beyond.size >= MOST_BEYOND * prefetch) this.flushBeyond();
  }

  /** What is finished beyond the first unfinished tag has waited long enough. */
  flushBeyond(): void {
    const { beyond } = this;
    if (beyond.size === 0) return;
    this.beyond = new Set();
    for (const tag of beyond) {
      this.single.add(tag, this.low);
      this.send(tag, false);
    }
  }

  /** How long the oldest unfinished tag is open, to the precision of the calls of this; 0 where there is none. */
  ageMs(now: number): number {
    const { moments } = this;
    while (moments.length > 0 && moments[0]!.tag < this.low) moments.shift();
    if (this.newest >= this.low && moments.at(-1)?.tag !== this.newest) moments.push({ tag: this.newest, at: now });
    return moments.length === 0 ? 0 : now - moments[0]!.at;
  }

  private pass(tag: number): void {
    this.upTo = tag;
    this.below++;
  }

  /** Moves `low` over everything that is finished. */
  private skip(): void {
    if (this.beyond.size === 0 && this.single.size === 0) return;
    for (; ; this.low++) {
      if (this.beyond.delete(this.low)) this.pass(this.low);
      else if (!this.single.delete(this.low)) return;
    }
  }
}
