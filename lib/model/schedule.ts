/**
 * Schedule: when a job is due, by the calendar. Pure: asked for the next time after a given one; who waits is the scheduler.
 *
 * All fields must match, weekday and day of month too (APScheduler's rule; cron's own "or" for those two surprises everyone
 * once). croner searches the calendar alone, as in UTC. Where clocks change, cron's rule holds (croner has another one): a job of
 * fixed times runs once for each, in the place of the gap and the first time in an overlap; one whose hour or minute begins
 * with a star runs whenever clocks show a time that matches, which is not at all in a gap and twice in an overlap.
 */
import { Cron } from 'croner';
import { CRON_KEYS, type CronPattern, isCronFields, patternOfFields } from './cron-fields.js';
import { describe, ValueError } from './value-error.js';
import { WallClock } from './wall-clock.js';

export type { CronFields } from './cron-fields.js';

export interface Schedule {
  /** As it was written, for logs. */
  readonly text: string;
  /** The first due time after `afterMs`, in milliseconds since 1970, a whole second; null when there is none any more. */
  next(afterMs: number): number | null;
  /** A time as the clocks of the schedule's zone show it, with their distance from UTC: `2026-11-24T02:30:00+01:00`. */
  show(atMs: number): string;
}

const SIX_FIELDS = 'six fields, second minute hour day month weekday, or an object of named fields';
/** A week that never comes (53 beside a month other than January and December) ends the search. */
const MOST_WEEKS_SEARCHED = 53 * 40;
const DAY_MS = 86_400_000;

/** The schedule of six cron fields (0 and 7 are Sunday) or of DP3's named fields. @throws ValueError */
export function parseSchedule(cron: unknown, zone?: unknown): Schedule {
  if (typeof cron === 'string') {
    const fields = cron.trim().split(/\s+/);
    if (fields.length === 5) throw ValueError.of(cron, `${SIX_FIELDS} (put a 0 for the second in front)`);
    if (fields.length !== 6) throw ValueError.of(cron, SIX_FIELDS);
    const byInterval = [fields[1], fields[2]].some((field) => field?.startsWith('*'));
    const pattern = { pattern: `${fields.join(' ')} *`, weeks: null, byInterval };
    return scheduleOf(cron, pattern, readZone(zone ?? 'UTC', 'zone'));
  }
  if (!isCronFields(cron)) throw ValueError.of(cron, `${SIX_FIELDS} (${CRON_KEYS.join(', ')})`);
  const { timezone = zone } = cron;
  if (zone !== undefined && timezone !== zone)
    throw ValueError.of(zone, `${describe(timezone)}, the timezone of cron`, 'zone');
  return scheduleOf(describe(cron), patternOfFields(cron), readZone(timezone ?? 'UTC', 'timezone'));
}

function readZone(zone: unknown, path: string): WallClock {
  try {
    if (typeof zone === 'string') return new WallClock(zone);
  } catch {
    // Said below.
  }
  throw ValueError.of(zone, 'an IANA time zone such as UTC or Europe/Prague', path);
}

/** The next wall time after one that the fields name; null for none. */
type NextWall = (wall: number) => number | null;

function scheduleOf(text: string, { pattern, weeks, byInterval }: CronPattern, clock: WallClock): Schedule {
  let cron: Cron;
  try {
    cron = new Cron(pattern, { mode: '7-part', domAndDow: true, timezone: 'UTC' });
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error);
    throw ValueError.of(text, `${SIX_FIELDS}; ${why}`);
  }
  const anyWeek: NextWall = (wall) => cron.nextRun(new Date(wall))?.getTime() ?? null;
  const nextWall = weeks === null ? anyWeek : inWeeks(weeks, anyWeek);
  const next = (afterMs: number) =>
    byInterval ? nextByInterval(nextWall, clock, afterMs) : nextFixed(nextWall, clock, afterMs);
  return Object.freeze({ text, next, show: (atMs: number) => clock.show(atMs) });
}

function inWeeks(weeks: ReadonlySet<number>, next: NextWall): NextWall {
  return (wall) => {
    let from = wall;
    for (let searched = 0; searched < MOST_WEEKS_SEARCHED; searched++) {
      const found = next(from);
      if (found === null || weeks.has(weekOf(found))) return found;
      from = mondayAfter(found) - 1;
    }
    return null;
  };
}

/** Each wall time once: the first of two, and the end of the gap for all that lie in it. */
function nextFixed(nextWall: NextWall, clock: WallClock, afterMs: number): number | null {
  for (let wall = nextWall(clock.furthestWall(afterMs)); wall !== null; wall = nextWall(wall)) {
    const { atMs } = clock.momentOf(wall);
    if (atMs > afterMs) return atMs;
  }
  return null;
}

/** Whenever clocks show a wall time that matches. */
function nextByInterval(nextWall: NextWall, clock: WallClock, afterMs: number): number | null {
  const repeated = nextRepeated(nextWall, clock, afterMs);
  let wall = nextWall(clock.furthestWall(afterMs));
  while (wall !== null) {
    const { atMs, skippedTo } = clock.momentOf(wall);
    if (skippedTo === null && atMs > afterMs) return Math.min(atMs, repeated ?? atMs);
    wall = nextWall(skippedTo === null ? wall : skippedTo - 1_000);
  }
  return repeated;
}

/** The next time that is the second one of its wall time. */
function nextRepeated(nextWall: NextWall, clock: WallClock, afterMs: number): number | null {
  const repeat = clock.repeatNear(afterMs);
  if (repeat === null) return null;
  const { fromMs, fromWall, untilWall } = repeat;
  const wall = nextWall(afterMs < fromMs ? fromWall - 1_000 : clock.wallOf(afterMs));
  return wall !== null && wall < untilWall ? fromMs + wall - fromWall : null;
}

/** The ISO 8601 week of a wall time: weeks begin on Monday, the first has the year's first Thursday. */
function weekOf(wall: number): number {
  const thursday = new Date(mondayAfter(wall) - 4 * DAY_MS);
  const newYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return Math.floor((thursday.getTime() - newYear) / (7 * DAY_MS)) + 1;
}

/** Midnight of the Monday after a wall time; 1970 began on a Thursday. */
function mondayAfter(wall: number): number {
  const week = Math.floor((wall / DAY_MS + 3) / 7);
  return ((week + 1) * 7 - 3) * DAY_MS;
}
