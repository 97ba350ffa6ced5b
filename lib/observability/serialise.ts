/**
 * Serialise: turns whatever a log line is given into plain data that JSON can hold, and never fails at it.
 *
 * Log fields come from everywhere, also from broken places: errors with causes, circular objects, big integers, getters that
 * throw, values of several megabytes. Every size is bounded, and what looks like a secret is masked - as a second net: secrets
 * are kept out of the log where they are known, in the configuration.
 */
import { HIDDEN, isSecretField, withoutSecrets } from '../runtime/secrets.js';

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [key: string]: Plain };

/** Characters of a string, entries of a list or object, and levels that are shown; what is beyond is cut and marked. */
export const MOST_CHARACTERS = 8_192;
export const MOST_ENTRIES = 100;
export const MOST_LEVELS = 8;
const UNREADABLE = '[unreadable]';

/** Plain data of any value; the same data for the same value, whatever it is. */
export function plainOf(value: unknown): Plain {
  return walk(value, [], MOST_LEVELS);
}

/** Plain data of a named field: masked if the name is one of a secret. */
export function plainField(name: string, value: unknown): Plain {
  return value != null && isSecretField(name) ? HIDDEN : plainOf(value);
}

function walk(value: unknown, above: readonly object[], levels: number): Plain {
  switch (typeof value) {
    case 'string':
      return plainText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'undefined':
      return null;
    case 'object':
      break;
    default:
      return readable(() => plainText(String(value)));
  }
  if (value === null) return null;
  if (above.includes(value)) return '[circular]';
  if (levels === 0) return '[deeper]';
  return readable(() => ofObject(value, [...above, value], levels - 1));
}

function readable(read: () => Plain): Plain {
  try {
    return read();
  } catch {
    return UNREADABLE;
  }
}

function ofObject(value: object, above: readonly object[], levels: number): Plain {
  if (value instanceof Error) return ofError(value, above, levels);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value) || value instanceof Set) {
    const size = Array.isArray(value) ? value.length : value.size;
    const shown = Array.from(take(value), (item) => walk(item, above, levels));
    return size > MOST_ENTRIES ? [...shown, `[${size - MOST_ENTRIES} more]`] : shown;
  }
  if (value instanceof Map) return ofEntries(value, value.size, above, levels);
  if ('toJSON' in value && typeof value.toJSON === 'function') return walk(value.toJSON(), above, levels);
  const names = Object.keys(value);
  return ofEntries(pairs(value, names), names.length, above, levels);
}

/** Name, message, stack and own properties (code, errno ...) of an error, its cause and the errors of an AggregateError. */
function ofError(error: Error, above: readonly object[], levels: number): Plain {
  const fields: (readonly [string, unknown])[] = [...pairs(error, ['name', 'message'])];
  const own = Object.keys(error).filter((name) => name !== 'name' && name !== 'message' && name !== 'stack');
  fields.push(...pairs(error, [...own, 'stack']));
  if (!own.includes('cause')) fields.push(...pairs(error, ['cause']));
  if (error instanceof AggregateError && !own.includes('errors')) fields.push(['errors', error.errors]);
  return ofEntries(fields, fields.length, above, levels);
}

function ofEntries(
  entries: Iterable<readonly [unknown, unknown]>,
  size: number,
  above: readonly object[],
  levels: number,
): Plain {
  // Without a prototype, `__proto__` is a name like any other.
  const plain: Record<string, Plain> = Object.create(null);
  for (const [key, item] of take(entries)) {
    const name = plainText(String(key));
    if (item !== undefined) plain[name] = item !== null && isSecretField(name) ? HIDDEN : walk(item, above, levels);
  }
  if (size > MOST_ENTRIES) plain['[more]'] = size - MOST_ENTRIES;
  return plain;
}

function* pairs(value: object, names: readonly string[]): Generator<readonly [string, unknown]> {
  for (const name of names) yield [name, read(value, name)];
}

function read(value: object, name: string): unknown {
  try {
    return Reflect.get(value, name);
  } catch {
    return UNREADABLE;
  }
}

function* take<T>(items: Iterable<T>): Generator<T> {
  let taken = 0;
  for (const item of items) {
    if (taken++ === MOST_ENTRIES) return;
    yield item;
  }
}

/** A text without secrets, cut where it is long. */
export function plainText(given: string): string {
  const text = withoutSecrets(given);
  return text.length > MOST_CHARACTERS
    ? `${text.slice(0, MOST_CHARACTERS)}[${text.length - MOST_CHARACTERS} more characters]`
    : text;
}
