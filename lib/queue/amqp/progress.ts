/**
 * Progress watchdog of a queue: twice a minute, at DP3's seconds 20 and 50, it looks whether a reader that could get tasks gets none
 * although some wait. Such a reader is built anew; when that was in vain three times, the worker is to end.
 */
import type { Clock } from '../../runtime/clock.js';

const MINUTE_MS = 60_000;
const LOOKS_AT_MS = [20_000, 50_000];
const MOST_IN_VAIN = 3;

export interface ProgressWatchOptions {
  readonly clock: Clock;
  /** Whether messages wait that the reader could have and does not get. */
  isStuck(): Promise<boolean>;
  /** `times`: how often in a row, this one included. */
  rebuild(times: number): void;
  /** All in vain. */
  failed(times: number): void;
}

export class ProgressWatch {
  private cancel = () => {};
  private stopped = true;
  private inVain = 0;
  /** Messages that arrived and did not go back to the queue, now and at most so far: it is progress when that grows. */
  private received = 0;
  private most = 0;

  constructor(private readonly options: ProgressWatchOptions) {}

  start(): void {
    this.stopped = false;
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  arrived(): void {
    this.received++;
  }

  /** So many went back unsettled: that they come again is no progress. */
  returned(count: number): void {
    this.received -= count;
  }

  private schedule(): void {
    const { clock } = this.options;
    const inMinute = clock.now() % MINUTE_MS;
    const next = LOOKS_AT_MS.find((at) => at > inMinute) ?? MINUTE_MS + LOOKS_AT_MS[0]!;
    this.cancel = clock.after(next - inMinute, () => void this.look());
  }

  private async look(): Promise<void> {
    const { isStuck, rebuild, failed } = this.options;
    const stuck = await isStuck().catch(() => false);
    if (this.stopped) return;
    if (this.received > this.most) this.inVain = 0;
    this.most = Math.max(this.most, this.received);
    if (stuck && this.inVain === MOST_IN_VAIN) {
      failed(this.inVain);
      return;
    }
    if (stuck) rebuild(++this.inVain);
    this.schedule();
  }
}
