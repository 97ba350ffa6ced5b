import { describe, expect, it } from 'vitest';
import { parseSchedule } from '../../lib/model/schedule.js';

const START = '2026-11-24T00:00:00.500Z';

/** The first due times after `from`, separated by blanks. */
function due(cron: unknown, zone?: string, count = 3, from = START): string {
  const schedule = parseSchedule(cron, zone);
  const times: string[] = [];
  for (let at = schedule.next(Date.parse(from)); at !== null && times.length < count; at = schedule.next(at)) {
    times.push(new Date(at).toISOString().replace('.000Z', 'Z'));
  }
  return times.join(' ');
}

/** Named fields, a zone, and the first three times that APScheduler 3 names for them. */
const APSCHEDULER: readonly [object, string, string][] = [
  [{ year: '*/2' }, 'UTC', '2028-01-01T00:00:00Z 2030-01-01T00:00:00Z 2032-01-01T00:00:00Z'],
  [
    { year: '2028,2028', minute: '42,45' },
    'Asia/Kolkata',
    '2027-12-31T19:12:00Z 2027-12-31T19:15:00Z 2027-12-31T20:12:00Z',
  ],
  [{ year: '2026/3' }, 'UTC', '2029-01-01T00:00:00Z 2032-01-01T00:00:00Z 2035-01-01T00:00:00Z'],
  [{ year: '2030,2030', month: '*' }, 'UTC', '2030-01-01T00:00:00Z 2030-02-01T00:00:00Z 2030-03-01T00:00:00Z'],
  [{ month: 2 }, 'UTC', '2027-02-01T00:00:00Z 2028-02-01T00:00:00Z 2029-02-01T00:00:00Z'],
  [{ month: '5-11', second: 14 }, 'UTC', '2026-11-24T00:00:14Z 2026-11-24T00:01:14Z 2026-11-24T00:02:14Z'],
  [{ month: '*/3', day_of_week: '2,3' }, 'UTC', '2027-01-06T00:00:00Z 2027-01-07T00:00:00Z 2027-01-13T00:00:00Z'],
  [{ month: '6,7', day_of_week: '0-5' }, 'UTC', '2027-06-01T00:00:00Z 2027-06-02T00:00:00Z 2027-06-03T00:00:00Z'],
  [{ day: 5 }, 'UTC', '2026-12-05T00:00:00Z 2027-01-05T00:00:00Z 2027-02-05T00:00:00Z'],
  [{ day: 2, week: '42-45' }, 'Asia/Kolkata', '2027-11-01T18:30:00Z 2028-11-01T18:30:00Z 2029-11-01T18:30:00Z'],
  [{ day: '18/10' }, 'Asia/Kolkata', '2026-11-27T18:30:00Z 2026-12-17T18:30:00Z 2026-12-27T18:30:00Z'],
  [{ day: '31,31', minute: '*/20' }, 'Asia/Kolkata', '2026-12-30T18:30:00Z 2026-12-30T18:50:00Z 2026-12-30T19:10:00Z'],
  [{ week: '51/1' }, 'Asia/Kolkata', '2026-12-13T18:30:00Z 2026-12-14T18:30:00Z 2026-12-15T18:30:00Z'],
  [{ month: '5-11/5', week: '*/7' }, 'UTC', '2027-05-31T00:00:00Z 2027-10-25T00:00:00Z 2027-10-26T00:00:00Z'],
  [{ week: '47-52/1' }, 'UTC', '2026-11-25T00:00:00Z 2026-11-26T00:00:00Z 2026-11-27T00:00:00Z'],
  [{ week: '27,45', second: 34 }, 'UTC', '2027-07-05T00:00:34Z 2027-07-05T00:01:34Z 2027-07-05T00:02:34Z'],
  [{ day_of_week: '2,5' }, 'UTC', '2026-11-25T00:00:00Z 2026-11-28T00:00:00Z 2026-12-02T00:00:00Z'],
  [{ week: '*', day_of_week: '6,6' }, 'UTC', '2026-11-29T00:00:00Z 2026-12-06T00:00:00Z 2026-12-13T00:00:00Z'],
  [{ year: 2030, day_of_week: '0/2' }, 'UTC', '2030-01-02T00:00:00Z 2030-01-04T00:00:00Z 2030-01-06T00:00:00Z'],
  [
    { year: '2031,2031', day_of_week: '0,6' },
    'Asia/Kolkata',
    '2031-01-04T18:30:00Z 2031-01-05T18:30:00Z 2031-01-11T18:30:00Z',
  ],
  [{ hour: '*' }, 'UTC', '2026-11-24T01:00:00Z 2026-11-24T02:00:00Z 2026-11-24T03:00:00Z'],
  [{ month: 4, hour: 22 }, 'UTC', '2027-04-01T22:00:00Z 2027-04-02T22:00:00Z 2027-04-03T22:00:00Z'],
  [
    { day: 15, week: '*', hour: '7-18/4' },
    'Asia/Kolkata',
    '2026-12-15T01:30:00Z 2026-12-15T05:30:00Z 2026-12-15T09:30:00Z',
  ],
  [
    { year: '2030,2030', day_of_week: '1-5', hour: '10,12' },
    'Asia/Kolkata',
    '2030-01-01T04:30:00Z 2030-01-01T06:30:00Z 2030-01-02T04:30:00Z',
  ],
  [{ minute: 2 }, 'UTC', '2026-11-24T00:02:00Z 2026-11-24T01:02:00Z 2026-11-24T02:02:00Z'],
  [{ minute: '7-32', second: '4-51/34' }, 'UTC', '2026-11-24T00:07:04Z 2026-11-24T00:07:38Z 2026-11-24T00:08:04Z'],
  [{ hour: 8, minute: '*/14' }, 'UTC', '2026-11-24T08:00:00Z 2026-11-24T08:14:00Z 2026-11-24T08:28:00Z'],
  [{ hour: '18-19', minute: '34,51' }, 'UTC', '2026-11-24T18:34:00Z 2026-11-24T18:51:00Z 2026-11-24T19:34:00Z'],
  [{ second: '*' }, 'UTC', '2026-11-24T00:00:01Z 2026-11-24T00:00:02Z 2026-11-24T00:00:03Z'],
  [{ week: '*', second: '57/1' }, 'UTC', '2026-11-24T00:00:57Z 2026-11-24T00:00:58Z 2026-11-24T00:00:59Z'],
  [{ second: '*/26' }, 'UTC', '2026-11-24T00:00:26Z 2026-11-24T00:00:52Z 2026-11-24T00:01:00Z'],
  [{ week: '*', second: '38,55' }, 'UTC', '2026-11-24T00:00:38Z 2026-11-24T00:00:55Z 2026-11-24T00:01:38Z'],
  [
    { day: 'last', hour: 20, minute: '*' },
    'Asia/Kolkata',
    '2026-11-30T14:30:00Z 2026-11-30T14:31:00Z 2026-11-30T14:32:00Z',
  ],
  [{ day: '2nd fri' }, 'UTC', '2026-12-11T00:00:00Z 2027-01-08T00:00:00Z 2027-02-12T00:00:00Z'],
  [{ day: 'last mon' }, 'Asia/Kolkata', '2026-11-29T18:30:00Z 2026-12-27T18:30:00Z 2027-01-24T18:30:00Z'],
  [{ day: '1st sun', second: '*' }, 'UTC', '2026-12-06T00:00:00Z 2026-12-06T00:00:01Z 2026-12-06T00:00:02Z'],
  [{ day: '28-28', day_of_week: '*' }, 'UTC', '2026-11-28T00:00:00Z 2026-12-28T00:00:00Z 2027-01-28T00:00:00Z'],
  [{ month: '*/1', day_of_week: 'mon-fri' }, 'UTC', '2026-11-25T00:00:00Z 2026-11-26T00:00:00Z 2026-11-27T00:00:00Z'],
];

describe('named fields', () => {
  it.each(APSCHEDULER)('%j in %s are due as in APScheduler', (fields, zone, times) => {
    expect(due(fields, zone)).toBe(times);
  });

  it('take their zone from themselves or from beside', () => {
    const times = '2026-11-24T01:00:00Z 2026-11-25T01:00:00Z';
    expect(due({ hour: 2, timezone: 'Europe/Prague' }, undefined, 2)).toBe(times);
    expect(due({ hour: 2 }, 'Europe/Prague', 2)).toBe(times);
    expect(due({ hour: 2, timezone: 'Europe/Prague' }, 'Europe/Prague', 2)).toBe(times);
  });

  it.each([{ year: 2020 }, { month: 2, day: 30 }, { week: 20, month: 1 }])(
    'that never match again are never due: %j',
    (fields) => {
      expect(due(fields)).toBe('');
    },
  );

  it.each<[unknown, RegExp]>([
    [{}, /at least one of year, month/],
    [{ second: undefined }, /at least one of/],
    [{ seconds: 1 }, /"seconds", allowed is one of year/],
    [{ second: 60 }, /second: given "60", allowed is 0 to 59/],
    [{ minute: -1 }, /minute: given "-1"/],
    [{ hour: 1.5 }, /hour: given "1.5"/],
    [{ hour: Number.NaN }, /hour: given "nan"/],
    [{ hour: null }, /hour: given null/],
    [{ hour: [1] }, /hour: given \[1\]/],
    [{ hour: '' }, /hour: given ""/],
    [{ hour: '1,,2' }, /hour: given ""/],
    [{ hour: '5-3' }, /hour: given "5-3"/],
    [{ minute: '*/0' }, /minute: given "\*\/0", allowed is a step of 1 to 59/],
    [{ minute: '10-15/6' }, /allowed is a step of 1 to 5/],
    [{ minute: 'mon' }, /minute: given "mon"/],
    [{ month: 13 }, /month: given "13"/],
    [{ month: 'janu' }, /month: given "janu"/],
    [{ day: 0 }, /day: given "0"/],
    [{ day: '6th mon' }, /day: given "6th mon", allowed is days, or one of 1st/],
    [{ day: '1st mon', day_of_week: 1 }, /day_of_week: given 1, allowed is nothing beside day 1st mon/],
    [{ day_of_week: 7 }, /day_of_week: given "7", allowed is 0 to 6/],
    [{ day_of_week: 'sun-mon' }, /day_of_week: given "sun-mon"/],
    [{ day_of_week: 'mon-fri/2' }, /day_of_week: given "mon-fri\/2"/],
    [{ week: 54 }, /week: given "54"/],
    [{ year: 1969 }, /year: given "1969"/],
    [{ hour: 1, timezone: 'Mars' }, /timezone: given "Mars", allowed is an IANA time zone/],
    [{ hour: 1, timezone: 5 }, /timezone: given 5/],
    [[], /six fields/],
    [null, /six fields/],
    [5, /six fields/],
  ])('of the wrong kind are refused: %j', (fields, message) => {
    expect(() => parseSchedule(fields)).toThrow(message);
  });

  it('in two different zones are refused', () => {
    expect(() => parseSchedule({ hour: 1, timezone: 'Asia/Tokyo' }, 'UTC')).toThrow(
      /zone: given "UTC", allowed is "Asia\/Tokyo"/,
    );
  });
});

describe('six cron fields', () => {
  it.each([
    ['0 30 * * * *', '2026-11-24T00:30:00Z 2026-11-24T01:30:00Z 2026-11-24T02:30:00Z'],
    [' 0  0 0 * *  1 ', '2026-11-30T00:00:00Z 2026-12-07T00:00:00Z 2026-12-14T00:00:00Z'],
    ['0 0 0 * * 0', '2026-11-29T00:00:00Z 2026-12-06T00:00:00Z 2026-12-13T00:00:00Z'],
    ['0 0 0 * * 7', '2026-11-29T00:00:00Z 2026-12-06T00:00:00Z 2026-12-13T00:00:00Z'],
    ['*/20 * * * * MON-FRI', '2026-11-24T00:00:20Z 2026-11-24T00:00:40Z 2026-11-24T00:01:00Z'],
    ['0 0 0 13 * 5', '2027-08-13T00:00:00Z 2028-10-13T00:00:00Z 2029-04-13T00:00:00Z'],
  ])('%j are due at %s', (cron, times) => {
    expect(due(cron)).toBe(times);
  });

  it.each([
    '',
    '* * * * *',
    '* * * * * * *',
    '@daily',
    'a b c d e f',
    '60 * * * * *',
    '0 0 25 * * *',
    '5/10 * * * * *',
  ])('%j are refused', (cron) => {
    expect(() => parseSchedule(cron)).toThrow(/allowed is six fields/);
  });

  it('say what is missing in the five fields of a crontab', () => {
    expect(() => parseSchedule('0 3 * * *')).toThrow(/put a 0 for the second in front/);
  });
});

/** Days on which clocks change: zone, the moment before noon of the day before, what the change is. */
const CHANGES = {
  'Prague, an hour forward at 2:00': ['Europe/Prague', '2026-03-28T12:00:00Z'],
  'Prague, an hour back at 3:00': ['Europe/Prague', '2026-10-24T12:00:00Z'],
  'New York, an hour forward at 2:00': ['America/New_York', '2026-03-07T18:00:00Z'],
  'New York, an hour back at 2:00': ['America/New_York', '2026-10-31T18:00:00Z'],
  'Lord Howe, half an hour forward at 2:00': ['Australia/Lord_Howe', '2026-10-03T03:00:00Z'],
  'Lord Howe, half an hour back at 2:00': ['Australia/Lord_Howe', '2026-04-04T03:00:00Z'],
  'Cairo, an hour forward at midnight': ['Africa/Cairo', '2026-04-23T10:00:00Z'],
  'Cairo, an hour back at midnight': ['Africa/Cairo', '2026-10-29T10:00:00Z'],
  'Troll, two hours forward at 1:00': ['Antarctica/Troll', '2026-03-28T12:00:00Z'],
  'Troll, two hours back at 3:00': ['Antarctica/Troll', '2026-10-24T12:00:00Z'],
} as const;
type Change = keyof typeof CHANGES;

function dueAt(change: Change, cron: unknown, count: number): string {
  const [zone, from] = CHANGES[change];
  return due(cron, zone, count, from);
}

describe('where clocks change', () => {
  it.each<[Change, unknown, string]>([
    ['Prague, an hour forward at 2:00', '0 30 2 * * *', '2026-03-29T01:00:00Z 2026-03-30T00:30:00Z'],
    [
      'Prague, an hour forward at 2:00',
      '0 30 2,14 * * *',
      '2026-03-28T13:30:00Z 2026-03-29T01:00:00Z 2026-03-29T12:30:00Z',
    ],
    [
      'Prague, an hour forward at 2:00',
      { hour: '2,14', minute: 30 },
      '2026-03-28T13:30:00Z 2026-03-29T01:00:00Z 2026-03-29T12:30:00Z',
    ],
    [
      'Prague, an hour forward at 2:00',
      '0 0,30 2 * * *',
      '2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T00:30:00Z',
    ],
    [
      'Prague, an hour forward at 2:00',
      '0 0 2,3 * * *',
      '2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T01:00:00Z',
    ],
    ['Prague, an hour back at 3:00', '0 30 2 * * *', '2026-10-25T00:30:00Z 2026-10-26T01:30:00Z'],
    [
      'Prague, an hour back at 3:00',
      '0 30 2,14 * * *',
      '2026-10-24T12:30:00Z 2026-10-25T00:30:00Z 2026-10-25T13:30:00Z',
    ],
    [
      'Prague, an hour back at 3:00',
      { hour: '2,14', minute: 30 },
      '2026-10-24T12:30:00Z 2026-10-25T00:30:00Z 2026-10-25T13:30:00Z',
    ],
    ['New York, an hour forward at 2:00', '0 15 2 * * SUN', '2026-03-08T07:00:00Z 2026-03-15T06:15:00Z'],
    ['New York, an hour back at 2:00', '0 15 1 * * SUN', '2026-11-01T05:15:00Z 2026-11-08T06:15:00Z'],
    [
      'Lord Howe, half an hour forward at 2:00',
      '0 10,40 2 * * *',
      '2026-10-03T15:30:00Z 2026-10-03T15:40:00Z 2026-10-04T15:10:00Z',
    ],
    [
      'Lord Howe, half an hour back at 2:00',
      '0 20,45 1 * * *',
      '2026-04-04T14:20:00Z 2026-04-04T14:45:00Z 2026-04-05T14:50:00Z',
    ],
    ['Cairo, an hour forward at midnight', '0 0 0 * * *', '2026-04-23T22:00:00Z 2026-04-24T21:00:00Z'],
    ['Cairo, an hour back at midnight', '0 30 23 * * *', '2026-10-29T20:30:00Z 2026-10-30T21:30:00Z'],
    [
      'Troll, two hours forward at 1:00',
      '0 30 1,2 * * *',
      '2026-03-29T01:00:00Z 2026-03-29T23:30:00Z 2026-03-30T00:30:00Z',
    ],
    [
      'Troll, two hours back at 3:00',
      '0 30 1,2 * * *',
      '2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-26T01:30:00Z',
    ],
  ])('%s: the fixed times of %j come once each', (change, cron, times) => {
    expect(dueAt(change, cron, times.split(' ').length)).toBe(times);
  });

  it.each<[Change, unknown, string]>([
    [
      'Prague, an hour forward at 2:00',
      '0 */30 1-3 * * *',
      '2026-03-29T00:00:00Z 2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z',
    ],
    [
      'Prague, an hour back at 3:00',
      '0 */30 2 * * *',
      '2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-26T01:00:00Z',
    ],
    [
      'Prague, an hour back at 3:00',
      { hour: 2, minute: '*/30' },
      '2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z 2026-10-26T01:00:00Z',
    ],
    ['Prague, an hour forward at 2:00', '0 * 2 * * *', '2026-03-30T00:00:00Z 2026-03-30T00:01:00Z'],
  ])('%s: %j runs whenever clocks show its time', (change, cron, times) => {
    expect(dueAt(change, cron, times.split(' ').length)).toBe(times);
  });

  it.each(Object.keys(CHANGES) as Change[])('%s: what runs every ten minutes does so all day long', (change) => {
    const [zone, from] = CHANGES[change];
    for (const cron of ['0 */10 * * * *', { minute: '*/10' }]) {
      const schedule = parseSchedule(cron, zone);
      let at = Date.parse(from);
      for (let run = 0; run < 6 * 36; run++) {
        expect(schedule.next(at)).toBe(at + 600_000);
        at += 600_000;
      }
    }
  });

  it.each(Object.keys(CHANGES) as Change[])(
    '%s: a time of each hour that is listed comes once, wherever one looks from',
    (change) => {
      const [zone, from] = CHANGES[change];
      const hours = Array.from({ length: 24 }, (_, hour) => hour).join(',');
      const schedule = parseSchedule(`0 17 ${hours} * * *`, zone);
      const start = Date.parse(from);
      const times: number[] = [];
      for (let at = start; at < start + 2 * 86_400_000; at += 600_000) {
        const next = schedule.next(at);
        if (next === null || next <= at) throw new Error(`after ${at}: ${next}`);
        if (times.at(-1) !== next) times.push(next);
      }
      expect(times).toEqual([...times].sort((one, other) => one - other));
      const walls = new Intl.DateTimeFormat('en', {
        timeZone: zone,
        day: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
      });
      const shown = times.map((time) => walls.format(time));
      expect(new Set(shown).size).toBe(shown.length);
    },
  );

  it('a search far away or in a repeated hour is quick', () => {
    const second = parseSchedule('* * * * * *', 'Europe/Prague');
    const leap = parseSchedule('0 0 12 29 2 1', 'Europe/Prague');
    const begin = performance.now();
    let at = Date.parse('2026-10-25T00:59:58Z');
    for (let run = 0; run < 100; run++) at = second.next(at) ?? 0;
    expect(at).toBe(Date.parse('2026-10-25T00:59:58Z') + 100_000);
    expect(second.next(Date.parse('2026-03-29T00:59:59Z'))).toBe(Date.parse('2026-03-29T01:00:00Z'));
    expect(leap.next(Date.parse(START))).toBe(Date.parse('2044-02-29T11:00:00Z'));
    expect(performance.now() - begin).toBeLessThan(1_000);
  });
});
