/**
 * Ids of this epoch: which tasks are on their way or were done not long ago, so that a second copy of one is not executed, whatever
 * the delivery. A copy that comes while the first is on its way waits for it, since the first may still fail. What has left this
 * memory is found by the inbox at the commit, where there is one; otherwise it is applied again.
 *
 * A copy has the same id and the same digest. Another task under an id is to be renamed before it arrives here.
 */
import type { Delivery } from '../model/delivery.js';
import type { TaskDigest } from '../model/task-digest.js';

/**
 * Done ids that are remembered; the oldest are forgotten first. More than the broker hands out again after a lost connection
 * (`msg_broker.prefetch`). Four times as many cost twice the time: they leave the processor's cache.
 */
const DONE_IDS_LIMIT = 16_384;

const NONE: readonly Delivery[] = Object.freeze([]);

export class RecentIds {
  /** The first of each id. */
  private readonly inFlight = new Map<string, Delivery>();
  /** Those that wait for the first one, where there are any. */
  private readonly copies = new Map<string, Delivery[]>();
  private readonly doneIds = new Map<string, TaskDigest>();
  /** What stands in `doneIds`, a ring: the place that is written next holds the oldest. (A Map finds its oldest slowly.) */
  private readonly ring: string[] = [];
  private oldest = 0;

  /** Whether a task of this id is on its way. */
  has(id: string): boolean {
    return this.inFlight.has(id);
  }

  isDone(id: string): boolean {
    return this.doneIds.has(id);
  }

  /** Of the task that is on its way or done under this id; undefined where there is none. */
  digestOf(id: string): TaskDigest | undefined {
    return this.doneIds.get(id) ?? this.inFlight.get(id)?.digest;
  }

  /** `new`: execute it. `waits`: a copy is on its way. `done`: there is nothing to be done about it. */
  arrived(delivery: Delivery): 'new' | 'waits' | 'done' {
    const { id } = delivery;
    if (this.doneIds.has(id)) return 'done';
    if (!this.inFlight.has(id)) {
      this.inFlight.set(id, delivery);
      return 'new';
    }
    this.wait(id, [delivery]);
    return 'waits';
  }

  /** One that is on its way has another id by now; its copies, too. */
  renamed(before: string, delivery: Delivery): void {
    if (this.inFlight.get(before) !== delivery) return;
    const copies = this.copies.get(before) ?? NONE;
    this.inFlight.delete(before);
    this.copies.delete(before);
    for (const copy of copies) copy.id = delivery.id;
    if (!this.inFlight.has(delivery.id)) this.inFlight.set(delivery.id, delivery);
    if (copies.length > 0) this.wait(delivery.id, copies);
  }

  /** It never runs again under this id. Returns the copies that waited for it. */
  done({ id, digest }: Pick<Delivery, 'id' | 'digest'>): readonly Delivery[] {
    this.inFlight.delete(id);
    this.remember(id, digest);
    if (this.copies.size === 0) return NONE;
    const copies = this.copies.get(id) ?? NONE;
    this.copies.delete(id);
    return copies;
  }

  /** Forgets what was on its way; what is done stays so. */
  clear(): void {
    this.inFlight.clear();
    this.copies.clear();
  }

  private wait(id: string, copies: readonly Delivery[]): void {
    const others = this.copies.get(id);
    if (others === undefined) this.copies.set(id, [...copies]);
    else others.push(...copies);
  }

  private remember(id: string, digest: TaskDigest): void {
    if (this.doneIds.has(id)) return;
    const forgotten = this.ring[this.oldest];
    if (forgotten !== undefined) this.doneIds.delete(forgotten);
    this.doneIds.set(id, digest);
    this.ring[this.oldest] = id;
    this.oldest = (this.oldest + 1) % DONE_IDS_LIMIT;
  }
}

/** One without an id is told from its twins by the inbox alone; without one it is applied each time it comes, so that none is lost. */
export function mayHaveCopies({ deduplicated, lacksId }: Delivery, inbox: boolean): boolean {
  return !deduplicated && (inbox || !lacksId);
}
