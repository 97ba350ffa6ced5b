/**
 * Instant: a point in time, exact to the microsecond, as canonical text `2026-11-24T15:25:31.000000Z`.
 *
 * Text of one width, UTC, years 0001 to 9999 (Python's range): it sorts as time sorts, goes to the wire and into stores as
 * it is, and no double can round it. Arithmetic goes over microseconds as bigint.
 *
 * What is read is what DP3 reads (pydantic's lax datetime): ISO 8601 dates and date-times, and numbers or digits as text,
 * which are seconds since 1970 up to 2e10 in size and milliseconds above. Of a fraction with more than six digits the rest
 * is cut off in a date-time and rounded in a number, as pydantic does. Two named differences: a time whose offset leads out
 * of the range is refused (DP3 keeps it and fails later), and digits as text are exact where DP3 goes through a double.
 */
import { ValueError } from './value-error.js';

declare const instant: unique symbol;
export type Instant = string & { readonly [instant]: true };

/** What a time may look like, as the end of a sentence. */
export const ALLOWED_TIME =
  'a time: ISO 8601 date or date-time (UTC where it names no zone), or seconds since 1970 (milliseconds above 2e10), in the years 0001 to 9999';

const FIRST_MS = -62_135_596_800_000;
const LAST_MS = 253_402_300_799_999;
const LAST_MICROS = BigInt(LAST_MS) * 1_000n + 999n;
const SECONDS_UP_TO = 20_000_000_000;
/** Longer numbers in text are refused unread; 2e10 needs 11 digits. */
const MAX_NUMBER_CHARACTERS = 64;

/** The instant that DP3 would read from a value: text, number or bigint. @throws ValueError */
export function instantOf(raw: unknown): Instant {
  let found: Instant | null = null;
  if (typeof raw === 'string') found = readIso(raw) ?? readDigits(raw);
  else if (typeof raw === 'number') found = ofNumber(raw);
  else if (typeof raw === 'bigint') found = ofDecimal(raw, 1n);
  if (found === null) throw ValueError.of(raw, ALLOWED_TIME);
  return found;
}

/** The instant of an ISO 8601 date or date-time; text of any other kind is refused. @throws ValueError */
export function parseInstant(text: string): Instant {
  const found = readIso(text);
  if (found === null) throw ValueError.of(text, 'an ISO 8601 date or date-time in the years 0001 to 9999');
  return found;
}

/** The instant of milliseconds since 1970; fractions of one are cut off. @throws ValueError outside the years 0001 to 9999 */
export function instantOfMs(ms: number): Instant {
  const found = ofMs(Math.floor(ms), 0);
  if (found === null) throw ValueError.of(ms, 'milliseconds since 1970 in the years 0001 to 9999');
  return found;
}

/** The instant of microseconds since 1970. @throws ValueError outside the years 0001 to 9999 */
export function instantOfMicros(micros: bigint): Instant {
  const found = ofMicros(micros);
  if (found === null) throw ValueError.of(micros, 'microseconds since 1970 in the years 0001 to 9999');
  return found;
}

/** Milliseconds since 1970, microseconds cut off (downwards, before 1970 too). */
export function msOf(at: Instant): number {
  const seconds =
    daysOf(number(at, 0, 4), number(at, 5, 2), number(at, 8, 2)) * 86_400 +
    number(at, 11, 2) * 3_600 +
    number(at, 14, 2) * 60 +
    number(at, 17, 2);
  return seconds * 1_000 + number(at, 20, 3);
}

/** The instant so many microseconds later; the last one there is, where it would lie beyond that. */
export function laterBy(at: Instant, micros: bigint): Instant {
  const later = microsOf(at) + micros;
  return instantOfMicros(later < LAST_MICROS ? later : LAST_MICROS);
}

/** Microseconds since 1970, exact. */
export function microsOf(at: Instant): bigint {
  return BigInt(msOf(at)) * 1_000n + BigInt(number(at, 23, 3));
}

function readIso(text: string): Instant | null {
  if (!isDate(text)) return null;
  if (isCanonical(text)) return text as Instant;
  if (text.length === 10) return `${text}T00:00:00.000000Z` as Instant;
  const separator = text.charCodeAt(10);
  if (separator !== T && separator !== LOWER_T && separator !== SPACE && separator !== UNDERSCORE) return null;
  if (number(text, 11, 2) > 23 || text.charCodeAt(13) !== COLON || number(text, 14, 2) > 59) return null;
  if (number(text, 11, 2) < 0 || number(text, 14, 2) < 0) return null;
  let seconds = '00';
  let micros = '000000';
  let at = 16;
  if (text.charCodeAt(16) === COLON) {
    const value = number(text, 17, 2);
    if (value < 0 || value > 59) return null;
    seconds = text.slice(17, 19);
    at = 19;
    const point = text.charCodeAt(19);
    if (point === POINT || point === COMMA) {
      at = endOfDigits(text, 20);
      if (at === 20) return null;
      micros = text.slice(20, Math.min(at, 26)).padEnd(6, '0');
    }
  }
  const offset = readOffset(text, at);
  if (offset === null) return null;
  const local = `${text.slice(0, 10)}T${text.slice(11, 16)}:${seconds}.${micros}Z` as Instant;
  return offset === 0 ? local : ofMs(msOf(local) - offset * 60_000, number(micros, 3, 3));
}

/** Whether text that starts with a date is an instant as it is: most are, and nothing need be cut out of those. */
function isCanonical(text: string): boolean {
  return (
    text.length === 27 &&
    text.charCodeAt(10) === T &&
    isBelow(number(text, 11, 2), 24) &&
    text.charCodeAt(13) === COLON &&
    isBelow(number(text, 14, 2), 60) &&
    text.charCodeAt(16) === COLON &&
    isBelow(number(text, 17, 2), 60) &&
    text.charCodeAt(19) === POINT &&
    number(text, 20, 6) >= 0 &&
    text.charCodeAt(26) === Z
  );
}

/** Whether what `number` gave is digits and below the limit. */
function isBelow(value: number, limit: number): boolean {
  return value >= 0 && value < limit;
}

/** A calendar date at the start of the text, of a year above 0. */
function isDate(text: string): boolean {
  const year = number(text, 0, 4);
  const month = number(text, 5, 2);
  const day = number(text, 8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false;
  return text.charCodeAt(4) === HYPHEN && text.charCodeAt(7) === HYPHEN;
}

/** Minutes east of UTC that the rest of the text names; 0 for `Z` and for no rest; null where it is something else. */
function readOffset(text: string, at: number): number | null {
  if (at === text.length) return 0;
  const sign = text.charCodeAt(at);
  if (sign === Z || sign === LOWER_Z) return at + 1 === text.length ? 0 : null;
  if (sign !== PLUS && sign !== HYPHEN && sign !== MINUS) return null;
  const minutesAt = text.charCodeAt(at + 3) === COLON ? at + 4 : at + 3;
  const hours = number(text, at + 1, 2);
  const minutes = number(text, minutesAt, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || minutesAt + 2 !== text.length) return null;
  const size = hours * 60 + minutes;
  return sign === PLUS ? size : -size;
}

/** Digits as text, with sign and fraction, exact. */
function readDigits(text: string): Instant | null {
  if (text.length > MAX_NUMBER_CHARACTERS) return null;
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  if (match === null) return null;
  const [, sign, whole = '', fraction = ''] = match;
  if (whole === '' && fraction === '') return null;
  const digits = BigInt(whole + fraction);
  return ofDecimal(sign === '-' ? -digits : digits, 10n ** BigInt(fraction.length));
}

/** The instant of numerator / denominator seconds (or milliseconds above 2e10), halves of a microsecond rounded up. */
function ofDecimal(numerator: bigint, denominator: bigint): Instant | null {
  const size = numerator < 0n ? -numerator : numerator;
  const unit = size > BigInt(SECONDS_UP_TO) * denominator ? 1_000n : 1_000_000n;
  const doubled = 2n * numerator * unit + denominator;
  const micros = doubled / (2n * denominator);
  return ofMicros(doubled < 0n && doubled % (2n * denominator) !== 0n ? micros - 1n : micros);
}

/** The instant of a double: seconds or milliseconds, rounded to a microsecond as far as the double is that exact. */
function ofNumber(value: number): Instant | null {
  const whole = Math.floor(value);
  const inSeconds = Math.abs(value) <= SECONDS_UP_TO;
  const micros = Math.round((value - whole) * (inSeconds ? 1_000_000 : 1_000));
  const milliseconds = Math.floor(micros / 1_000);
  return ofMs((inSeconds ? whole * 1_000 : whole) + milliseconds, micros - milliseconds * 1_000);
}

function ofMicros(micros: bigint): Instant | null {
  const rest = ((micros % 1_000n) + 1_000n) % 1_000n;
  return ofMs(Number((micros - rest) / 1_000n), Number(rest));
}

/** The instant of whole milliseconds and 0 to 999 microseconds more; null outside the range (and for NaN). */
function ofMs(ms: number, micros: number): Instant | null {
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) return null;
  return `${new Date(ms).toISOString().slice(0, 23)}${String(micros).padStart(3, '0')}Z` as Instant;
}

const T = 84;
const LOWER_T = 116;
const Z = 90;
const LOWER_Z = 122;
const SPACE = 32;
const UNDERSCORE = 95;
const COLON = 58;
const POINT = 46;
const COMMA = 44;
const PLUS = 43;
const HYPHEN = 45;
const MINUS = 0x2212;

/** `count` ASCII digits at `start` as a number, -1 where they are not digits. */
function number(text: string, start: number, count: number): number {
  let value = 0;
  for (let at = start; at < start + count; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function endOfDigits(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at++;
  return at;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the Gregorian calendar: years counted from March, so that the leap day comes last. */
function daysOf(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}
