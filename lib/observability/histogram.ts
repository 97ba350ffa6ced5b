/**
 * Histogram: durations in a bounded number of buckets of growing width, so that p50 and p99 of any number of values cost
 * constant memory, and the histograms of several processes can be added up.
 *
 * Four buckets for each doubling, from a microsecond to about seventy minutes: a quantile is at most 19 % too high, never too
 * low. Refused: keeping samples (their quantiles cannot be added up).
 */

const BUCKETS_PER_DOUBLING = 4;
const SMALLEST_MS = 0.001;
const BUCKETS = 32 * BUCKETS_PER_DOUBLING;
const LONGEST_MS = SMALLEST_MS * 2 ** 32;

/** Durations in milliseconds as plain data. `buckets[i]` counts those up to 0.001 * 2^(i/4) ms; zeros at the end are left out. */
export interface Timing {
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
  readonly buckets: readonly number[];
}

export interface Histogram {
  record(durationMs: number): void;
  snapshot(): Timing;
}

export function createHistogram(): Histogram {
  const buckets = new Array<number>(BUCKETS).fill(0);
  let count = 0;
  let sumMs = 0;
  let maxMs = 0;
  return {
    record(durationMs) {
      // A clock that was set back must not spoil the sum forever.
      const ms = durationMs > 0 ? Math.min(durationMs, LONGEST_MS) : 0;
      const bucket = bucketOf(ms);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      count += 1;
      sumMs += ms;
      if (ms > maxMs) maxMs = ms;
    },
    snapshot: () => ({ count, sumMs, maxMs, buckets: buckets.slice(0, buckets.findLastIndex((n) => n > 0) + 1) }),
  };
}

/** The sum of timings, as if one histogram had recorded all; those that are not known are left out. */
export function sumTimings(all: readonly (Timing | undefined)[]): Timing {
  const timings = all.filter((timing) => timing !== undefined);
  const longest = Math.max(0, ...timings.map((timing) => timing.buckets.length));
  return {
    count: timings.reduce((sum, timing) => sum + timing.count, 0),
    sumMs: timings.reduce((sum, timing) => sum + timing.sumMs, 0),
    maxMs: Math.max(0, ...timings.map((timing) => timing.maxMs)),
    buckets: Array.from({ length: longest }, (_, at) =>
      timings.reduce((sum, timing) => sum + (timing.buckets[at] ?? 0), 0),
    ),
  };
}

/** The duration that `share` (0 to 1) of the values do not exceed, in milliseconds; 0 where there are none. */
export function quantile(timing: Timing, share: number): number {
  let missing = Math.max(1, Math.ceil(timing.count * share));
  for (const [bucket, count] of timing.buckets.entries()) {
    missing -= count;
    if (missing <= 0) return Math.min(timing.maxMs, SMALLEST_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING));
  }
  return timing.maxMs;
}

function bucketOf(durationMs: number): number {
  if (durationMs <= SMALLEST_MS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log2(durationMs / SMALLEST_MS) * BUCKETS_PER_DOUBLING));
}
