/**
 * Duration: a span of time in microseconds, as bigint, so that adding it to an instant is exact at any size.
 *
 * Read as DP3 reads it (its own `7d` form, then pydantic's lax timedelta): whole number and unit, a bare number of seconds,
 * ISO 8601, or `[days,] HH:MM[:SS]`. A year counts 365 days and a month 30. Negative ones are refused, which DP3 takes: a
 * negative age, step or lifetime has no meaning anywhere in the model.
 */
import { ValueError } from './value-error.js';

/** Microseconds, not negative. */
export type Duration = bigint;

const ALLOWED =
  'a duration that is not negative: a whole number with s, m, h or d (7d), a bare number of seconds, or ISO 8601 (P7D, PT1H30M)';

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;
/** The longest that Python's timedelta holds. */
const MAX_DAYS = 999_999_999n;

/** Microseconds of every unit of ISO 8601; those of the date part first. */
const ISO_DATE_UNITS = new Map([
  ['Y', 365n * DAY],
  ['M', 30n * DAY],
  ['W', 7n * DAY],
  ['D', DAY],
]);
const ISO_TIME_UNITS = new Map([
  ['H', 3_600n * SECOND],
  ['M', 60n * SECOND],
  ['S', SECOND],
]);

/** The duration that a setting names. @throws ValueError */
export function readDuration(raw: unknown): Duration {
  const found = typeof raw === 'string' ? ofText(raw.trim()) : ofSeconds(raw);
  if (found === null || found < 0n || found > MAX_DAYS * DAY) throw ValueError.of(raw, ALLOWED);
  return found;
}

function ofSeconds(raw: unknown): Duration | null {
  if (typeof raw === 'bigint') return raw * SECOND;
  if (typeof raw !== 'number' || !Number.isFinite(raw)) return null;
  return amount(String(Math.trunc(raw)), raw - Math.trunc(raw), SECOND);
}

function ofText(text: string): Duration | null {
  if (text.length > 100) return null;
  if (text === '0') return 0n;
  const short = /^(\d+) ?([smhd])$/i.exec(text);
  if (short) {
    const unit = short[2]?.toUpperCase() ?? '';
    return BigInt(short[1] ?? 0) * (ISO_TIME_UNITS.get(unit) ?? DAY);
  }
  return text.includes('P') ? ofIso(text) : ofClock(text);
}

function ofIso(text: string): Duration | null {
  const match = /^\+?P((?:\d+(?:[.,]\d+)?[YMWD])*)(?:T((?:\d+(?:[.,]\d+)?[HMS])*))?$/.exec(text);
  const date = match?.[1] ?? '';
  const time = match?.[2] ?? '';
  if (date === '' && time === '') return null;
  return ofIsoParts(date, ISO_DATE_UNITS) + ofIsoParts(time, ISO_TIME_UNITS);
}

function ofIsoParts(text: string, units: ReadonlyMap<string, bigint>): Duration {
  let total = 0n;
  for (const [, whole = '0', fraction = '0', unit = ''] of text.matchAll(/(?<!\d)(\d+)(?:[.,](\d+))?([A-Z])/g)) {
    total += amount(whole, Number(`0.${fraction}`), units.get(unit) ?? 0n);
  }
  return total;
}

/** `3 days, 01:02:03.5`, either part alone, seconds optional. */
function ofClock(text: string): Duration | null {
  const match = /^(?:(\d+) ?d(?:ays?)?(?:,? *|$))?(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?$/i.exec(text);
  if (match === null || text === '') return null;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = '0'] = match;
  const whole = BigInt(hours) * 3_600n + BigInt(minutes) * 60n;
  return BigInt(days) * DAY + whole * SECOND + amount(seconds, Number(`0.${fraction}`), SECOND);
}

/** A whole number and a fraction (0 to 1) of a unit, rounded to a microsecond. */
function amount(whole: string, fraction: number, unit: bigint): Duration {
  return BigInt(whole) * unit + BigInt(Math.round(fraction * Number(unit)));
}
