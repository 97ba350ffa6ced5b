/** Waiting for an index that another process still owns: its owner may be draining, and lets go of it at the end. */
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

/** Between two tries. */
const AGAIN_MS = 250;

export interface OwnershipWait {
  /** After this time the refusal is thrown. */
  readonly mostMs: number;
  readonly clock: Clock;
  /** Told once, if there is something to wait for. */
  waiting(why: string): void;
  /** True: there is no more use in waiting. */
  stopping?(): boolean;
}

/** Repeats `take` while it throws OWNED_ELSEWHERE; anything else that it throws is thrown at once. */
export async function waitForOwnership<T>(take: () => Promise<T>, wait: OwnershipWait): Promise<T> {
  const { mostMs, clock, waiting, stopping } = wait;
  const giveUpAt = clock.monotonic() + mostMs;
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
