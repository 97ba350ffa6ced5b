/** Freezing: a loaded configuration cannot be changed by anyone who holds it. */
import { frozenMap } from '../model/frozen-map.js';

/** The value, frozen with everything in it; maps are replaced by ones without methods that change them. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const inner of value.values()) freeze(inner);
    return frozenMap(value) as T;
  }
  for (const key of Reflect.ownKeys(value)) Reflect.set(value, key, freeze(Reflect.get(value, key)));
  return Object.freeze(value);
}
