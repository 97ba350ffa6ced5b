/**
 * ValueError: a value is not what the model allows; says where inside the value, what was given and what is allowed.
 *
 * The path grows on the way out: what checks a part throws without knowing where it stands, and every container that lets
 * the error pass puts its own step in front. A valid value thus pays nothing for its path.
 */

/** How many characters of a given value an error shows. */
export const MAX_GIVEN_CHARACTERS = 100;

export class ValueError extends Error {
  override readonly name = 'ValueError';
  /** What is wrong, as the middle of a sentence: `given 5, allowed is a string`, `key "delta" (int) is missing`. */
  readonly fault: string;
  /** Where in the value, as `[2].eid`; empty for the value itself. */
  readonly path: string;
  /** What was given, as JSON, cut at MAX_GIVEN_CHARACTERS. */
  readonly given: string;
  /** What would be valid, as the end of a sentence. */
  readonly allowed: string;

  private constructor(path: string, given: string, allowed: string, fault = `given ${given}, allowed is ${allowed}`) {
    super(`${path === '' ? '' : `${path}: `}${fault}`);
    this.fault = fault;
    this.path = path;
    this.given = given;
    this.allowed = allowed;
  }

  /** The error for `value`, which stands at `path` (the value itself where none is named). */
  static of(value: unknown, allowed: string, path = ''): ValueError {
    return new ValueError(path, describe(value), allowed);
  }

  /** The error for a part that is not there. */
  static missing(allowed: string, path: string): ValueError {
    return new ValueError(path, 'nothing', allowed);
  }

  /** The error for an object without a key; `what` says what stands under it. */
  static missingKey(key: string, what: string, allowed: string): ValueError {
    return new ValueError('', 'nothing', allowed, `key ${describe(key)} (${what}) is missing`);
  }

  /** The same error seen from the container: `step` is an index or a key of it. */
  within(step: number | string): ValueError {
    // A key may be as long as a message, and stand in many containers.
    const own = typeof step === 'number' ? `[${step}]` : step.slice(0, MAX_GIVEN_CHARACTERS);
    const joint = this.path === '' || this.path.startsWith('[') ? '' : '.';
    return new ValueError(`${own}${joint}${this.path}`, this.given, this.allowed, this.fault);
  }
}

/** What a container rethrows: a ValueError with its step in front, anything else as it is. */
export function within(step: number | string, thrown: unknown): unknown {
  return thrown instanceof ValueError ? thrown.within(step) : thrown;
}

/** Any value as text of at most MAX_GIVEN_CHARACTERS, JSON where it is JSON; costs the same however large the value is. */
export function describe(value: unknown): string {
  const text = render(value, MAX_GIVEN_CHARACTERS);
  if (text.length <= MAX_GIVEN_CHARACTERS) return text;
  return `${text.slice(0, MAX_GIVEN_CHARACTERS - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}

/** Text that is complete, or longer than `room` characters. */
function render(value: unknown, room: number): string {
  if (room < 0) return '...';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room + 1));
  if (typeof value === 'bigint') return value.toString(16).length > room ? 'a huge integer' : value.toString();
  if (Array.isArray(value)) return `[${renderAll(value, room - 2, (item, left) => render(item, left))}]`;
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? 'a symbol' : String(value);
  const keys = value instanceof Map ? value.keys() : Object.keys(value).values();
  const get = (key: unknown): unknown => (value instanceof Map ? value.get(key) : Reflect.get(value, String(key)));
  return `{${renderAll(keys, room - 2, (key, left) => `${render(key, left)}:${render(get(key), left - 3)}`)}}`;
}

function renderAll<T>(items: Iterable<T>, room: number, one: (item: T, room: number) => string): string {
  let text = '';
  for (const item of items) {
    if (text.length > room) break;
    text += (text === '' ? '' : ',') + one(item, room - text.length);
  }
  return text;
}
