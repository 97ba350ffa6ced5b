/** Taking an index that another process still owns: its owner may be draining, and lets go of it at the end. */
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

/** Between two tries. */
const AGAIN_MS = 250;

export interface Patience {
  /** After this time the refusal is thrown. */
  readonly patienceMs: number;
  readonly clock: Clock;
  /** Told once, if there is something to wait for. */
  waiting(why: string): void;
  /** True: there is no more use in waiting. */
  stopping?(): boolean;
}

/** Repeats `take` while it throws OWNED_ELSEWHERE; anything else that it throws is thrown at once. */
export async function takePatiently<T>(take: () => Promise<T>, patience: Patience): Promise<T> {
  const { patienceMs, clock, waiting, stopping } = patience;
  const giveUpAt = clock.monotonic() + patienceMs;
  for (let told = false; ; told = true) {
    try {
      return await take();
    } catch (error) {
      const owned = error instanceof ApplicationError && error.code === 'OWNED_ELSEWHERE';
      if (!owned || clock.monotonic() > giveUpAt || stopping?.()) throw error;
      if (!told) waiting(messageOf(error));
      await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve, true));
    }
  }
}
