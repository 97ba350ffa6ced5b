/** Partitions, and what the upkeep of the PostgreSQL store removes: what, when, and what it waits for. */
import { expect, test } from 'vitest';
import { TrustedTime } from '../../../lib/runtime/trusted-time.js';
import type { HistoryRetention } from '../../../lib/store/history-retention.js';
import {
  dropPartition,
  ensurePartitions,
  makePartition,
  Partitions,
  partitionsOf,
} from '../../../lib/store/postgres/partitions.js';
import { Purge } from '../../../lib/store/postgres/purge.js';
import type { Session } from '../../../lib/store/postgres/session.js';
import { nothing } from '../../contract/store-bed.js';
import { manualClock } from '../../support/clock.js';
import { freshDatabase } from '../../support/postgres.js';
import { deleted, plainState, stored } from '../../support/results.js';
import { askOne, prepare, sessionOf } from './prepared.js';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

/** The Monday so many weeks before now, as the server has it. */
async function monday(session: Session, weeksAgo: number): Promise<string> {
  const text = `select to_char(date_trunc('week', now() at time zone 'UTC') - $1 * interval '7 days', 'YYYY-MM-DD')`;
  return (await askOne(session, text, [weeksAgo])) ?? '';
}

async function namesOf(session: Session, table: 'history' | 'raw'): Promise<string[]> {
  return (await partitionsOf(session, table)).map(({ name }) => name);
}

/** A row of history that was stored, and ends, so many days ago. */
async function put(
  session: Session,
  attr: string,
  storedDaysAgo: number,
  endsDaysAgo = storedDaysAgo,
  rows = 1,
): Promise<void> {
  await session.query(
    `insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v, stored)
     select 'ip', 'e', $1, 1, n, t2, t2, 1, '0', now() - $2 * interval '1 day'
     from generate_series(1, $4) n, lateral (select now() - $3 * interval '1 day' t2) t`,
    [attr, storedDaysAgo, endsDaysAgo, rows],
  );
}

const KEPT_A_WEEK: readonly HistoryRetention[] = [{ etype: 'ip', attr: 'week', maxAgeMs: WEEK_MS }];

test('makes the partitions of this week and the next ones, once, however many do so at the same time', async () => {
  const { url, session } = await prepare();
  const expected = (table: string) =>
    Promise.all([0, -1, -2].map(async (n) => `${table}_${(await monday(session, n)).replaceAll('-', '_')}`));
  expect(await namesOf(session, 'history')).toEqual(await expected('history'));
  await session.query(`drop table ${(await namesOf(session, 'history'))[1]}, ${(await namesOf(session, 'raw'))[0]}`);
  const others = await Promise.all([1, 2, 3, 4].map(() => sessionOf(url)));
  await Promise.all(others.map(ensurePartitions));
  for (const table of ['history', 'raw'] as const) expect(await namesOf(session, table)).toEqual(await expected(table));
});

test('gives each partition the indexes of its table', async () => {
  const { session } = await prepare();
  await makePartition(session, 'history', '2020-01-06');
  const indexed = await askOne(
    session,
    `select count(*) from pg_inherits join pg_index i on i.indexrelid = inhrelid where i.indrelid = 'history_2020_01_06'::regclass and i.indisvalid`,
  );
  expect(indexed).toBe('2');
});

test('makes a partition while others read and write, and lets none of them wait', async () => {
  const { url, session } = await prepare();
  const other = await sessionOf(url);
  await other.transaction(async (query) => {
    await query(`select count(*) from history`);
    await query(`insert into history values ('ip', 'e', 'a', 1, 1, now(), now(), 1, '0')`);
    await makePartition(session, 'history', '2020-01-06');
    await session.query(`insert into history values ('ip', 'e', 'a', 1, 2, now(), now(), 1, '0')`);
  });
  expect(await askOne(session, 'select count(*) from history')).toBe('2');
});

test('does not wait for a reader to drop a partition, and drops it later', async () => {
  const { url, session, ownership } = await prepare();
  await makePartition(session, 'raw', '2020-01-06');
  const other = await sessionOf(url);
  const [old] = await partitionsOf(session, 'raw');
  await other.transaction(async (query) => {
    await query('select count(*) from raw');
    expect(await dropPartition(session, ownership, old!)).toBe(false);
  });
  expect(await dropPartition(session, ownership, old!)).toBe(true);
  expect(await namesOf(session, 'raw')).not.toContain('raw_2020_01_06');
});

test('drops raw data-points by whole weeks once all of a week is out of retention', async () => {
  const { store, session } = await prepare({ rawRetentionMs: WEEK_MS });
  for (const week of [1, 2, 3]) await makePartition(session, 'raw', await monday(session, week));
  await makePartition(session, 'history', await monday(session, 3));
  while (await store.purge());
  const left = await namesOf(session, 'raw');
  expect(left).toHaveLength(4);
  expect(left[0]).toBe(`raw_${(await monday(session, 1)).replaceAll('-', '_')}`);
  expect(await namesOf(session, 'history')).toHaveLength(4);
});

test('keeps raw data-points forever where no retention is given', async () => {
  const { store, session } = await prepare();
  await makePartition(session, 'raw', '2001-01-01');
  while (await store.purge());
  expect(await namesOf(session, 'raw')).toContain('raw_2001_01_01');
});

test('drops a week of history that is beyond its max_age as a whole', async () => {
  const { store, session } = await prepare({ histories: KEPT_A_WEEK });
  await makePartition(session, 'history', await monday(session, 4));
  await put(session, 'week', 28, 28, 30_000);
  while (await store.purge());
  expect(await namesOf(session, 'history')).toHaveLength(3);
});

test('removes history beyond its max_age row by row where other rows of its week stay', async () => {
  const { store, session } = await prepare({ histories: KEPT_A_WEEK });
  for (const week of [1, 4]) await makePartition(session, 'history', await monday(session, week));
  await put(session, 'week', 28, 28, 20_000);
  await put(session, 'forever', 28);
  await put(session, 'week', 28, -1);
  await put(session, 'week', 28, 6.9);
  await put(session, 'week', 0, 6.9);
  while (await store.purge());
  const left = await session.query(
    `select attr, round(extract(epoch from now() - t2) / 8640) / 10 from history order by 2`,
  );
  expect(left.map(([attr, days]) => `${attr} ${Number(days)}`)).toEqual([
    'week -1',
    'week 6.9',
    'week 6.9',
    'forever 28',
  ]);
});

test('leaves what all indexes share to the owner of index 0', async () => {
  const { store, session, commit } = await prepare({ index: 1, rawRetentionMs: WEEK_MS });
  await makePartition(session, 'raw', '2001-01-01');
  await commit(stored('1', plainState('e', 1)), deleted('2', plainState('e', 1)));
  while (await store.purge());
  expect(await namesOf(session, 'raw')).toContain('raw_2001_01_01');
  expect(await askOne(session, 'select count(*) from graves')).toBe('1');
});

test('forgets no id while it is unknown whether its task can come again', async () => {
  let settled: number | null = null;
  const { store, commit, clock, pass } = await prepare({ redeliveryHorizon: async () => settled });
  await commit(nothing('a'));
  for (const known of [null, clock.monotonic(), clock.monotonic() + 30_000]) {
    settled = known;
    await pass(3_600_000);
    while (await store.purge());
    expect([...(await store.known(0, ['a'])).keys()]).toEqual(['a']);
  }
  settled = clock.monotonic();
  await pass(3_600_000);
  while (await store.purge());
  expect(await store.known(0, ['a'])).toEqual(new Map());
});

test('forgets no id whose task stands in the outbox of another index, and none until what was published of it is settled', async () => {
  let settled = 0;
  const { store, session, commit, clock, pass } = await prepare({ redeliveryHorizon: async () => settled });
  const hour = 3_600_000;
  await session.query(
    `insert into outbox (index, id, destination, key, priority, body, stored) values (1, 'a', 0, 'k', true, '', now())`,
  );
  await commit(nothing('a'));
  const purgeAt = async (atMs: number) => {
    await pass(atMs - clock.monotonic());
    while (await store.purge());
    return (await store.known(0, ['a'])).has('a');
  };
  const start = clock.monotonic();
  settled = start + hour;
  expect(await purgeAt(start + hour)).toBe(true);
  // Published again and removed: a copy is in the queue.
  await session.query('delete from outbox');
  expect(await purgeAt(start + 2 * hour)).toBe(true);
  settled = start + 2 * hour;
  expect(await purgeAt(start + 3 * hour)).toBe(false);
});

test.each([-10, 10])(
  'counts the retention of an id by the server, when the clock of a host is %i days off',
  async (days) => {
    const database = await freshDatabase();
    const astray = await prepare({ clock: manualClock(Date.now() + days * DAY_MS) }, database);
    await astray.commit(nothing('a'));
    await astray.store.stop();
    const { store, pass } = await prepare({}, database);
    while (await store.purge());
    expect([...(await store.known(0, ['a'])).keys()]).toEqual(['a']);
    await pass(60_001);
    while (await store.purge());
    expect(await store.known(0, ['a'])).toEqual(new Map());
  },
);

test('forgets no id while a row of the outbox waits that was stored when the clock of the server was wrong', async () => {
  const { store, session, commit, pass } = await prepare();
  await commit(nothing('a'));
  await session.query(
    `insert into outbox (index, id, destination, key, priority, body, stored)
     values (1, 'a', 0, 'k', true, '', now() + interval '30 days')`,
  );
  const purgeLater = async () => {
    await pass(3_600_000);
    while (await store.purge());
    return (await store.known(0, ['a'])).has('a');
  };
  expect([await purgeLater(), await purgeLater()]).toEqual([true, true]);
  await session.query('delete from outbox');
  await purgeLater();
  expect(await purgeLater()).toBe(false);
});

test('begins from the time that it is given, and keeps to it when the index is taken again', async () => {
  const clock = manualClock(Date.now());
  const time = new TrustedTime(clock, Date.now() - 30 * DAY_MS);
  const { store, session, ownership } = await prepare({ clock, time, rawRetentionMs: WEEK_MS });
  // To what is believed, the clock of the server is thirty days ahead.
  await makePartition(session, 'raw', await monday(session, 3));
  while (await store.purge());
  await store.release(ownership);
  await store.own(0);
  while (await store.purge());
  expect(await namesOf(session, 'raw')).toHaveLength(4);
});

test('removes nothing before its time because the clock of the server was set forward', async () => {
  const prepared = await prepare({ rawRetentionMs: WEEK_MS, histories: KEPT_A_WEEK });
  const { session, commit, clock, ownership } = prepared;
  await commit(nothing('a'));
  await put(session, 'week', 0);
  let setMs = 0;
  const query: Session['query'] = async (text, values, name) => {
    const rows = await session.query(text, values, name);
    return name === 'purge time' ? [[String(Number(rows[0]?.[0]) + setMs)]] : rows;
  };
  const options = {
    ownership,
    clock,
    trusted: new TrustedTime(clock),
    partitions: new Partitions(session, clock, () => {}),
    histories: KEPT_A_WEEK,
    rawRetentionMs: WEEK_MS,
    inboxRetentionMs: WEEK_MS,
    redeliveryHorizon: async () => clock.monotonic(),
  };
  const purge = new Purge({ query }, options);
  while (await purge.step());
  setMs = 400 * DAY_MS;
  const weeks = await namesOf(session, 'raw');
  clock.pass(DAY_MS - 1);
  while (await purge.step());
  const left = () => askOne(session, 'select (select count(*) from inbox) + (select count(*) from history)');
  expect([await namesOf(session, 'raw'), await left()]).toEqual([weeks, '2']);
  clock.pass(DAY_MS);
  while (await purge.step());
  clock.pass(DAY_MS);
  while (await purge.step());
  expect([await namesOf(session, 'raw'), await left()]).toEqual([[], '0']);
});

test('empties the histories of many deleted records, long and short, in bounded steps', async () => {
  const { store, session, commit } = await prepare();
  const states = Array.from({ length: 500 }, (_, n) => plainState(`e${n}`, n));
  await commit(...states.map((state) => stored(state.eid, state)));
  await session.query(
    `insert into history select 'ip', 'e' || e, 'a', 1, n, now(), now(), 1, '0'
     from generate_series(0, 499) e, lateral generate_series(1, case e when 7 then 9000 else 3 end) n`,
  );
  await commit(...states.slice(0, 400).map((state) => deleted(`d${state.eid}`, state)));
  let steps = 0;
  while (await store.purge()) steps++;
  expect(steps).toBeGreaterThan(4);
  expect(await askOne(session, 'select count(*) from history')).toBe('300');
  expect(await askOne(session, 'select count(*) from graves')).toBe('0');
});
