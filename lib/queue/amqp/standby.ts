/**
 * Waits until both queues of a pair can be consumed: for the connection, for queues that were deleted, and for another process
 * that consumes them, which is told once and asked four times a second.
 */
import type { Logger } from '../../observability/logger.js';
import { steps } from '../../runtime/backoff.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { PairNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
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
  /** Declares or checks the queues, and makes sure that they may be consumed. Where that is STORE_MISMATCH, no further attempt helps. */
  ensureQueues(): Promise<unknown>;
}

export class Standby {
  private stopped = false;
  private wake = () => {};
  private openingSince: number | null = null;
  private trouble_: string | null = null;

  constructor(private readonly options: StandbyOptions) {}

  /** Why the queues can not be consumed at the moment, though the broker answers; null where that is not so. */
  get trouble(): string | null {
    return this.trouble_;
  }

  /** How long the attempt lasts that is being made; 0 where none is. */
  get attemptMs(): number {
    return this.openingSince === null ? 0 : this.options.opening().clock.monotonic() - this.openingSince;
  }

  /** Null when it was stopped. Throws STORE_MISMATCH. */
  async open(): Promise<Pair | null> {
    const { names, log, opening, ensureQueues } = this.options;
    const pauses = steps();
    let inUse = false;
    let missing = true;
    while (!this.stopped) {
      const options = opening();
      const { connection } = options;
      if (!connection.isUp) {
        await this.connected(connection);
        pauses.reset();
        continue;
      }
      try {
        if (missing) await ensureQueues();
        missing = false;
        const pair = await this.attempt(options);
        this.trouble_ = null;
        if (inUse) log.info('takes over, since no other process consumes any more', { queue: names.normal });
        if (!this.stopped) return pair;
        await Promise.all([pair.priority.close(), pair.normal.close()]);
      } catch (error) {
        if (this.stopped) return null;
        if (error instanceof ApplicationError && error.code === 'STORE_MISMATCH') throw error;
        // What a lost connection means is told by the connection.
        if (!connection.isUp) missing = true;
        else if (error instanceof QueueInUse) {
          this.trouble_ = null;
          if (!inUse) this.standsBy(error.message);
          inUse = true;
          await this.sleep(options, STANDBY_MS);
        } else {
          missing = true;
          this.trouble_ = messageOf(error);
          log.warn('the queues can not be consumed; it is tried again', { why: this.trouble_ });
          await this.sleep(options, pauses.nextMs());
        }
      }
    }
    return null;
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  private async attempt(options: Opening): Promise<Pair> {
    this.openingSince = options.clock.monotonic();
    try {
      return await openPair(options, this.options.names);
    } finally {
      this.openingSince = null;
    }
  }

  private standsBy(why: string): void {
    this.options.log.info('stands by until the other process ends', { why });
    this.options.standsBy(why);
  }

  private connected(connection: AmqpConnection): Promise<void> {
    return this.untilWoken((wake) => connection.onUp(wake));
  }

  /** A connection that comes back meanwhile ends it. */
  private sleep({ connection, clock }: Opening, pauseMs: number): Promise<void> {
    return this.untilWoken((wake) => {
      const ignore = connection.onUp(wake);
      const cancel = clock.after(pauseMs, wake, true);
      return () => {
        ignore();
        cancel();
      };
    });
  }

  /** Until what `listen` listens to, or a stop. */
  private async untilWoken(listen: (wake: () => void) => () => void): Promise<void> {
    if (this.stopped) return;
    await new Promise<void>((resolve) => {
      const ignore = listen(() => this.wake());
      this.wake = () => {
        ignore();
        resolve();
      };
    });
  }
}
