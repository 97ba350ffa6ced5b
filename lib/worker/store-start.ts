/** Starting the store of a worker: a server that does not answer is waited for, as the broker is; what it refuses is thrown. */
import type { Logger } from '../observability/logger.js';
import { steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { Reminder } from '../runtime/reminder.js';
import type { Store } from '../store/store.js';

/** A first attempt that takes longer is told of. */
const SILENT_MS = 2_000;

export class StoreStart {
  private why: string | null = null;
  private stopped = false;
  private underWay = false;
  private endPause = () => {};

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Why it is still waited for; null where it is not. */
  get trouble(): string | null {
    return this.why;
  }

  /** Throws what cannot pass by itself, and STORE_UNAVAILABLE where `stop` comes first. */
  async run(): Promise<void> {
    this.refuseStopped();
    this.underWay = true;
    try {
      await this.reach();
    } finally {
      this.underWay = false;
    }
    this.refuseStopped();
  }

  /** Ends a start that is under way. Once the store has started, others use it: they stop first. */
  stop(): void {
    this.stopped = true;
    if (!this.underWay) return;
    this.endPause();
    void this.store.stop().catch(() => {});
  }

  private async reach(): Promise<void> {
    const { store, clock, log } = this;
    const backoff = steps();
    const reminder = new Reminder(clock, (why) => {
      this.why = why;
      log.warn('the store cannot be reached; it is tried again', { why });
    });
    const cancelSilence = clock.after(SILENT_MS, () => reminder.because(`no answer from ${store.name} yet`));
    for (;;) {
      try {
        await store.start();
        break;
      } catch (error) {
        const passes = error instanceof ApplicationError && error.follows === 'retry';
        if (!passes || this.stopped) throw error;
        reminder.because(error.message);
        await this.pause(backoff.nextMs());
        if (this.stopped) throw error;
      } finally {
        cancelSilence();
      }
    }
    if (this.why !== null) log.info('the store can be reached now');
    this.why = null;
  }

  private refuseStopped(): void {
    if (this.stopped)
      throw new ApplicationError('STORE_UNAVAILABLE', `${this.store.name} was not waited for: the worker stops`);
  }

  private async pause(ms: number): Promise<void> {
    if (this.stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(ms, resolve, true);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
