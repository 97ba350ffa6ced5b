/**
 * Schedule: when a job is due, by the calendar. Pure: asked for the next time after a given one; who waits is the scheduler.
 *
 * The search is croner's. All fields must match, weekday and day of month too (APScheduler's rule; cron's own "or" for those
 * two surprises everyone once). Where clocks change, croner's rules hold: a job of one time a day that falls into the gap runs
 * after it, and once where its time comes twice; others skip the gap and run both times.
 */
import { Cron } from 'croner';
import { CRON_KEYS, isCronFields, patternOfFields } from './cron-fields.js';
import { describe, ValueError } from './value-error.js';

export type { CronFields } from './cron-fields.js';

export interface Schedule {
  /** As it was written, for logs. */
  readonly text: string;
  /** The first due time after `afterMs`, in milliseconds since 1970, a whole second; null when there is none any more. */
  next(afterMs: number): number | null;
}

const SIX_FIELDS = 'six fields, second minute hour day month weekday, or an object of named fields';
/** A week that never comes (53 beside a month other than January and December) ends the search. */
const MOST_WEEKS_SEARCHED = 53 * 40;

/** The schedule of six cron fields (0 and 7 are Sunday) or of DP3's named fields. @throws ValueError */
export function parseSchedule(cron: unknown, zone?: unknown): Schedule {
  if (typeof cron === 'string') {
    const fields = cron.trim().split(/\s+/);
    if (fields.length === 5) throw ValueError.of(cron, `${SIX_FIELDS} (put a 0 for the second in front)`);
    if (fields.length !== 6) throw ValueError.of(cron, SIX_FIELDS);
    return scheduleOf(cron, `${fields.join(' ')} *`, null, readZone(zone ?? 'UTC', 'zone'));
  }
  if (!isCronFields(cron)) throw ValueError.of(cron, `${SIX_FIELDS} (${CRON_KEYS.join(', ')})`);
  const { timezone = zone } = cron;
  if (zone !== undefined && timezone !== zone)
    throw ValueError.of(zone, `${describe(timezone)}, the timezone of cron`, 'zone');
  const { pattern, weeks } = patternOfFields(cron);
  return scheduleOf(describe(cron), pattern, weeks, readZone(timezone ?? 'UTC', 'timezone'));
}

function readZone(zone: unknown, path: string): string {
  try {
    if (typeof zone === 'string') return new Intl.DateTimeFormat('en', { timeZone: zone }) && zone;
  } catch {
    // Said below.
  }
  throw ValueError.of(zone, 'an IANA time zone such as UTC or Europe/Prague', path);
}

function scheduleOf(text: string, pattern: string, weeks: ReadonlySet<number> | null, timezone: string): Schedule {
  const options = { mode: '7-part', domAndDow: true, timezone } as const;
  let cron: Cron;
  try {
    cron = new Cron(pattern, options);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error);
    throw ValueError.of(text, `${SIX_FIELDS}; ${why}`);
  }
  const next = (afterMs: number) => cron.nextRun(new Date(afterMs))?.getTime() ?? null;
  if (weeks === null) return Object.freeze({ text, next });
  const monday = new Cron('0 0 0 * * 1 *', options);
  const dateIn = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
  return Object.freeze({
    text,
    next(afterMs: number) {
      let from = afterMs;
      for (let searched = 0; searched < MOST_WEEKS_SEARCHED; searched++) {
        const due = next(from);
        if (due === null || weeks.has(weekOf(dateIn.format(due)))) return due;
        const nextWeek = monday.nextRun(new Date(due));
        if (nextWeek === null) return null;
        from = nextWeek.getTime() - 1_000;
      }
      return null;
    },
  });
}

/** The ISO 8601 week of a date `2026-11-24`: weeks begin on Monday, the first has the year's first Thursday. */
function weekOf(date: string): number {
  const day = new Date(`${date}T00:00:00Z`);
  const thursday = new Date(day.getTime() + (4 - (day.getUTCDay() || 7)) * 86_400_000);
  const newYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return Math.floor((thursday.getTime() - newYear) / (7 * 86_400_000)) + 1;
}
