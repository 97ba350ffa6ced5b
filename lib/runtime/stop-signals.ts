/**
 * Signals that ask a process to end: the first drains it, a second one ends it at once. What starts programs may send one signal twice,
 * to the process and to its group (timeout(1), npm, npx): that is still the first one.
 */
import type { Clock } from './clock.js';

/** Nobody presses Ctrl-C twice within this time. */
export const SAME_SIGNAL_MS = 100;

/** What to call at each signal. `drain` is called once. */
export function stopSignals(
  clock: Clock,
  drain: (signal: NodeJS.Signals) => void,
  endAtOnce: (signal: NodeJS.Signals) => void,
): (signal: NodeJS.Signals) => void {
  let first: number | null = null;
  return (signal) => {
    const now = clock.monotonic();
    if (first === null) {
      first = now;
      drain(signal);
    } else if (now - first > SAME_SIGNAL_MS) endAtOnce(signal);
  };
}
