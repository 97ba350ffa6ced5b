/**
 * Outage: the store does not take commits, from the first one that has to wait until one goes through. Told once, when it begins and when the
 * reason is another; the pauses between attempts grow.
 */
import type { Events } from '../observability/events.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { Troubles } from '../runtime/troubles.js';
import type { CommitOutcome } from '../store/store.js';

/** So long deliveries are held while the store does not answer; a broker takes back what is not acknowledged for half an hour. */
export const LONG_OUTAGE_MS = 60_000;

export interface OutageOptions {
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  /** It has lasted for `LONG_OUTAGE_MS`; told once each time. */
  lasts(): void;
}

export class Outage {
  private present: { readonly since: number; attempts: number; why: string; readonly cancel: () => void } | null = null;
  private readonly pauses: Backoff = steps();

  constructor(private readonly options: OutageOptions) {}

  get isPresent(): boolean {
    return this.present !== null;
  }

  /** A commit of so many tasks has to wait; how long until it is tried again. */
  waits({ why, answers = false }: CommitOutcome & { readonly kind: 'unavailable' }, tasks: number): number {
    const { clock, events, troubles, lasts } = this.options;
    if (this.present?.why !== why) events.emit('store-down', { answers, why });
    this.present ??= { since: clock.monotonic(), attempts: 0, why, cancel: clock.after(LONG_OUTAGE_MS, lasts) };
    this.present.why = why;
    troubles.waits(this, why);
    const attempt = ++this.present.attempts;
    const pauseMs = this.pauses.nextMs();
    events.emit('commit-retried', { tasks, attempt, pauseMs, why });
    return pauseMs;
  }

  /** The store has answered. */
  over(): void {
    if (this.present === null) return;
    const { clock, events, troubles } = this.options;
    events.emit('store-up', { awayMs: clock.monotonic() - this.present.since });
    this.stop();
    this.present = null;
    troubles.goesOn(this);
    this.pauses.reset();
  }

  /** Nobody waits for its end any more. */
  stop(): void {
    this.present?.cancel();
  }
}
