/** Waiting that a signal ends. */
import { systemClock } from '../lib/runtime/clock.js';

/** Resolves after a while. @throws the reason of the signal as soon as that has fired */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fired = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = systemClock.after(
      ms,
      () => {
        signal.removeEventListener('abort', fired);
        resolve();
      },
      true,
    );
    if (signal.aborted) fired();
    else signal.addEventListener('abort', fired, { once: true });
  });
}
