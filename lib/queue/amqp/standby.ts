/**
 * Waits until both queues of a pair can be consumed: for the connection, for queues that were deleted, and for another process
 * that consumes them, which is told once and asked four times a second.
 */
import type { Logger } from '../../observability/logger.js';
import { steps } from '../../runtime/backoff.js';
import { messageOf } from '../../runtime/errors.js';
import type { PairNames } from '../names.js';
import type { Pair } from './handout.js';
import { type Opening, openPair, QueueInUse } from './opening.js';

/** Between two attempts of a process that stands by. */
const STANDBY_MS = 250;

export interface StandbyOptions {
  readonly names: PairNames;
  readonly log: Logger;
  /** Another process consumes; told once each time. */
  standsBy(why: string): void;
  opening(): Opening;
  /** Declares or checks the queues. */
  ensureQueues(): Promise<unknown>;
}

export class Standby {
  private stopped = false;
  private wake = () => {};

  constructor(private readonly options: StandbyOptions) {}

  /** Null when it was stopped. `ensured`: the queues are known to be there. */
  async open(ensured: boolean): Promise<Pair | null> {
    const { names, log, opening, ensureQueues, standsBy } = this.options;
    const pauses = steps();
    let inUse = false;
    let missing = !ensured;
    while (!this.stopped) {
      try {
        const options = opening();
        await this.connected(options);
        if (missing) await ensureQueues();
        missing = false;
        const pair = await openPair(options, names);
        if (inUse) log.info('takes over, since no other process consumes any more', { queue: names.normal });
        if (!this.stopped) return pair;
        await Promise.all([pair.priority.close(), pair.normal.close()]);
      } catch (error) {
        if (this.stopped) return null;
        if (error instanceof QueueInUse) {
          const why = `another process consumes the queue ${error.message}`;
          if (!inUse) {
            log.info('stands by until the other process ends', { why });
            standsBy(why);
          }
          inUse = true;
          await this.sleep(STANDBY_MS);
        } else {
          missing = true;
          log.warn('the queues can not be consumed; it is tried again', { why: messageOf(error) });
          await this.sleep(pauses.nextMs());
        }
      }
    }
    return null;
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  private async connected({ connection }: Opening): Promise<void> {
    if (connection.isUp) return;
    await new Promise<void>((resolve) => {
      const cancel = connection.onUp(() => this.wake());
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }

  private async sleep(pauseMs: number): Promise<void> {
    const { clock } = this.options.opening();
    if (this.stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(pauseMs, resolve, true);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
