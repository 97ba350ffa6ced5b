/**
 * Primitive data types: for each a function from what came in to the canonical value.
 *
 * They take what pydantic's lax mode takes in Python (DP3 checks values there after it has parsed the JSON), so booleans pass
 * as the numbers 0 and 1, and text as the number it spells. Named differences: no NaN or Infinity, no text that cannot be
 * stored (text.ts), and no telling 5.0 from 5 in places where DP3 refuses the first (an address given as a number).
 */
import { canonicalIpv4, canonicalIpv6, canonicalMac } from './address.js';
import { BARE_PROTOTYPE, bareObject } from './bare.js';
import { MAX_INTEGER_DIGITS, MAX_JSON_DEPTH, parseJson, stringifyJson } from './json.js';
import { ALLOWED_TEXT, checkText, isStorable } from './text.js';
import { instantOf } from './time.js';
import { ValueError, within } from './value-error.js';

/** From a raw value to its canonical form. @throws ValueError */
export type Validate = (value: unknown) => unknown;

/** How deep lists and objects may lie in each other in values of type json and special: leaves room for what a task puts around. */
const MAX_VALUE_DEPTH = MAX_JSON_DEPTH - 20;

/** The first integer that could be written and not be read again. */
const INTEGER_LIMIT = 10n ** BigInt(MAX_INTEGER_DIGITS);
const INT64 = 2 ** 63;
/** Of text that spells a number, the sign and fraction included. */
export const MAX_NUMBER_CHARACTERS = MAX_INTEGER_DIGITS;
const ALLOWED_INTEGER = 'an integer';
const ALLOWED_FLOAT = 'a finite number';
const ALLOWED_LENGTH = ` of at most ${MAX_NUMBER_CHARACTERS} characters`;
const ALLOWED_BOOLEAN = 'true or false (or 1, 0, yes, no, on, off, t, f, y, n)';

export const PRIMITIVE_NAMES = [
  'tag',
  'binary',
  'string',
  'int',
  'int64',
  'float',
  'ipv4',
  'ipv6',
  'mac',
  'time',
  'special',
  'json',
] as const;
export type PrimitiveName = (typeof PRIMITIVE_NAMES)[number];

/** The validator of every primitive type. */
export const PRIMITIVES: Readonly<Record<PrimitiveName, Validate>> = {
  tag: booleanOf,
  binary: booleanOf,
  string: stringOf,
  int: integerOf,
  int64: integerOf,
  float: floatOf,
  ipv4: canonicalIpv4,
  ipv6: canonicalIpv6,
  mac: canonicalMac,
  time: instantOf,
  special: (value) => copyJson(value, 0),
  json: jsonOf,
};

/** A boolean: itself, 0 or 1, or one of the words that pydantic knows, in any case. @throws ValueError */
export function booleanOf(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 1 || value === 1n) return true;
  if (value === 0 || value === 0n) return false;
  switch (typeof value === 'string' && value.length <= 5 ? value.toLowerCase() : '') {
    case 'true':
    case 'yes':
    case 'on':
    case 't':
    case 'y':
    case '1':
      return true;
    case 'false':
    case 'no':
    case 'off':
    case 'f':
    case 'n':
    case '0':
      return false;
    default:
      throw ValueError.of(value, ALLOWED_BOOLEAN);
  }
}

/** Text, and text alone. @throws ValueError */
export function stringOf(value: unknown): string {
  if (typeof value !== 'string') throw ValueError.of(value, 'a string');
  return checkText(value);
}

/** An integer of any size, exact: a number where that is safe, else a bigint. @throws ValueError */
export function integerOf(value: unknown): number | bigint {
  if (Number.isSafeInteger(value)) return (value as number) + 0;
  if (typeof value === 'bigint') return narrow(value);
  if (typeof value === 'string') return integerOfText(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  // A double beyond 2^63 says nothing exact; DP3 refuses it too.
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < INT64) return BigInt(value);
  throw ValueError.of(value, ALLOWED_INTEGER);
}

/** Digits with sign, blanks around, single underscores between, and a fraction of zeros: as pydantic reads them. */
function integerOfText(text: string): number | bigint {
  const trimmed = text.trim();
  const match = trimmed.length <= MAX_NUMBER_CHARACTERS ? /^([+-]?)([\d_]+)(?:\.0+)?$/.exec(trimmed) : null;
  const digits = match === null ? null : digitsOf(match[2] ?? '');
  if (match === null || digits === null)
    throw ValueError.of(text, `${ALLOWED_INTEGER}${isTooLong(text) ? ALLOWED_LENGTH : ''}`);
  const size = digits.length < 16 ? Number(digits) : narrow(BigInt(digits));
  // No negative zero.
  return match[1] === '-' && size !== 0 ? -size : size;
}

/** Without underscores; null where one stands first, last or beside another. Leading zeros may have any between them. */
function digitsOf(written: string): string | null {
  const digits =
    (written.startsWith('0') && written.replace(/^[0_]+/, '')) || written.slice(written.startsWith('0') ? -1 : 0);
  if (digits.startsWith('_') || digits.endsWith('_') || digits.includes('__')) return null;
  return digits.replaceAll('_', '');
}

/** A number where that is exact. @throws ValueError */
function narrow(value: bigint): number | bigint {
  if (value <= -INTEGER_LIMIT || value >= INTEGER_LIMIT)
    throw ValueError.of(value, `an integer of at most ${MAX_INTEGER_DIGITS} digits`);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** A finite number, or text that spells one. @throws ValueError */
export function floatOf(value: unknown): number {
  let found = Number.NaN;
  if (typeof value === 'number') found = value;
  else if (typeof value === 'bigint' || typeof value === 'boolean') found = Number(value);
  else if (typeof value === 'string') found = floatOfText(value.trim());
  if (!Number.isFinite(found)) throw ValueError.of(value, `${ALLOWED_FLOAT}${isTooLong(value) ? ALLOWED_LENGTH : ''}`);
  // JSON as JavaScript writes it has no negative zero.
  return found + 0;
}

function isTooLong(value: unknown): boolean {
  return typeof value === 'string' && value.length > MAX_NUMBER_CHARACTERS;
}

function floatOfText(text: string): number {
  if (text.length > MAX_NUMBER_CHARACTERS || text.startsWith('_') || text.endsWith('_') || text.includes('__'))
    return Number.NaN;
  const plain = text.replaceAll('_', '');
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain) ? Number(plain) : Number.NaN;
}

/** A list, an object, or text that holds any JSON: the value of that. @throws ValueError */
function jsonOf(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) return copyJson(value, 0);
  if (typeof value === 'string') {
    let parsed: unknown;
    try {
      parsed = parseJson(value);
    } catch {
      throw ValueError.of(value, 'a list, an object, or text that holds JSON');
    }
    return copyJson(parsed, 0);
  }
  throw ValueError.of(value, 'a list, an object, or text that holds JSON');
}

/** A json value as a message carries it: lists and objects as they are, anything else as the text that jsonOf takes. */
export function jsonToWire(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? value : stringifyJson(value);
}

/** A frozen copy of anything that JSON can hold, so that no module shares it; its objects are bare. @throws ValueError */
function copyJson(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return checkText(value);
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'bigint') return narrow(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
  if (depth >= MAX_VALUE_DEPTH)
    throw ValueError.of(value, `at most ${MAX_VALUE_DEPTH} lists and objects in each other`);
  if (Array.isArray(value)) return copyList(value, depth);
  if (isObject(value)) return copyObject(value, depth);
  throw ValueError.of(value, 'what JSON can hold');
}

function copyList(list: readonly unknown[], depth: number): readonly unknown[] {
  const copy = new Array<unknown>(list.length);
  let at = 0;
  try {
    for (; at < list.length; at++) copy[at] = copyJson(list[at], depth + 1);
  } catch (error) {
    throw within(at, error);
  }
  return Object.freeze(copy);
}

function copyObject(object: Readonly<Record<string, unknown>>, depth: number): unknown {
  const copy = bareObject();
  for (const key of Object.keys(object)) {
    if (!isStorable(key)) throw ValueError.of(key, `keys of ${ALLOWED_TEXT}`);
    try {
      copy[key] = copyJson(object[key], depth + 1);
    } catch (error) {
      throw within(key, error);
    }
  }
  return Object.freeze(copy);
}

/** A plain object, with or without prototype: what a JSON parser makes, and what is made of that. Own keys may be `__proto__`. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || prototype === BARE_PROTOTYPE;
}
