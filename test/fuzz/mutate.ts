/** Mutations: what is real, changed a little and at random, so that most of it still gets through the first checks. */
import { below, type Random } from '../support/random.js';
import type { Json } from './door.js';

/** Deeper than messages may be nested (200). */
export const DEEP = 250;
const MOST_REPEATED_BYTES = 60_000;

const LONG = 'x'.repeat(5_000);

/** Values at the edges of what readers expect. */
const EDGES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  -(2 ** 63),
  '',
  ' ',
  '0',
  '00',
  '-0',
  '1e5',
  'NaN',
  'Infinity',
  '9'.repeat(5_000),
  LONG,
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u202egnp',
  '\u001b[31m',
  '\n',
  '__proto__',
  'constructor',
  'toString',
  '0001-01-01T00:00:00Z',
  '0000-00-00T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
  '9999-12-31T23:59:59-23:59',
  '2024-02-30T00:00:00Z',
  '2024-01-01T24:00:00+14:00',
  '+275760-09-13T00:00:00Z',
  '1.2.3.4',
  '1.2.3.04',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  '00-11-22-33-44-55',
  [],
  [[]],
  [null],
  {},
  { eid: '1.2.3.4' },
  { eid: null, data: {} },
];

const KEYS = ['__proto__', 'constructor', 'hasOwnProperty', 'toJSON', 'then', 'length', '', '\u0000', 'x'.repeat(300)];

/** Pieces of text that readers of JSON, numbers and Unicode trip over. */
const PIECES: readonly Buffer[] = [
  '\u0000',
  '\ufeff',
  '\ud800',
  '1e400',
  '-',
  '9'.repeat(4_400),
  'null',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\r\n',
  '\n',
  '\u2028',
  '['.repeat(DEEP),
  '{"a":'.repeat(DEEP),
  '/*',
]
  .map((text) => Buffer.from(text))
  .concat([Buffer.from([0xff]), Buffer.from([0xc0, 0x80]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0x1f, 0x8b])]);

export function oneOf<T>(items: readonly T[], random: Random): T {
  return items[below(items.length, random)]!;
}

/** One to four, fewer more often. */
export function few(random: Random): number {
  return 1 + below(1 + below(4, random), random);
}

/** A value with one place of it changed; `others` give parts of other real values. The given one stays as it is. */
export function mutatedValue(value: Json, others: readonly Json[], random: Random): Json {
  const places = placesIn(value);
  // Deep ones more often: the first checks find what is wrong at the top.
  const [path, other] = [oneOf(places, random), oneOf(places, random)];
  const deeper = other.length > path.length ? other : path;
  return replaced(value, deeper, (part) => changed(part, others, random));
}

type Path = readonly (string | number)[];

function placesIn(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const parts = Array.isArray(value) ? value.entries() : Object.entries(value);
  return [path, ...[...parts].flatMap(([key, part]) => placesIn(part, [...path, key]))];
}

function replaced(value: Json, [key, ...rest]: Path, change: (part: Json) => Json): Json {
  if (key === undefined) return change(value);
  if (Array.isArray(value)) return value.map((part, at) => (at === key ? replaced(part, rest, change) : part));
  const entries = Object.entries(value as { [key: string]: Json });
  return Object.fromEntries(entries.map(([name, part]) => [name, name === key ? replaced(part, rest, change) : part]));
}

function changed(value: Json, others: readonly Json[], random: Random): Json {
  const edge = () => oneOf(EDGES, random);
  if (random() < 0.2) return edge();
  if (random() < 0.2) return partOf(oneOf(others, random), random);
  if (random() < 0.05) return nested(value, random);
  if (random() < 0.1) return [value, value];
  if (typeof value === 'string') return mutatedBytes(Buffer.from(value), random).toString();
  if (typeof value === 'number') return oneOf([value + 1, -value, value * 1e15, value / 3, String(value)], random);
  if (Array.isArray(value)) return changedList(value, random, edge);
  if (typeof value === 'object' && value !== null) return changedObject(value, random, edge);
  return edge();
}

function changedList(list: readonly Json[], random: Random, edge: () => Json): Json {
  const at = below(list.length, random);
  const change = below(4, random);
  if (change === 0) return [...list.slice(0, at), ...list.slice(at + 1)];
  if (change === 1) return [...list, edge()];
  if (change === 2) return [...list].reverse();
  return Array.from({ length: 1 + below(200, random) }, (_, n) => list[n % list.length] ?? null);
}

function changedObject(object: { [key: string]: Json }, random: Random, edge: () => Json): Json {
  const entries = Object.entries(object);
  const at = below(entries.length, random);
  const [name = '', part = null] = entries[at] ?? [];
  const rest = entries.filter((_, n) => n !== at);
  const change = below(4, random);
  if (change === 0) return Object.fromEntries(rest);
  if (change === 1) return Object.fromEntries([...entries, [oneOf(KEYS, random), edge()]]);
  if (change === 2) return Object.fromEntries([...rest, [oneOf([...KEYS, name.toUpperCase()], random), part]]);
  return Object.fromEntries([...rest, [name, edge()]]);
}

function nested(value: Json, random: Random): Json {
  let whole = value;
  const asList = random() < 0.5;
  for (let level = below(DEEP, random); level > 0; level--) whole = asList ? [whole] : { a: whole };
  return whole;
}

function partOf(value: Json, random: Random): Json {
  let part = value;
  oneOf(placesIn(value), random).forEach((key) => {
    part = (part as { [key: string | number]: Json })[key] ?? null;
  });
  return part;
}

/** Bytes with one place of them changed. `pieces` are put in beside those that any reader may trip over. */
export function mutatedBytes(bytes: Buffer, random: Random, pieces: readonly Buffer[] = []): Buffer {
  const from = below(bytes.length + 1, random);
  const to = Math.min(bytes.length, from + 1 + below(1 + below(40, random), random));
  const [before, slice, after] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
  const change = below(8, random);
  if (change === 0) return Buffer.concat([before, after]);
  if (change === 1) return Buffer.concat([before, slice, slice, after]);
  if (change === 2) return before;
  if (change === 3)
    return Buffer.concat([before, Buffer.from(slice.map((byte) => byte ^ (1 << below(8, random)))), after]);
  if (change === 4) return Buffer.concat([before, Buffer.from([below(256, random)]), after]);
  if (change === 5 && slice.length > 0) {
    const times = below(MOST_REPEATED_BYTES / slice.length, random) ** (random() < 0.1 ? 1 : 0.3);
    return Buffer.concat([before, ...Array<Buffer>(Math.ceil(times)).fill(slice), after]);
  }
  const piece = oneOf(pieces.length > 0 && random() < 0.7 ? pieces : PIECES, random);
  return Buffer.concat([before, piece, change === 6 ? slice : Buffer.alloc(0), after]);
}
