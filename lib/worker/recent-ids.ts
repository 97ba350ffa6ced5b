/**
 * Ids of this epoch: which tasks are on their way or were done not long ago, so that a second copy of one is not executed, whatever
 * the delivery. A copy that comes while the first is on its way waits for it, since the first may still fail. What has left this
 * memory is found by the inbox at the commit, where there is one; otherwise it is applied again.
 */
import type { Delivery } from '../model/delivery.js';

/**
 * Done ids that are remembered; the oldest are forgotten first. More than the broker hands out again after a lost connection
 * (`msg_broker.prefetch`). Four times as many cost twice the time: they leave the processor's cache.
 */
const DONE_IDS_LIMIT = 16_384;

const NONE: readonly Delivery[] = Object.freeze([]);

export class RecentIds {
  /** The copies that wait for the first one; null while there are none. */
  private readonly inFlight = new Map<string, Delivery[] | null>();
  private readonly doneIds = new Set<string>();
  /** What stands in `doneIds`, a ring: the place that is written next holds the oldest. (A Set finds its oldest slowly.) */
  private readonly ring: string[] = [];
  private oldest = 0;

  /** Whether a task of this id is on its way. */
  has(id: string): boolean {
    return this.inFlight.has(id);
  }

  isDone(id: string): boolean {
    return this.doneIds.has(id);
  }

  /** `new`: execute it. `waits`: a copy is on its way. `done`: there is nothing to be done about it. */
  arrived(delivery: Delivery): 'new' | 'waits' | 'done' {
    const { id } = delivery;
    if (this.doneIds.has(id)) return 'done';
    const copies = this.inFlight.get(id);
    if (copies === undefined) {
      this.inFlight.set(id, null);
      return 'new';
    }
    if (copies === null) this.inFlight.set(id, [delivery]);
    else copies.push(delivery);
    return 'waits';
  }

  /** It never runs again under this id. Returns the copies that waited for it. */
  done(id: string): readonly Delivery[] {
    const copies = this.inFlight.get(id) ?? NONE;
    this.inFlight.delete(id);
    this.remember(id);
    return copies;
  }

  /** Forgets what was on its way; what is done stays so. */
  clear(): void {
    this.inFlight.clear();
  }

  private remember(id: string): void {
    if (this.doneIds.has(id)) return;
    const forgotten = this.ring[this.oldest];
    if (forgotten !== undefined) this.doneIds.delete(forgotten);
    this.doneIds.add(id);
    this.ring[this.oldest] = id;
    this.oldest = (this.oldest + 1) % DONE_IDS_LIMIT;
  }
}
