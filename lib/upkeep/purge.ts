/**
 * Purge: has the store remove what is outdated, in bounded steps until nothing is left. After each step it rests three times as long
 * as the step took: tasks come first, and yet what piles up at full load is removed faster than it grows.
 */
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { PeriodicWork } from '../runtime/periodic.js';
import type { Store } from '../store/store.js';

const REST = 3;

export interface PurgeWorkOptions {
  readonly store: Pick<Store, 'purge'>;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
}

export function purge({ store, everyMs, clock, log }: PurgeWorkOptions): PeriodicWork {
  return {
    name: 'purge',
    what: 'removes what is outdated from the store',
    everyMs,
    async run() {
      const startedAt = clock.monotonic();
      const more = await store.purge();
      return more ? REST * (clock.monotonic() - startedAt) : undefined;
    },
    failed: (error) => log.warn('removing what is outdated failed', { error }),
  };
}
