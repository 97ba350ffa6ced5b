/** What the reader of the PostgreSQL store does beyond the contract: what it costs, and what it says when there is nothing to read. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { HistoryRow } from '../../../lib/model/record.js';

import { type HistoryPart, pageStatement } from '../../../lib/store/postgres/history.js';
import { makePartition } from '../../../lib/store/postgres/partitions.js';
import { PostgresStoreReader, toReadOnly } from '../../../lib/store/postgres/reader.js';
import type { Session } from '../../../lib/store/postgres/session.js';
import type { StoreReader } from '../../../lib/store/store.js';
import { freshDatabase } from '../../support/postgres.js';
import { all, at, observed, plainState, row, stateOf, stored } from '../../support/results.js';
import { APP, askOne, prepare, sessionOf } from './prepared.js';

async function readerOf(url: string): Promise<StoreReader> {
  const reader = new PostgresStoreReader({ url, app: APP });
  onTestFinished(() => reader.stop());
  await reader.start();
  return reader;
}

const DAY = 86_400;
const T0 = "timestamptz '2026-01-01 00:00:00+00'";

/** Rows of attribute `a` of entity `e`, one a minute from the fixed time on, each as long as the statement says. */
async function fill(session: Session, rows: number, t2 = 't1', attr = 'a'): Promise<void> {
  await session.query(
    `insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v)
     select 'ip', 'e', $2, 1, n, t1, ${t2}, 1, to_jsonb(n)
     from generate_series(0, $1 - 1) n, lateral (select ${T0} + n * interval '1 minute' t1) t`,
    [rows, attr],
  );
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

/** Rows that were touched for a page, over all tables and indexes. */
async function touched(session: Session, part: HistoryPart, values: readonly unknown[]): Promise<number> {
  const text = await askOne(
    session,
    `explain (analyze, format json) ${pageStatement(part, values[5] === '-infinity')}`,
    values,
  );
  const count = (plan: Plan): number => {
    const below = (plan.Plans ?? []).reduce((sum, each) => sum + count(each), 0);
    const own = plan['Node Type'].includes('Scan') ? plan['Actual Rows'] * plan['Actual Loops'] : 0;
    return below + own + (plan['Rows Removed by Filter'] ?? 0);
  };
  return count((JSON.parse(text ?? '') as [{ Plan: Plan }])[0].Plan);
}

test('finds a page of a long history, anywhere in it, without reading the rest', async () => {
  const { url, session } = await prepare();
  const reading = await sessionOf(url, { connected: toReadOnly });
  await fill(session, 50_000, `t1 + interval '5 minutes'`);
  await fill(session, 20, `t1 + interval '300 days'`, 'long');
  await session.query(
    "insert into history select etype, eid, attr, incarnation, n + 1000000, t1, t2 + interval '30 days', c, v from history where attr = 'a' and n % 5000 = 0",
  );
  await session.query('analyze history');
  const key = ['ip', 'e', 'a', 1];
  const [late, early] = [at(45_000 * 60), at(0)];
  expect(await touched(reading, 'all', [...key, 'infinity', '-infinity', -1, 100])).toBeLessThan(150);
  expect(await touched(reading, 'all', [...key, 'infinity', late, 45_000, 100])).toBeLessThan(150);
  // One day before the range is looked through: 1,440 rows.
  expect(await touched(reading, 'others', [...key, 'infinity', '-infinity', -1, 100, late])).toBeLessThan(1_700);
  expect(await touched(reading, 'long', [...key, 'infinity', '-infinity', -1, 100, late])).toBeLessThan(20);
  expect(await touched(reading, 'long', [...key, late, at(44_000 * 60), -1, 100, late])).toBeLessThan(1_100);
  expect(await touched(reading, 'others', [...key, early, '-infinity', -1, 100, early])).toBeLessThan(10);
});

test('reads page by page where a clock stood still, without sorting all that is there for each page', async () => {
  const { url, session } = await prepare();
  const reading = await sessionOf(url, { connected: toReadOnly });
  await session.query(
    `insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v)
     select 'ip', 'e', 'a', 1, n, ${T0}, ${T0}, 1, '0' from generate_series(0, 9999) n`,
  );
  await session.query('analyze history');
  const values = ['ip', 'e', 'a', 1, 'infinity', at(0), 8_000, 500];
  expect(await touched(reading, 'all', values)).toBeLessThan(600);
});

test('gives what overlaps a range, whatever lasts how long and was stored when', async () => {
  const { url, session, commit } = await prepare();
  const reader = await readerOf(url);
  for (const monday of ['2026-01-05', '2026-01-12']) await makePartition(session, 'history', monday);
  let run = 0;
  const seconds = fc.oneof(fc.integer({ min: -3 * DAY, max: 3 * DAY }), fc.constantFrom(-DAY, 0, DAY));
  const lasting = fc.oneof(fc.nat(3_600), fc.constantFrom(0, DAY - 1, DAY, DAY + 1), fc.nat(5 * DAY));
  const rows = fc.array(fc.tuple(seconds, lasting, fc.constantFrom('2026-01-06', '2026-01-13', 'now')), {
    maxLength: 30,
  });
  const range = fc.record({ from: seconds, to: seconds, limit: fc.nat(10) }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(rows, fc.array(range, { minLength: 1, maxLength: 4 }), async (given, ranges) => {
      const eid = `e${run++}`;
      const expected = given.map(([from, lasts], n) => row('a', from, n, lasts));
      expect(await commit(stored(`t${run}`, observed(stateOf(eid), expected)))).toEqual({ kind: 'stored' });
      await session.query(
        `insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v, stored)
         select 'ip', $1, 'a', 1, n - 1, t1, t2, 1, to_jsonb(n - 1), stored
         from unnest($2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) with ordinality as u(t1, t2, stored, n)`,
        [eid, expected.map(({ t1 }) => t1), expected.map(({ t2 }) => t2), given.map(([, , stored]) => stored)],
      );
      for (const { from, to, limit } of ranges) {
        const found = await all(
          reader.history('ip', eid, {
            ...(from !== undefined && { from: at(from) }),
            ...(to !== undefined && { to: at(to) }),
            ...(limit !== undefined && { limit }),
          }),
        );
        const overlapping = expected.filter(
          ({ t1, t2 }) => (from === undefined || t2 >= at(from)) && (to === undefined || t1 <= at(to)),
        );
        expect(found).toEqual(inOrder(overlapping).slice(0, limit));
      }
    }),
    { numRuns: 60 },
  );
});

test('gives many rows that last long before the others, and ends where the range does', async () => {
  const { url, session, commit } = await prepare();
  const reader = await readerOf(url);
  await commit(stored('1', observed(stateOf('e'), [row('a', 0)])));
  await fill(session, 4_000, `t1 + interval '1 minute' * case when n % 3 = 0 then 5000 else 1 end`);
  for (const to of [undefined, at(3_900 * 60)]) {
    const found = await all(reader.history('ip', 'e', { from: at(3_000 * 60), ...(to !== undefined && { to }) }));
    const expected = Array.from({ length: to === undefined ? 4_000 : 3_901 }, (_, n) => n).filter(
      (n) => n >= 2_999 || n % 3 === 0,
    );
    expect(found.map(({ v }) => v)).toEqual(expected);
  }
});

function inOrder(rows: readonly HistoryRow[]): HistoryRow[] {
  return [...rows].sort((one, other) =>
    one.t1 < other.t1 ? -1 : one.t1 > other.t1 ? 1 : Number(one.v) - Number(other.v),
  );
}

test('cannot write, and goes on after its connection was cut', async () => {
  const { url, database, commit } = await prepare();
  const reading = await sessionOf(url, { connected: toReadOnly });
  await expect(reading.query('delete from records')).rejects.toMatchObject({ code: '25006' });
  const reader = await readerOf(url);
  await commit(stored('1', plainState('e', 1)));
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%${APP} reader'`,
  );
  await expect.poll(() => reader.counts().catch(() => null)).toEqual({ records: 1, quarantined: 0 });
});

test('goes on behind any text, also one that no id can be', async () => {
  const { url, commit } = await prepare();
  await commit(...['a', 'b', 'c'].map((eid) => stored(eid, plainState(eid, 1))));
  const reader = await readerOf(url);
  const behind = async (after: string) => (await reader.list('ip', { after, limit: 9 })).map(({ eid }) => eid);
  expect(await behind('a\0')).toEqual(['b', 'c']);
  expect(await behind('b\ud800')).toEqual(['c']);
  expect(await behind('\0')).toEqual(['a', 'b', 'c']);
  expect(await reader.get('ip', 'a\0')).toEqual({ state: null, lastIncarnation: 0 });
  expect(await reader.list('\0', { limit: 9 })).toEqual([]);
});

test('says that there is no store yet, that it is of another version, and that no server answers', async () => {
  const { url } = await freshDatabase();
  const start = (given: { url?: string; app?: string }) => {
    const reader = new PostgresStoreReader({ url, app: APP, ...given });
    onTestFinished(() => reader.stop());
    return reader.start();
  };
  await expect(start({})).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('dp3_prepared'),
  });
  const { session } = await prepare({}, { url, query: async () => [], drop: async () => {} });
  await start({});
  await session.query(`insert into migrations values (9999, 'future', now(), '9.9.0', 9999)`);
  await expect(start({})).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringContaining('version 9999'),
  });
  const nowhere = new URL(url);
  nowhere.port = '1';
  await expect(start({ url: nowhere.href })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  nowhere.port = new URL(url).port;
  nowhere.pathname = '/nothing_here';
  await expect(start({ url: nowhere.href })).rejects.toMatchObject({ code: 'STORE_DENIED' });
});

test('counts many records', async () => {
  const { url, session } = await prepare();
  const reader = await readerOf(url);
  await session.query(
    `insert into records (etype, eid, hash, incarnation, revision, created, updated) select 'ip', n, 0, 1, 1, now(), now() from generate_series(1, 3000) n`,
  );
  expect((await reader.counts()).records).toBe(3_000);
});
