/**
 * Once a second: acknowledges what is finished beyond a task that is not, and looks how long tasks are open. RabbitMQ closes a channel
 * over a message that is unacknowledged for its consumer time-out (30 minutes); long before that everything is to go back in order.
 */
import type { Clock } from '../../runtime/clock.js';
import type { Pair } from './handout.js';

const SWEEP_MS = 1_000;
/** Part of the time-out. */
const TOO_OLD = 0.75;

export interface SweepOptions {
  readonly clock: Clock;
  readonly consumerTimeoutMs: number;
  pair(): Pair | null;
  tooOld(ageMs: number): void;
}

export class Sweep {
  private cancel = () => {};

  constructor(private readonly options: SweepOptions) {}

  start(): void {
    this.cancel = this.options.clock.after(SWEEP_MS, () => {
      this.sweep();
      this.start();
    });
  }

  stop(): void {
    this.cancel();
  }

  private sweep(): void {
    const { clock, consumerTimeoutMs, pair: current, tooOld } = this.options;
    const pair = current();
    if (pair === null) return;
    let oldestMs = 0;
    for (const each of [pair.priority, pair.normal]) {
      each.flush(true);
      oldestMs = Math.max(oldestMs, each.ageMs(clock.monotonic()));
    }
    if (oldestMs > TOO_OLD * consumerTimeoutMs) tooOld(oldestMs);
  }
}
