/** Makes an input smaller for as long as it still fails: what is left is what it fails for. */
import type { Json } from './door.js';

/** The smallest that was found before `until` says that it is enough. */
export async function shrunk(
  input: Json,
  fails: (smaller: Json) => Promise<boolean>,
  enough: () => boolean,
): Promise<Json> {
  let smallest = input;
  for (let shrinks = true; shrinks; ) {
    shrinks = false;
    for (const candidate of smallerThan(smallest)) {
      if (enough()) return smallest;
      if (!(await fails(candidate))) continue;
      smallest = candidate;
      shrinks = true;
      break;
    }
  }
  return smallest;
}

/** Large steps first. */
export function* smallerThan(value: Json): Iterable<Json> {
  if (typeof value === 'string') yield* shorter(value, (from, to) => value.slice(0, from) + value.slice(to));
  else if (Array.isArray(value)) {
    yield* shorter(value, (from, to) => [...value.slice(0, from), ...value.slice(to)]);
    for (const [at, item] of value.entries()) for (const smaller of smallerThan(item)) yield value.with(at, smaller);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    yield* shorter(entries, (from, to) => Object.fromEntries([...entries.slice(0, from), ...entries.slice(to)]));
    for (const [at, [name, part]] of entries.entries()) {
      for (const smaller of smallerThan(part)) yield Object.fromEntries(entries.with(at, [name, smaller]));
    }
  }
}

function* shorter(
  { length }: { readonly length: number },
  without: (from: number, to: number) => Json,
): Iterable<Json> {
  for (let step = length; step >= 1; step = step === 1 ? 0 : Math.ceil(step / 2)) {
    for (let from = 0; from < length; from += step) yield without(from, Math.min(length, from + step));
  }
}
