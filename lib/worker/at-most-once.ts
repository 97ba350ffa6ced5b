/**
 * Delivery at most once: tasks leave their queue before they run. Those that start at the same time leave together, before the first
 * of them runs, so that one that kills its process does not come again; and no more than may run at once are neither in the
 * queue nor in the store.
 *
 * A connection may be lost with acknowledgements in it, and a sender that had no answer sends again: whatever comes under the id of one
 * that has left is a copy of it. A message without an id of its own is none: somebody may have sent the same body again.
 */
import type { Work } from '../lanes/work.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { TaskReader } from '../queue/queue.js';
import { ApplicationError } from '../runtime/errors.js';
import { Remembered } from './remembered.js';

/** More than the broker hands out before it has read an acknowledgement (`msg_broker.prefetch`), unless that is raised far. */
const LEFT_IDS = 16_384;

export interface AtMostOnceOptions {
  readonly reader: Pick<TaskReader, 'settle'>;
  readonly threads: number;
  readonly events: Events;
  readonly log: Logger;
  /** Results that are not in the store yet. */
  uncommitted(): number;
  /** Nothing can be acknowledged any more. */
  failed(reason: unknown): void;
}

export class AtMostOnce {
  private readonly left = new Remembered(LEFT_IDS);

  constructor(private readonly options: AtMostOnceOptions) {}

  /** Whether one more may start while so many run or are to run again. */
  admits(busy: number): boolean {
    return busy + this.options.uncommitted() < this.options.threads;
  }

  /** Marks as acknowledged what may run. All else is not to be processed: copies, and what could not be acknowledged. */
  leave(works: readonly Work[]): void {
    const { reader, log, failed } = this.options;
    const leaving = works.filter(({ acknowledged }) => !acknowledged);
    try {
      reader.settle(leaving.map(({ delivery }) => delivery));
      for (const work of leaving) this.hasLeft(work);
    } catch (error) {
      for (const { delivery, task } of leaving) {
        const fields = { id: delivery.id, entity: task.key, error };
        log.warn('a task could not be acknowledged and is not processed', fields);
      }
      if (error instanceof ApplicationError && error.follows !== 'retry') failed(error);
    }
  }

  private hasLeft(work: Work): void {
    const { id, nameless, once } = work.delivery;
    const remembered = !nameless && !once;
    if (remembered && this.left.has(id)) {
      this.options.events.emit('task-known', { id });
      return;
    }
    work.acknowledged = true;
    if (remembered) this.left.add(id);
  }
}
