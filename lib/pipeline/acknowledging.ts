/**
 * Acknowledging: when deliveries leave their queue, decided here alone.
 *
 *   after the commit (effectively-once, at-least-once): the store settles each in its commit or right after it, and nothing is done here
 *   before it runs (at-most-once): those that start at the same time leave together, before the first of them runs, so that one that
 *   kills its process does not come again; and no more than may run at once are neither in the queue nor in the store
 *
 * All others see of it is `acked` of a work: it has left its queue, so that it does not come again by itself, and is never forgotten.
 */
import type { LaneWork } from '../model/work.js';
import type { Events } from '../observability/events.js';
import type { TaskReader } from '../queue/queue.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Duplicates } from './duplicates.js';
import { isExhausted } from './lane-restarts.js';
import type { PipelineLimits } from './options.js';

export interface Acknowledging {
  /** Whether one more may start while so many run, are to run again though they have left their queue, or are not in the store. */
  admits(open: number): boolean;
  /** These run next. */
  starting(works: readonly LaneWork[]): void;
  /** Whether it may run, now that it is its turn. */
  allows(work: LaneWork): boolean;
}

export const AFTER_ITS_COMMIT: Acknowledging = {
  admits: () => true,
  starting: () => {},
  allows: () => true,
};

export interface BeforeItRunsOptions {
  readonly limits: Pick<PipelineLimits, 'threads' | 'maxAttempts'>;
  readonly reader: Pick<TaskReader, 'settle'>;
  readonly duplicates: Pick<Duplicates, 'done'>;
  readonly events: Events;
  /** Nothing can be acknowledged any more. */
  failed(reason: unknown): void;
}

export class BeforeItRuns implements Acknowledging {
  constructor(private readonly options: BeforeItRunsOptions) {}

  admits(open: number): boolean {
    return open < this.options.limits.threads;
  }

  /** What cannot be acknowledged is not to be processed. What only goes to quarantine stays in its queue until it is there. */
  starting(works: readonly LaneWork[]): void {
    const { limits, reader, duplicates, events, failed } = this.options;
    const leaving = works.filter((work) => !work.acked && !isExhausted(work, limits));
    try {
      reader.settle(leaving.map(({ delivery }) => delivery));
      for (const work of leaving) work.acked = true;
      // Whatever comes under their ids is a copy.
      duplicates.done(leaving);
    } catch (error) {
      for (const { delivery, task } of leaving) {
        events.emit('task-unacknowledged', { id: delivery.id, key: task.key, error });
      }
      if (error instanceof ApplicationError && error.follows !== 'retry') failed(error);
    }
  }

  allows({ acked }: LaneWork): boolean {
    return acked;
  }
}
