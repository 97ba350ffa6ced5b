/**
 * Data-points from the future: a sensor whose clock is wrong would set a value that stays the newest one for as long as it is ahead.
 *
 * How far ahead t1 and t2 may lie is the operator's to say (`datapoint.max_future`); without a limit a point that begins more than a day
 * ahead is only told of. t2 counts where there is a limit: it decides which value is the newest.
 */
import type { DataPoint } from './datapoint.js';
import { type Instant, instantOfMs } from './time.js';

export interface FutureLimit {
  /** How far ahead t1 and t2 may lie; null for no limit. */
  readonly maxFutureMs: number | null;
  /** What becomes of a data-point beyond the limit: it is refused, or its times are brought back to the limit. */
  readonly beyond: 'refuse' | 'clip';
}

const TOLD_MS = 86_400_000;

/** `far`: it begins more than a day ahead, and no limit is set. `beyond`: a limit is set, and t1 or t2 lies behind it. */
export type Futurity = 'near' | 'far' | 'beyond';

/** Where "now" ends for the data-points of a moment; made anew as time goes on. */
export class Horizon {
  private madeAtMs = Number.NEGATIVE_INFINITY;
  private last_ = '' as Instant;

  constructor(
    private readonly limit: FutureLimit,
    private readonly nowMs: () => number,
  ) {}

  futurityOf({ t1, t2 }: DataPoint): Futurity {
    if (t1 === null) return 'near';
    const { last } = this;
    const { maxFutureMs } = this.limit;
    if (maxFutureMs === null) return t1 > last ? 'far' : 'near';
    return t1 > last || (t2 !== null && t2 > last) ? 'beyond' : 'near';
  }

  /** The data-point with its times brought back to the limit. */
  clipped(point: DataPoint): DataPoint {
    const { last } = this;
    const clip = (time: Instant | null) => (time !== null && time > last ? last : time);
    return Object.freeze({ ...point, t1: clip(point.t1), t2: clip(point.t2) });
  }

  /** The last instant that is not in the future. */
  get last(): Instant {
    const nowMs = this.nowMs();
    if (nowMs !== this.madeAtMs) {
      this.madeAtMs = nowMs;
      this.last_ = instantOfMs(nowMs + (this.limit.maxFutureMs ?? TOLD_MS));
    }
    return this.last_;
  }
}
