/** What an owner removes or moves beside its commits, when it was stopped in between and another process has its index by now. */
import { expect, test } from 'vitest';
import type { Instant } from '../../../lib/model/time.js';
import { TrustedTime } from '../../../lib/runtime/trusted-time.js';
import { findExpired } from '../../../lib/store/postgres/expiry.js';
import { makePartition, partitionsOf } from '../../../lib/store/postgres/partitions.js';
import { Purge, type PurgeOptions } from '../../../lib/store/postgres/purge.js';
import type { Query, Session } from '../../../lib/store/postgres/session.js';
import type { Ownership } from '../../../lib/store/store.js';
import { nothing } from '../../contract/store-bed.js';
import { batchOf, deleted, observed, plainState, row, stateOf, stored } from '../../support/results.js';
import { askOne, NUM_PROCESSES, type Prepared, prepare, sessionOf } from './prepared.js';

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const TAKEN = 'update owners set epoch = epoch + 1 where index = 0';

function purging(
  { clock, ownership }: Pick<Prepared, 'clock' | 'ownership'>,
  given: Partial<PurgeOptions> = {},
): PurgeOptions {
  return {
    ownership,
    clock,
    trusted: new TrustedTime(clock),
    partitions: { ensure: async () => {} },
    inboxRetentionMs: 60_000,
    redeliveryHorizon: async () => clock.monotonic(),
    histories: [],
    rawRetentionMs: null,
    ...given,
  };
}

/** Runs something once, before the first statement of a name or a text is sent. */
function stoppedBefore(session: Pick<Session, 'query'>, statement: string, meanwhile: () => Promise<void>) {
  let stopped = false;
  const query: Query = async (text, values, name) => {
    if (!stopped && (name === statement || text.includes(statement))) {
      stopped = true;
      await meanwhile();
    }
    return session.query(text, values, name);
  };
  return { query, wasStopped: () => stopped };
}

test.each([
  ['purge histories', 3],
  ['purge emptied graves', 3],
  ['purge long history', 5_000],
])(
  'a former owner that was stopped before "%s" leaves the history of an entity alone that came back',
  async (name, count) => {
    const prepared = await prepare();
    const { session, commit, ownership } = prepared;
    const state = observed(stateOf('e'), [row('a', 1)]);
    await commit(stored('1', state));
    const fill = `insert into history select 'ip', 'e', 'a', 1, n, now(), now(), 1, '0' from generate_series(1, $1::integer) n`;
    await session.query(fill, [count]);
    await commit(deleted('2', state));
    const stale = stoppedBefore(session, name, async () => {
      await session.query(TAKEN);
      const next = new Purge(
        session,
        purging({ ...prepared, ownership: { ...ownership, epoch: ownership.epoch + 1 } }),
      );
      while (await next.step());
      expect(await askOne(session, 'select (select count(*) from graves) + (select count(*) from history)')).toBe('0');
      // It was forgotten, so it begins with its first incarnation again; and is deleted again, in the last case with all its rows.
      await session.query(fill, [count]);
      if (name === 'purge emptied graves') await session.query(`insert into graves values ('ip', 'e', 1)`);
    });
    const purge = new Purge(stale, purging(prepared));
    await purge.step();
    expect(stale.wasStopped()).toBe(true);
    expect(await askOne(session, 'select count(*) from history')).toBe(String(count));
    expect(await askOne(session, 'select count(*) from graves')).toBe(name === 'purge emptied graves' ? '1' : '0');
  },
);

test.each([
  ['purge histories', 3],
  ['purge long history', 5_000],
])('a repeat of "%s" removes nothing of an entity whose grave is gone', async (name, count) => {
  const prepared = await prepare();
  const { session } = prepared;
  const fill = `insert into history select 'ip', 'e', 'a', 1, n, now(), now(), 1, '0' from generate_series(1, $1::integer) n`;
  await session.query(fill, [count]);
  await session.query(`insert into graves values ('ip', 'e', 1)`);
  const late = stoppedBefore(session, name, async () => void (await session.query('delete from graves')));
  await new Purge(late, purging(prepared)).step();
  expect(late.wasStopped()).toBe(true);
  expect(await askOne(session, 'select count(*) from history')).toBe(String(count));
});

test('a former owner removes no id, no history and no partition, the present one does', async () => {
  const prepared = await prepare();
  const { session, commit, clock, ownership, pass } = prepared;
  await commit(nothing('a'));
  await makePartition(session, 'history', '2020-01-06');
  await makePartition(session, 'raw', '2020-01-06');
  await makePartition(session, 'history', '2020-01-13');
  await session.query(`insert into history (etype, eid, attr, incarnation, n, t1, t2, c, v, stored)
    select 'ip', 'e', attr, 1, 1, day, day, 1, '0', day from cast('2020-01-14' as timestamptz) day, unnest('{week,forever}'::text[]) attr`);
  await session.query(TAKEN);
  const left = async () => [
    await askOne(session, 'select count(*) from inbox'),
    await askOne(session, 'select count(*) from history'),
    (await partitionsOf(session, 'history'))[0]?.name,
    (await partitionsOf(session, 'raw'))[0]?.name,
  ];
  const purgeAs = async (owner: Ownership) => {
    const histories = [{ etype: 'ip', attr: 'week', maxAgeMs: WEEK_MS }];
    const options = purging({ clock, ownership: owner }, { histories, rawRetentionMs: WEEK_MS });
    const purge = new Purge(session, options);
    while (await purge.step());
  };
  await pass(HOUR_MS);
  await purgeAs(ownership);
  expect(await left()).toEqual(['1', '2', 'history_2020_01_06', 'raw_2020_01_06']);
  await purgeAs({ ...ownership, epoch: ownership.epoch + 1 });
  const [ids, rows, history, raw] = await left();
  expect([ids, rows, history]).toEqual(['0', '1', 'history_2020_01_13']);
  expect(raw).not.toBe('raw_2020_01_06');
});

test('a take-over waits for what is being removed, a commit does not', async () => {
  const prepared = await prepare();
  const { session, store, url, ownership, commit } = prepared;
  const state = observed(stateOf('e'), [row('a', 1)]);
  await commit(stored('1', state, { history: [row('a', 1)] }), deleted('2', state));
  const [removing, taking] = [await sessionOf(url), await sessionOf(url)];
  const waiting = () =>
    askOne(
      session,
      `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
  let purged: Promise<unknown> = Promise.resolve();
  let taken: Promise<unknown> = Promise.resolve();
  await (await sessionOf(url)).transaction(async (query) => {
    await query('select from history for update');
    purged = new Purge(removing, purging(prepared)).step();
    await expect.poll(waiting).toBe('1');
    expect(await store.commit(batchOf(ownership, stored('3', plainState('other', 1))))).toEqual({ kind: 'stored' });
    taken = taking.query(TAKEN);
    await expect.poll(waiting).toBe('2');
  });
  await Promise.all([purged, taken]);
  expect(await askOne(session, 'select count(*) from history')).toBe('0');
  expect(await commit(stored('4', plainState('other', 2)))).toEqual({ kind: 'outdated' });
});

test.each(['to another incarnation', 'to another owner'])(
  'moves no expiry of a record that went %s meanwhile',
  async (what) => {
    const { session, commit, ownership } = await prepare();
    const until = (year: number) => `${year}-01-01T00:00:00.000000Z` as Instant;
    const living = (year: number, incarnation = 1) =>
      stateOf('e', { incarnation, ttlTokens: new Map([['base', until(year)]]) });
    await commit(stored('1', living(2026)));
    // Looked at too early, as after a token that was raised.
    await session.query(`update records set ttl = $1`, [JSON.stringify({ base: until(2030) })]);
    const late = stoppedBefore(session, 'expiry move', async () => {
      if (what === 'to another owner') await session.query(TAKEN);
      else await commit(deleted('2', living(2030)), stored('3', living(2026, 2)));
    });
    const index = Number(await askOne(session, `select hash % ${NUM_PROCESSES} from records`));
    await session.query('insert into owners values (1, $1, 0, now(), null, $2, now()) on conflict do nothing', [
      ownership.epoch,
      '',
    ]);
    if (index === 1 && what === 'to another owner')
      await session.query('update owners set epoch = epoch + 1 where index = 1');
    const share = { ownership: { ...ownership, index }, numProcesses: NUM_PROCESSES };
    expect(await findExpired(late, share, 'ip', until(2027), 10)).toEqual({ records: [], more: false });
    expect(late.wasStopped()).toBe(true);
    expect(await askOne(session, 'select extract(year from expiring) from records')).toBe('2026');
  },
);
