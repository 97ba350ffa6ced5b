/** Deadline: one point in time by which a whole sequence of steps must end, handed from step to step. */
import { type Clock, systemClock } from './clock.js';

export class Deadline {
  private constructor(
    private readonly clock: Clock,
    private readonly endsAt: number,
  ) {}

  static in(durationMs: number, clock: Clock = systemClock): Deadline {
    return new Deadline(clock, clock.monotonic() + durationMs);
  }

  /** Milliseconds that are left, never negative. */
  get leftMs(): number {
    return Math.max(0, this.endsAt - this.clock.monotonic());
  }

  get passed(): boolean {
    return this.leftMs === 0;
  }

  /** True when `work` settled in time, false when the deadline passed first; an error of `work` is thrown. */
  async allows(work: Promise<unknown>): Promise<boolean> {
    let cancel = () => {};
    const late = new Promise<boolean>((resolve) => {
      cancel = this.clock.after(this.leftMs, () => resolve(false), true);
    });
    try {
      return await Promise.race([work.then(() => true), late]);
    } finally {
      cancel();
    }
  }
}
