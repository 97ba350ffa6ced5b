/** Loaded into a program before all else: whoever waits for ten seconds or longer waits for a fiftieth of it. */
const LONG_MS = 10_000;
const PART = 1 / 50;

const { setTimeout: wait } = globalThis;
globalThis.setTimeout = Object.assign((run, ms, ...rest) => wait(run, ms >= LONG_MS ? ms * PART : ms, ...rest), wait);
