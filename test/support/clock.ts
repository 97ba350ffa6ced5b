/** A clock for tests that stands still until it is told how much time passes; timers due on the way run in their order. */
import type { Clock } from '../../lib/runtime/clock.js';

export interface ManualClock extends Clock {
  /** Lets time pass and runs what is due, each at its own time. */
  pass(durationMs: number): void;
  /** The time of day is set, forward or back; durations stay what they are. */
  set(byMs: number): void;
  /** How many timers wait. */
  readonly waiting: number;
}

export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let passedMs = 0;
  let setMs = 0;
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  const nextDue = (until: number) =>
    [...timers].filter((timer) => timer.at <= until).sort((one, other) => one.at - other.at)[0];
  return {
    now: () => startMs + setMs + passedMs,
    monotonic: () => passedMs,
    after(delayMs, run) {
      const timer = { at: passedMs + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    soon(run) {
      setImmediate(run);
    },
    pass(durationMs) {
      const until = passedMs + durationMs;
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        passedMs = timer.at;
        timer.run();
      }
      passedMs = until;
    },
    set(byMs) {
      setMs += byMs;
    },
    get waiting() {
      return timers.size;
    },
  };
}
