/** Clock: the only source of time for whatever decides by time, so that a test or a simulation can replace it. */
export interface Clock {
  /** Milliseconds since 1970, for what is stored or shown. */
  now(): number;
  /** Milliseconds that only grow, for durations. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`; returns what cancels it. A waiting timer does not keep the process alive unless `keepAlive`. */
  after(delayMs: number, run: () => void, keepAlive?: boolean): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run, keepAlive = false) {
    const timer = setTimeout(run, delayMs);
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};
