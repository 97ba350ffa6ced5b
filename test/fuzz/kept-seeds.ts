/** Inputs that failed once, by door: files of seeds/, which the fuzz command writes. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Json } from './door.js';

export const SEEDS = new URL('seeds/', import.meta.url);

/** Each is tried as it was then: some inputs fail only together. */
export function keptSeeds(door: string): readonly Json[][] {
  const kept = readdirSync(SEEDS).map((name) => JSON.parse(readFileSync(new URL(name, SEEDS), 'utf8')) as Kept);
  return kept.filter((seed) => seed.door === door).map(({ input }) => input);
}

interface Kept {
  readonly door: string;
  readonly why: string;
  readonly input: Json[];
}
