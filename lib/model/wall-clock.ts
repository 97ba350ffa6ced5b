/**
 * WallClock: what the clocks of a time zone show, and when they show it.
 *
 * A wall time is written as the milliseconds since 1970 that it would be in UTC. Where clocks are set forward some wall times never come; where
 * they are set back some come twice. One change within two days is assumed, which holds for every zone since 1970.
 */
const DAY_MS = 86_400_000;

/** When a wall time comes. */
export interface Moment {
  /** Milliseconds since 1970: the first of two, and for a time that never comes the moment at which clocks skip it. */
  readonly atMs: number;
  /** The wall time at which clocks go on where this one never comes; null for one that comes. */
  readonly skippedTo: number | null;
}

/** Wall times that come a second time. */
export interface Repeat {
  /** When the second time begins. */
  readonly fromMs: number;
  /** What clocks show then, and what they show where the repeat has ended. */
  readonly fromWall: number;
  readonly untilWall: number;
}

export class WallClock {
  private readonly format: Intl.DateTimeFormat;

  /** @throws RangeError for what is no IANA time zone */
  constructor(timeZone: string) {
    const two = '2-digit';
    const time = { hour: two, minute: two, second: two, hourCycle: 'h23' } as const;
    this.format = new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: two, day: two, ...time });
  }

  /** What clocks show, in whole seconds. */
  wallOf(atMs: number): number {
    return this.offset(atMs) + Math.floor(atMs / 1_000) * 1_000;
  }

  /** ISO 8601 with the distance from UTC: `2026-11-24T02:30:00+01:00`. */
  show(atMs: number): string {
    const minutes = Math.round(this.offset(atMs) / 60_000);
    const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    const digits = [hours, rest].map((part) => String(part).padStart(2, '0')).join(':');
    return `${new Date(this.wallOf(atMs)).toISOString().slice(0, 19)}${minutes < 0 ? '-' : '+'}${digits}`;
  }

  /** The latest wall time that has come so far: while times are repeated, the last one before. */
  furthestWall(atMs: number): number {
    const repeat = this.repeatNear(atMs);
    const wall = this.wallOf(atMs);
    return repeat === null || atMs < repeat.fromMs ? wall : Math.max(wall, repeat.untilWall - 1_000);
  }

  momentOf(wall: number): Moment {
    const before = this.offset(wall - DAY_MS);
    const after = this.offset(wall + DAY_MS);
    if (before === after || this.offset(wall - before) === before) return { atMs: wall - before, skippedTo: null };
    if (this.offset(wall - after) === after) return { atMs: wall - after, skippedTo: null };
    const change = this.changeWithin(wall - DAY_MS, wall + DAY_MS);
    return { atMs: change, skippedTo: change + after };
  }

  /** The repeat that has begun less than a day ago, or begins in less than a day; null for none. */
  repeatNear(atMs: number): Repeat | null {
    const before = this.offset(atMs - DAY_MS);
    const after = this.offset(atMs + DAY_MS);
    if (before <= after) return null;
    const fromMs = this.changeWithin(atMs - DAY_MS, atMs + DAY_MS);
    return { fromMs, fromWall: fromMs + after, untilWall: fromMs + before };
  }

  /** The first whole second of the offset that holds at `late`, and not at `early`. */
  private changeWithin(early: number, late: number): number {
    const offset = this.offset(late);
    let [before, since] = [Math.floor(early / 1_000), Math.ceil(late / 1_000)];
    while (since - before > 1) {
      const middle = Math.floor((before + since) / 2);
      if (this.offset(middle * 1_000) === offset) since = middle;
      else before = middle;
    }
    return since * 1_000;
  }

  /** Milliseconds that clocks are ahead of UTC. */
  private offset(atMs: number): number {
    const at = Math.floor(atMs / 1_000) * 1_000;
    const part = new Map(this.format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const [year = 0, month = 0, day = 0] = [part.get('year'), part.get('month'), part.get('day')];
    const [hour = 0, minute = 0, second = 0] = [part.get('hour'), part.get('minute'), part.get('second')];
    return Date.UTC(year, month - 1, day, hour, minute, second) - at;
  }
}
