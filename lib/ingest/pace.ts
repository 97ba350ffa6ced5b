/** Pace: at most so many data-points a second, in even portions. What was not used in a pause is not made up for afterwards. */
import { type Clock, systemClock } from '../runtime/clock.js';

const PORTIONS_A_SECOND = 10;

export class Pace {
  private dueAt = 0;

  /** `perSecond`: null for no limit. */
  constructor(
    private readonly perSecond: number | null,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Data-points of one portion, a whole number; one at least. */
  get portion(): number {
    return this.perSecond === null
      ? Number.POSITIVE_INFINITY
      : Math.max(1, Math.floor(this.perSecond / PORTIONS_A_SECOND));
  }

  /** Waits until so many data-points more may be sent. Ends early when the signal fires. */
  async take(points: number, signal: AbortSignal): Promise<void> {
    if (this.perSecond === null) return;
    const now = this.clock.monotonic();
    const waitMs = this.dueAt - now;
    this.dueAt = Math.max(this.dueAt, now) + (points * 1_000) / this.perSecond;
    if (waitMs > 0) await pause(waitMs, signal, this.clock);
  }
}

/** Ends early when the signal fires. */
export function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const over = () => {
      cancel();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const cancel = clock.after(ms, over, true);
    signal.addEventListener('abort', over);
  });
}
