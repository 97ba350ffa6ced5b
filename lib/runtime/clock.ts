/** Clock: the only source of time for whatever decides by time, so that a test or a simulation can replace it. */
export interface Clock {
  /** Milliseconds since 1970, for what is stored or shown. */
  now(): number;
  /** Milliseconds that only grow, for durations. */
  monotonic(): number;
  /**
   * Calls `run` once after `delayMs`, however long that is; returns what cancels it. A waiting timer does not keep the process alive unless
   * `keepAlive`.
   */
  after(delayMs: number, run: () => void, keepAlive?: boolean): () => void;
  /** Calls `run` once in the next turn of the event loop: what comes until then is dealt with at once. */
  soon(run: () => void): void;
}

/** The longest delay that a timer of Node.js takes, 24.8 days; it fires at once for a longer one. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run, keepAlive = false) {
    let timer: NodeJS.Timeout;
    const wait = (leftMs: number) => {
      const next = leftMs > LONGEST_TIMER_MS ? () => wait(leftMs - LONGEST_TIMER_MS) : run;
      timer = setTimeout(next, Math.min(leftMs, LONGEST_TIMER_MS));
      if (!keepAlive) timer.unref();
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};

/** Resolves in the next turn of the event loop. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}

/** Calls `run` every `intervalMs` and keeps the process alive; returns what ends that. */
export function every(intervalMs: number, run: () => void, clock: Clock): () => void {
  let cancel = () => {};
  const again = () => {
    const runAgain = () => {
      again();
      run();
    };
    cancel = clock.after(intervalMs, runAgain, true);
  };
  again();
  return () => cancel();
}
