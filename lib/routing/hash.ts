/**
 * Hash of a key: md5, of which the last 16 bits count. The same on every producer and worker, Python ones included, so nothing here is a matter of
 * taste (wire.md, "Routing"; DP3's `HASH`).
 *
 * The digest costs more than the rest of a task's routing, and few keys make most of the traffic: `createHashCache` keeps what
 * was computed, within a bound. Refused: a cache in this module (state that nobody owns), md5 written by hand.
 */
import { hash } from 'node:crypto';

/** How many keys a hash cache holds, twice at most: one full generation and the one that grows. */
const HASH_CACHE_KEYS = 32_768;

/** Longer keys are not cached, so that the bound is one of memory too. */
const CACHED_KEY_LENGTH = 128;

/** The 16-bit routing hash of a key `etype:eid`, the id in canonical text. */
export function hashOf(key: string): number {
  return Number.parseInt(hash('md5', key, 'hex').slice(-4), 16);
}

/** `compute` with a bounded memory of its own. Keys that come again stay, the others leave a generation later. */
export function createHashCache(keys = HASH_CACHE_KEYS, compute = hashOf): (key: string) => number {
  let young = new Map<string, number>();
  let old = new Map<string, number>();
  return (key) => {
    const known = young.get(key);
    if (known !== undefined) return known;
    if (key.length > CACHED_KEY_LENGTH) return compute(key);
    const found = old.get(key) ?? compute(key);
    if (young.size >= keys) {
      old = young;
      young = new Map();
    }
    young.set(key, found);
    return found;
  };
}
