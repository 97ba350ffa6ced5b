/** Backoff: the pauses between attempts. Two shapes: a written list of steps (DP3's reconnects), and doubling with jitter (respawns). */
import { systemRandom } from './random.js';

export interface Backoff {
  /** The pause before the next attempt, in milliseconds. */
  nextMs(): number;
  /** After a success: start from the first pause again. */
  reset(): void;
}

/** Pauses of 1, 2, 5, 10, 30, 30 ... seconds, as DP3 makes between connection attempts. */
export const RECONNECT_STEPS_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

/** The pauses of a list, its last one forever after. */
export function steps(pausesMs: readonly number[] = RECONNECT_STEPS_MS): Backoff {
  let attempt = 0;
  return {
    nextMs: () => pausesMs[Math.min(attempt++, pausesMs.length - 1)] ?? 0,
    reset: () => {
      attempt = 0;
    },
  };
}

/** `firstMs` doubling up to `mostMs`, each pause drawn between half of itself and itself so that many do not come back at once. */
export function doubling(firstMs: number, mostMs: number, fraction: () => number = systemRandom.fraction): Backoff {
  let pauseMs = firstMs;
  return {
    nextMs() {
      const drawn = pauseMs / 2 + (fraction() * pauseMs) / 2;
      pauseMs = Math.min(pauseMs * 2, mostMs);
      return Math.round(drawn);
    },
    reset: () => {
      pauseMs = firstMs;
    },
  };
}
