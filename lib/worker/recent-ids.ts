/**
 * Ids of this epoch: which tasks are on their way or were committed not long ago, so that a second copy of one is not executed. A
 * copy that comes while the first is on its way waits for it, since the first may still fail. What has left this memory is found by
 * the inbox at the commit.
 */
import type { Delivery } from '../model/delivery.js';
import { Remembered } from './remembered.js';

/** Committed ids that are remembered; the oldest are forgotten first. Four times as many cost twice the time: they leave the processor's cache. */
const COMMITTED_IDS_LIMIT = 16_384;

const NONE: readonly Delivery[] = Object.freeze([]);

export class RecentIds {
  /** The copies that wait for the first one; null while there are none. */
  private readonly inFlight = new Map<string, Delivery[] | null>();
  private readonly done = new Remembered(COMMITTED_IDS_LIMIT);

  /** Whether a task of this id is on its way. */
  has(id: string): boolean {
    return this.inFlight.has(id);
  }

  isCommitted(id: string): boolean {
    return this.done.has(id);
  }

  /** `new`: execute it. `waits`: a copy is on its way. `committed`: it is done. */
  arrived(delivery: Delivery): 'new' | 'waits' | 'committed' {
    const { id } = delivery;
    if (this.done.has(id)) return 'committed';
    const copies = this.inFlight.get(id);
    if (copies === undefined) {
      this.inFlight.set(id, null);
      return 'new';
    }
    if (copies === null) this.inFlight.set(id, [delivery]);
    else copies.push(delivery);
    return 'waits';
  }

  /** The copies that waited for it. */
  committed(id: string): readonly Delivery[] {
    const copies = this.inFlight.get(id) ?? NONE;
    this.inFlight.delete(id);
    this.done.add(id);
    return copies;
  }

  /** Forgets what was on its way; what is committed stays so. */
  clear(): void {
    this.inFlight.clear();
  }
}
