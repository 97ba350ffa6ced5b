/** What an owner knows of its last batch after connections were lost, however many. */
import { expect, test } from 'vitest';
import { systemClock } from '../../../lib/runtime/clock.js';
import { Owner } from '../../../lib/store/postgres/owner.js';
import type { Query } from '../../../lib/store/postgres/session.js';
import type { Ownership } from '../../../lib/store/store.js';
import { manualClock } from '../../support/clock.js';
import { freshDatabase } from '../../support/postgres.js';
import { plainState, stored } from '../../support/results.js';
import { askOne, NUM_PROCESSES, prepare, sessionOf, standby, throughProxy } from './prepared.js';

const HOLDER = `select pid from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass`;
const COMMITS = `from pg_stat_activity where application_name like '% commits' and datname = current_database()`;

for (const [arrives, losses] of [
  [false, 1],
  [false, 2],
  [true, 1],
  [true, 2],
] as const) {
  const what = arrives ? 'was stored' : 'never reached the server';
  test(`finds out that a batch ${what} whose connection was lost, when the next ${losses} are lost before it is sent again`, async () => {
    const database = await freshDatabase();
    const { proxy, seen } = await throughProxy(database);
    const { clock, store } = await prepare({}, seen);
    const ownership = await store.own(0);
    const session = await sessionOf(database.url);
    const entry = stored('a', plainState('e', 1));
    const batch = { ownership, entries: [entry], inbox: false };
    let first: Promise<unknown> = Promise.resolve();
    if (arrives) {
      const other = await sessionOf(database.url);
      await other.transaction(async (query) => {
        await query('lock table records in share mode');
        first = store.commit(batch);
        await expect.poll(() => askOne(session, `select count(*) ${COMMITS} and wait_event_type = 'Lock'`)).toBe('1');
        proxy.cut();
      });
    } else {
      proxy.stall(true);
      first = store.commit(batch);
      proxy.cut();
      proxy.stall(false);
    }
    expect(await first).toMatchObject({ kind: 'unavailable' });
    for (let lost = 0; lost < losses; lost++) {
      await expect
        .poll(() => {
          clock.pass(1_000);
          return askOne(session, `select count(*) ${COMMITS} and state = 'idle'`);
        })
        .toBe('1');
      await session.query(`select pg_terminate_backend(pid) ${COMMITS}`);
      await expect.poll(() => askOne(session, `select count(*) ${COMMITS}`)).toBe('0');
    }
    await expect
      .poll(() => {
        clock.pass(1_000);
        return store.commit(batch);
      })
      .toEqual({ kind: 'stored' });
    expect(entry.delivery.settled).toBe(1);
    expect(await askOne(session, 'select revision from records')).toBe('1');
  });
}

test('owns its index again although the server still keeps its former connection', async () => {
  const database = await freshDatabase();
  const { proxy, seen } = await throughProxy(database);
  const { commit, clock } = await prepare({}, seen);
  const session = await sessionOf(database.url);
  const former = await askOne(session, HOLDER);
  proxy.cutNear();
  await expect
    .poll(() => {
      clock.pass(1_000);
      return askOne(session, `${HOLDER} and pid <> $1`, [former]);
    })
    .toEqual(expect.any(String));
  expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'stored' });
});

test.each([true, false])(
  'knows its own lock again when it never heard that it got it (former connection kept: %s)',
  async (kept) => {
    const { url, store } = await prepare();
    await store.stop();
    const sessions = [await sessionOf(url), await sessionOf(url), await sessionOf(url)] as const;
    const [first, second, third] = sessions;
    const settings = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' };
    const owner = new Owner(systemClock, 15, settings, () => {});
    const connect = async (query: Query) =>
      owner.connected(query, Number((await query('select pg_backend_pid()'))[0]?.[0]));
    await connect(first.query);
    const ownership = await owner.take(first.query, 0);
    owner.disconnected();
    if (!kept) await first.stop();
    const deaf: Query = async (text, values, name) => {
      const rows = await second.query(text, values, name);
      if (text.includes('pg_try_advisory_lock') && rows[0]?.[0] === 't') throw new Error('the answer never came');
      return rows;
    };
    await expect(connect(deaf)).rejects.toThrow('never came');
    await connect(third.query);
    expect(owner.owned).toMatchObject(ownership);
  },
);

test('an owner that has nothing to do renews its lease again and again, and one that waits does not get the index', async () => {
  const { url, session, clock, store } = await prepare();
  for (let n = 0; n < 3; n++) {
    // As if it had nearly passed.
    await session.query('update owners set leased = now()');
    clock.pass(3_000);
    await expect.poll(() => askOne(session, `select leased > now() + interval '10 s' from owners`)).toBe('t');
    const waiting = await standby(url);
    await expect(waiting.own(0)).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  }
  expect(await store.own(0)).toEqual({ index: 0, epoch: 2 });
});

test.each(['1 hour', '-1 hour'])(
  'an index is taken once its lease was not renewed for its length, and not before, though the clock of the server was set: lease off by %s',
  async (off) => {
    const { url, session, commit, ...owning } = await prepare();
    const clock = manualClock();
    const settings = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' };
    const waiting = new Owner(clock, 15, settings, () => {});
    const other = await sessionOf(url);
    await waiting.connected(other.query, Number(await askOne(other, 'select pg_backend_pid()')));
    const take = () => waiting.take(other.query, 0);
    const lease = () => askOne(session, 'select leased from owners');
    const refusedAfter = async (ms: number) => {
      clock.pass(ms);
      await expect(take()).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
    };
    // As it looks when the clock was set after the last renewal.
    await session.query('update owners set leased = leased + $1::interval', [off]);
    const before = await lease();
    await refusedAfter(0);
    await refusedAfter(14_000);
    owning.clock.pass(3_000);
    await expect.poll(lease).not.toBe(before);
    await refusedAfter(2_000);
    await refusedAfter(14_000);
    expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'stored' });
    await refusedAfter(2_000);
    await refusedAfter(14_000);
    clock.pass(1_000);
    let taken: Ownership | null = null;
    void take().then((ownership) => {
      taken = ownership;
    });
    // The server ends the connection of the former owner in its own time, and is looked at again meanwhile.
    await expect
      .poll(() => {
        clock.pass(20);
        return taken;
      })
      .toEqual({ index: 0, epoch: 2 });
  },
);

test('an answer that was long under way does not make a lease look old', async () => {
  const { url } = await prepare();
  const clock = manualClock();
  const waiting = new Owner(clock, 15, { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' }, () => {});
  const other = await sessionOf(url);
  const late: Query = async (text, values, name) => {
    const rows = await other.query(text, values, name);
    if (text.includes('leased from owners')) clock.pass(60_000);
    return rows;
  };
  await waiting.connected(late, Number(await askOne(other, 'select pg_backend_pid()')));
  for (let n = 0; n < 2; n++) await expect(waiting.take(late, 0)).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
});

test('an owner knows that it owns without asking, and asks after a time without a sign of it', async () => {
  const { store, session, clock } = await prepare();
  expect(store.holds()).toBe(true);
  // Longer than a lease: the process stood still. The row is as it was.
  clock.pass(16_000);
  expect(await store.holds()).toBe(true);
  expect(store.holds()).toBe(true);
  await session.query('update owners set epoch = epoch + 1');
  const told: string[] = [];
  store.listen({ lost: (why) => told.push(why), trouble: () => {} });
  clock.pass(16_000);
  expect(await store.holds()).toBe(false);
  expect(store.holds()).toBe(false);
  expect(told).toEqual(['index 0 was owned in epoch 1: another process has taken it']);
});

test('an owner whose connection is gone is not sure until it has its lock again, however long that takes', async () => {
  const database = await freshDatabase();
  const { proxy, seen } = await throughProxy(database);
  const { store, clock } = await prepare({}, seen);
  proxy.refuse(true);
  proxy.cut();
  const asked: unknown[] = [];
  const ask = () => {
    const holds = store.holds();
    if (holds instanceof Promise) void holds.then((answer) => asked.push(answer));
    return typeof holds;
  };
  await expect.poll(ask).toBe('object');
  expect(asked).toEqual([]);
  proxy.refuse(false);
  await expect
    .poll(() => {
      clock.pass(1_000);
      return asked[0];
    })
    .toBe(true);
});

test('the outbox gives nothing to an owner whose index another process has taken', async () => {
  const { store, session, commit } = await prepare();
  const derived = [{ id: 'd', key: 'ip:d', index: 1, priority: true, body: Buffer.from('{}') }];
  await commit(stored('1', plainState('e', 1), { sends: derived }));
  expect(await store.outbox.next(0, 10)).toHaveLength(1);
  await session.query('update owners set epoch = epoch + 1');
  expect(await store.outbox.next(0, 10)).toEqual([]);
  expect(await askOne(session, 'select count(*) from outbox')).toBe('1');
});
