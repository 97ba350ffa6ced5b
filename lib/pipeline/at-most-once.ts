/**
 * Delivery at most once: tasks leave their queue before they run. Those that start at the same time leave together, before the first
 * of them runs, so that one that kills its process does not come again; and no more than may run at once are neither in the
 * queue nor in the store.
 */
import type { Work } from '../lanes/work.js';
import type { Logger } from '../observability/logger.js';
import type { TaskReader } from '../queue/queue.js';
import { ApplicationError } from '../runtime/errors.js';

export interface AtMostOnceOptions {
  readonly reader: Pick<TaskReader, 'settle'>;
  readonly threads: number;
  readonly log: Logger;
  /** Results that are not in the store yet. */
  uncommitted(): number;
  /** These have left their queue: whatever comes under their ids is a copy. */
  left(works: readonly Work[]): void;
  /** Nothing can be acknowledged any more. */
  failed(reason: unknown): void;
}

export class AtMostOnce {
  constructor(private readonly options: AtMostOnceOptions) {}

  /** Whether one more may start while so many run or are to run again. */
  admits(busy: number): boolean {
    return busy + this.options.uncommitted() < this.options.threads;
  }

  /** Marks as acknowledged what may run; what could not be acknowledged is not to be processed. */
  leave(works: readonly Work[]): void {
    const { reader, log, left, failed } = this.options;
    const leaving = works.filter(({ acknowledged }) => !acknowledged);
    try {
      reader.settle(leaving.map(({ delivery }) => delivery));
      for (const work of leaving) work.acknowledged = true;
      left(leaving);
    } catch (error) {
      for (const { delivery, task } of leaving) {
        const fields = { id: delivery.id, entity: task.key, error };
        log.warn('a task could not be acknowledged and is not processed', fields);
      }
      if (error instanceof ApplicationError && error.follows !== 'retry') failed(error);
    }
  }
}
