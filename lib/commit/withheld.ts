/**
 * Withheld: tasks that the store refuses as they are and refuses to put aside, too. Each stays unacknowledged and is tried again after growing
 * pauses, as a note in quarantine; nothing else waits for it.
 */
import type { DoneWork } from '../model/work.js';
import type { Events } from '../observability/events.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { bareResult } from './aside.js';

export interface WithheldOptions {
  readonly clock: Clock;
  readonly events: Events;
  /** It is time for this one. */
  retry(work: DoneWork): void;
}

export class Withheld {
  private readonly works = new Set<DoneWork>();
  /** Those that are tried again just now. */
  private readonly tried = new Set<DoneWork>();
  private readonly pauses: Backoff = steps();
  private cancel: (() => void) | null = null;
  private why = '';

  constructor(private readonly options: WithheldOptions) {}

  /** What to tell of them; null where there are none. */
  get trouble(): string | null {
    const tasks = this.works.size + this.tried.size;
    return tasks === 0 ? null : `tasks that can be neither stored nor put into quarantine: ${tasks}; ${this.why}`;
  }

  list(): readonly DoneWork[] {
    return [...this.works];
  }

  add(work: DoneWork, why: string): void {
    const { clock, events } = this.options;
    this.why = why;
    this.works.add(work);
    const { delivery, key } = work;
    if (!this.tried.delete(work)) events.emit('task-withheld', { id: delivery.id, key, why });
    this.cancel ??= clock.after(this.pauses.nextMs(), () => this.retry(), true);
  }

  committed(works: readonly DoneWork[]): void {
    if (this.tried.size === 0) return;
    for (const work of works) this.tried.delete(work);
    if (this.tried.size + this.works.size === 0) this.pauses.reset();
  }

  /** Forgets those that come again by themselves. */
  forget(comesAgain: (work: DoneWork) => boolean): void {
    for (const work of this.works) if (comesAgain(work)) this.works.delete(work);
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private retry(): void {
    this.cancel = null;
    const works = [...this.works];
    this.works.clear();
    for (const work of works) {
      // What refused its id may be over: noted without it, the task would be run when it comes again.
      const { reason } = work.result;
      if (reason !== undefined) work.conclude(bareResult(reason));
      this.tried.add(work);
      this.options.retry(work);
    }
  }
}
