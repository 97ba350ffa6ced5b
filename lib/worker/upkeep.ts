/**
 * Upkeep: has the store remove what is outdated, in bounded steps until nothing is left. After each step it rests three times as long
 * as the step took: tasks come first, and yet what piles up at full load is removed faster than it grows.
 */
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Store } from '../store/store.js';

const REST = 3;

export class Upkeep {
  private busy = false;
  private stopped = false;
  private cancel = () => {};

  constructor(
    private readonly store: Pick<Store, 'purge'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  /** Begins, unless it is at it. A failure ends it until it is begun again. */
  begin(): void {
    if (this.busy || this.stopped) return;
    this.busy = true;
    void this.step();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  private async step(): Promise<void> {
    const startedAt = this.clock.monotonic();
    let more = false;
    try {
      more = await this.store.purge();
    } catch (error) {
      this.log.warn('removing what is outdated failed', { error });
    }
    if (this.stopped) return;
    this.busy = more;
    if (more) this.cancel = this.clock.after(REST * (this.clock.monotonic() - startedAt), () => void this.step());
  }
}
