/**
 * Withheld: tasks that the store refuses as they are and refuses to put aside, too. Each stays unacknowledged and is tried again after growing
 * pauses, as a note in quarantine; nothing else waits for it.
 */
import type { Delivery } from '../model/delivery.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { bareResult, type Entry } from './entry.js';

export interface WithheldOptions<Again> {
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
  /** It is time for them. */
  again(entries: readonly Entry<Again>[]): void;
}

export class Withheld<Again> {
  private readonly entries = new Set<Entry<Again>>();
  /** Those that are tried again just now. */
  private readonly tried = new Set<Delivery>();
  private readonly pauses: Backoff = steps();
  private cancel: (() => void) | null = null;
  private why = '';

  constructor(private readonly options: WithheldOptions<Again>) {}

  /** What to tell of them; null where there are none. */
  get trouble(): string | null {
    const tasks = this.entries.size + this.tried.size;
    return tasks === 0 ? null : `tasks that can be neither stored nor put into quarantine: ${tasks}; ${this.why}`;
  }

  list(): readonly Entry<Again>[] {
    return [...this.entries];
  }

  add(entry: Entry<Again>, why: string): void {
    const { clock, events, log } = this.options;
    this.why = why;
    this.entries.add(entry);
    const { delivery, key } = entry;
    if (!this.tried.delete(delivery)) {
      log.error('a task can be neither stored nor put aside; it waits', { id: delivery.id, entity: key, why });
      events.emit('task-withheld', { id: delivery.id, key, why });
    }
    this.cancel ??= clock.after(this.pauses.nextMs(), () => this.retry(), true);
  }

  committed(entries: readonly Entry<Again>[]): void {
    if (this.tried.size === 0) return;
    for (const { delivery } of entries) this.tried.delete(delivery);
    if (this.tried.size + this.entries.size === 0) this.pauses.reset();
  }

  /** Forgets those that come again by themselves. */
  forget(comesAgain: (entry: Entry<Again>) => boolean): void {
    for (const entry of this.entries) if (comesAgain(entry)) this.entries.delete(entry);
  }

  stop(): void {
    this.cancel?.();
    this.cancel = null;
  }

  private retry(): void {
    this.cancel = null;
    const entries = Array.from(this.entries, withId);
    this.entries.clear();
    for (const { delivery } of entries) this.tried.add(delivery);
    this.options.again(entries);
  }
}

/** What refused its id may be over: noted without it, the task would be run when it comes again. */
function withId<Again>(entry: Entry<Again>): Entry<Again> {
  const { reason } = entry.result;
  return reason === undefined ? entry : { ...entry, result: bareResult(reason) };
}
