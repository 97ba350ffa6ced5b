/** Random numbers that a seed repeats exactly (mulberry32), for simulations that must be repeatable. */
/** Draws a number, 0 .. below 1. */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 .. below `end`. */
export function below(end: number, random: Random): number {
  return Math.floor(random() * end);
}
