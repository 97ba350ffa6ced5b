/**
 * Cron fields: DP3's named fields (APScheduler's cron trigger), read by APScheduler's rules and written as fields of croner.
 *
 * The two differ where it hurts: 0 is Monday there and Sunday here, `5/10` has no end there and is refused here, weeks of the
 * year exist there alone. So every field is read into the list of its values first and written from that.
 * One difference: text behind a name (`mon-fri/2`), which APScheduler skips silently, is refused.
 */
import { isObject } from './primitive.js';
import { ValueError, within } from './value-error.js';

/** Numbers or APScheduler's expressions: all (a star), ranges (1-10), steps behind a star, range or start (1-30/5, 5/10), lists, names. */
export interface CronFields {
  readonly year?: number | string;
  readonly month?: number | string;
  /** Also `last`, and `2nd fri` or `last mon` alone. */
  readonly day?: number | string;
  /** Week of the year (ISO 8601), 1 to 53. */
  readonly week?: number | string;
  /** 0 or `mon` is Monday. */
  readonly day_of_week?: number | string;
  readonly hour?: number | string;
  readonly minute?: number | string;
  readonly second?: number | string;
  /** IANA time zone. */
  readonly timezone?: string;
}

export interface CronPattern {
  /** Seven fields of croner: second, minute, hour, day, month, weekday (0 is Sunday), year. */
  readonly pattern: string;
  /** Weeks of the year that count; null for all. */
  readonly weeks: ReadonlySet<number> | null;
  /** Whether the hour or the minute begins with a star. */
  readonly byInterval: boolean;
}

interface Field {
  readonly name: Exclude<keyof CronFields, 'timezone'>;
  readonly least: number;
  readonly most: number;
  /** What the field is when a coarser one is the finest that is named. */
  readonly whenFiner: string;
  readonly names?: readonly string[];
}

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const MONTHS = ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** From the coarsest to the finest; week and weekday stand where APScheduler has them. */
const FIELDS: readonly Field[] = [
  { name: 'year', least: 1970, most: 9999, whenFiner: '*' },
  { name: 'month', least: 1, most: 12, whenFiner: '1', names: MONTHS },
  { name: 'day', least: 1, most: 31, whenFiner: '1' },
  { name: 'week', least: 1, most: 53, whenFiner: '*' },
  { name: 'day_of_week', least: 0, most: 6, whenFiner: '*', names: WEEKDAYS },
  { name: 'hour', least: 0, most: 23, whenFiner: '0' },
  { name: 'minute', least: 0, most: 59, whenFiner: '0' },
  { name: 'second', least: 0, most: 59, whenFiner: '0' },
];

export const CRON_KEYS: readonly string[] = [...FIELDS.map((field) => field.name), 'timezone'];

const POSITIONS = ['1st', '2nd', '3rd', '4th', '5th', 'last'];

/** The pattern of named fields. @throws ValueError whose path begins with the name of the field */
export function patternOfFields(fields: CronFields): CronPattern {
  const finest = FIELDS.findLastIndex(({ name }) => fields[name] !== undefined);
  if (finest < 0) throw ValueError.of(fields, `at least one of ${FIELDS.map(({ name }) => name).join(', ')}`);
  const written = new Map<string, string>();
  let weeks: ReadonlySet<number> | null = null;
  let byInterval = false;
  for (const [at, field] of FIELDS.entries()) {
    try {
      const given = fields[field.name];
      const text = isNamed(given) ? String(given).trim().toLowerCase() : at < finest ? '*' : field.whenFiner;
      if (field.name === 'hour' || field.name === 'minute') byInterval ||= text.startsWith('*');
      if (field.name === 'week') weeks = text === '*' ? null : new Set(valuesOf(field, text));
      else written.set(field.name, write(field, text));
    } catch (error) {
      throw within(field.name, error);
    }
  }
  const position = /^(\w+) +(\w+)$/.exec(String(fields.day ?? '').trim());
  if (position) putPosition(written, position, fields);
  const order = ['second', 'minute', 'hour', 'day', 'month', 'day_of_week', 'year'];
  return { pattern: order.map((name) => written.get(name)).join(' '), weeks, byInterval };
}

function isNamed(value: unknown): value is string | number {
  if (value === undefined) return false;
  if (typeof value === 'string' || typeof value === 'number') return true;
  throw ValueError.of(value, 'numbers or text as cron fields');
}

function write(field: Field, text: string): string {
  if (text === '*') return text;
  switch (field.name) {
    case 'year':
      // A list of thousands of years would be slow to read and to search.
      return text
        .split(',')
        .map(withoutBlanks)
        .map((part) => rangeOf(field, part).written)
        .join(',');
    case 'day':
      if (/^\w+ +\w+$/.test(text)) return '*';
      return partsOf<string | number>(text, (part) => (part === 'last' ? ['L'] : listOf(rangeOf(field, part)))).join(
        ',',
      );
    case 'day_of_week':
      return valuesOf(field, text)
        .map((day) => (day + 1) % 7)
        .join(',');
    default:
      return valuesOf(field, text).join(',');
  }
}

/** `2nd fri` in the field `day`: croner knows it as a weekday. */
function putPosition(
  written: Map<string, string>,
  [given, which = '', name = '']: RegExpExecArray,
  fields: CronFields,
) {
  const position = POSITIONS.indexOf(which.toLowerCase());
  const weekday = WEEKDAYS.indexOf(name.toLowerCase());
  if (position < 0 || weekday < 0) {
    throw ValueError.of(given, `days, or one of ${POSITIONS.join(', ')} and a weekday (2nd fri)`, 'day');
  }
  if (isNamed(fields.day_of_week))
    throw ValueError.of(fields.day_of_week, `nothing beside day ${given}`, 'day_of_week');
  written.set('day_of_week', `${(weekday + 1) % 7}#${position === 5 ? 'L' : position + 1}`);
}

interface CronRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
  readonly written: string;
}

function valuesOf(field: Field, text: string): number[] {
  return partsOf(text, (part) => listOf(rangeOf(field, part)));
}

function partsOf<T>(text: string, values: (part: string) => readonly T[]): T[] {
  return [...new Set(text.split(',').map(withoutBlanks).flatMap(values))];
}

/** Blanks around a part mean nothing, several between its words as much as one. */
function withoutBlanks(part: string): string {
  const words = part.split(' ').filter((word) => word !== '');
  return words.join(' ');
}

function listOf({ first, last, step }: CronRange): number[] {
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, at) => first + at * step);
}

function rangeOf(field: Field, part: string): CronRange {
  const allowed = `${field.least} to ${field.most}${field.names ? ', names' : ''}, *, ranges (1-5) and steps (*/2, 1-5/2)`;
  const match = /^(?:(\*)|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
  const named = /^([a-z]+)(?:-([a-z]+))?$/.exec(part);
  let [first, last, step] = [field.least, field.most, 1];
  if (match) {
    const [, star, from, to, by] = match;
    if (by !== undefined) step = Number(by);
    if (star === undefined) first = Number(from);
    if (to !== undefined) last = Number(to);
    else if (star === undefined && by === undefined) last = first;
    if (by !== undefined && (step < 1 || step > last - first))
      throw ValueError.of(part, `a step of 1 to ${last - first}`);
  } else if (named && field.names) {
    first = field.names.indexOf(named[1] ?? '');
    last = named[2] === undefined ? first : field.names.indexOf(named[2]);
  } else {
    throw ValueError.of(part, allowed);
  }
  if (first < field.least || last > field.most || first > last) throw ValueError.of(part, allowed);
  return { first, last, step, written: first === last ? `${first}` : `${first}-${last}/${step}` };
}

/** Whether a value has the form of named fields: an object with known keys only. @throws ValueError naming the first unknown key */
export function isCronFields(value: unknown): value is CronFields {
  if (!isObject(value)) return false;
  const unknown = Object.keys(value).find((key) => !CRON_KEYS.includes(key));
  if (unknown !== undefined) throw ValueError.of(unknown, `one of ${CRON_KEYS.join(', ')}`);
  return true;
}
