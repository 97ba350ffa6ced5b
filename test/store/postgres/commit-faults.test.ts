/** How a commit ends when the server refuses it, does not answer, or goes away. */
import { randomBytes } from 'node:crypto';
import { DatabaseError } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { readPostgresUrl } from '../../../lib/config/postgres-url.js';
import type { ApplicationError } from '../../../lib/runtime/errors.js';
import { connectFailure } from '../../../lib/store/postgres/client.js';
import { ConnectionLost, failureOf, startError, storeError, taskError } from '../../../lib/store/postgres/failures.js';
import type { BatchEntry, Ownership } from '../../../lib/store/store.js';
import { freshDatabase } from '../../support/postgres.js';
import { at, batchOf, observed, plainState, quarantined, row, stateOf, stored } from '../../support/results.js';
import { askOne, prepare, sessionOf, throughProxy } from './prepared.js';

/** Commits that wait for somebody. */
const BLOCKED = `select count(*) from pg_stat_activity where application_name like '% commits' and wait_event_type = 'Lock'
  and datname = current_database()`;
/** Nothing of it can be left out by compressing. */
const randomText = (length: number) => randomBytes(length).toString('base64').slice(0, length);
const BIG = 10n ** 4_000n + 7n;

test('stores every batch once while its connection is cut at any moment', async () => {
  const database = await freshDatabase();
  const { proxy, seen } = await throughProxy(database);
  const { store, session, clock } = await prepare({}, seen);
  // Where the server has not ended a former connection yet, the store looks again after a pause.
  const time = setInterval(() => clock.pass(10), 10);
  onTestFinished(() => clearInterval(time));
  const ownership = await store.own(0);
  const batches = 150;
  let state = stateOf('e');
  let cuts = 0;
  for (let n = 0; n < batches; n++) {
    const added = [row('a', n), row('a', n)];
    state = observed(state, added);
    // Without an inbox nothing but the number of the batch tells that it was stored.
    const batch = { ownership, entries: [stored(`t${n}`, state, { history: added })], inbox: false };
    const delayMs = Math.random() * 12;
    const cut = setTimeout(() => proxy.cut(), delayMs);
    for (let outcome = await store.commit(batch); outcome.kind !== 'stored'; outcome = await store.commit(batch)) {
      expect(outcome.kind).toBe('unavailable');
      cuts++;
      clock.pass(1_000);
    }
    clearTimeout(cut);
  }
  const direct = await sessionOf(database.url);
  expect(cuts).toBeGreaterThan(batches / 10);
  expect(await askOne(direct, 'select revision from records')).toBe(String(batches));
  const order = 'select count(*), count(distinct n), min(n), max(n) from history';
  expect(await direct.query(order)).toEqual([[`${2 * batches}`, `${2 * batches}`, '0', `${2 * batches - 1}`]]);
  await session.stop();
});

test('tries again what the server broke off for the time it took', async () => {
  const { store, url, session, commit } = await prepare({ statementTimeoutMs: 300 });
  const entry = stored('a', plainState('e', 1));
  await (await sessionOf(url)).transaction(async (query) => {
    await query('lock table history, records in share mode');
    expect(await commit(entry)).toMatchObject({ kind: 'unavailable', why: expect.stringContaining('57014') });
  });
  expect(entry.delivery.settled).toBe(0);
  expect(await store.known(0, ['a'])).toEqual(new Map());
  expect(await commit(entry)).toEqual({ kind: 'stored' });
  expect(await askOne(session, 'select revision from records')).toBe('1');
});

test('tries again what the server broke off as a deadlock', async () => {
  const { url, session, commit } = await prepare();
  await commit(stored('1', plainState('a', 1)), stored('2', plainState('b', 1)));
  const other = await sessionOf(url);
  /** Commits against another transaction: each waits for what the other has. Null where the server broke off the other one. */
  const against = async (both: readonly BatchEntry[]) => {
    let outcome: Promise<unknown> = Promise.resolve();
    const broken = await other
      .transaction(async (query) => {
        await query(`update records set created = created where eid = 'b'`);
        outcome = commit(...both);
        await expect.poll(() => askOne(session, BLOCKED)).toBe('1');
        await query(`update records set created = created where eid = 'a'`);
      })
      .catch((error: unknown) => error);
    if (broken === undefined) return outcome;
    expect(broken).toMatchObject({ code: '40P01' });
    expect(await outcome).toEqual({ kind: 'stored' });
    return null;
  };
  // The server breaks off whoever looks first once both wait, mostly the commit, which began to wait first.
  for (let attempt = 0; ; attempt++) {
    const both = [stored(`a${attempt}`, plainState('a', 2)), stored(`b${attempt}`, plainState('b', 2))];
    const outcome = await against(both);
    if (outcome === null) continue;
    expect(outcome).toMatchObject({ kind: 'unavailable', why: expect.stringContaining('40P01') });
    expect(both.map(({ delivery }) => delivery.settled)).toEqual([0, 0]);
    expect(await commit(...both)).toEqual({ kind: 'stored' });
    const revision = String(attempt + 2);
    expect(await session.query('select eid, revision from records order by eid')).toEqual([
      ['a', revision],
      ['b', revision],
    ]);
    return;
  }
});

test.each([
  ['NUL in a value', 'a\0b'],
  ['NUL in a key', { 'a\0': 1 }],
  ['a lone surrogate', ['\ud800']],
  ['a lone surrogate in a key', { '\udc00x': 1 }],
])('names the task in the middle of a batch that holds what jsonb cannot: %s', async (_, v) => {
  const { session, commit } = await prepare();
  const rows = [row('seen', 1, v)];
  const point = { etype: 'ip', eid: 'r', attr: 'a', v: 1, t1: null, t2: null, c: 1, src: 'x\0' };
  const entries: BatchEntry[] = [
    stored('1', plainState('a', 1)),
    stored('2', observed(stateOf('b'), rows), { history: rows }),
    stored('3', observed(stateOf('b'), rows)),
    stored('4', plainState('c', v)),
    stored('5', plainState('d', BIG), { raw: [{ ...point, src: 'x', v: BIG }] }),
  ];
  const outcome = await commit(...entries);
  if (outcome.kind !== 'unstorable') throw new Error(`the outcome is ${outcome.kind}`);
  expect([...outcome.entries.keys()]).toEqual([entries[1], entries[3]]);
  expect(await askOne(session, 'select count(*) from inbox')).toBe('0');
  expect(await commit(entries[0]!, entries[4]!)).toEqual({ kind: 'stored' });
  expect(await askOne(session, `select plain->'value'->>'v' from records where eid = 'd'`)).toBe(String(BIG));
  expect(await askOne(session, 'select v::text from raw')).toBe(String(BIG));
});

test('names the task whose number has more digits than the server can hold, and not the later one of its entity', async () => {
  const { session, commit } = await prepare();
  const huge = 10n ** 140_000n;
  const entries = [plainState('a', 1), plainState('b', huge), plainState('b', huge), plainState('c', 1)];
  const [first, guilty, later, last] = entries.map((state, n) => stored(`t${n}`, state));
  const outcome = await commit(first!, guilty!, later!, last!);
  if (outcome.kind !== 'unstorable') throw new Error(`the outcome is ${outcome.kind}`);
  expect([...outcome.entries.keys()]).toEqual([guilty]);
  expect(await askOne(session, 'select (select count(*) from records) + (select count(*) from inbox)')).toBe('0');
  expect(await commit(first!, last!)).toEqual({ kind: 'stored' });
});

test('refuses what is larger than the server takes in one message', async () => {
  const { session, commit } = await prepare({ mostBytes: 100_000 });
  const sized = (id: string, length: number) => stored(id, plainState(id, 'x'.repeat(length)));
  const large = sized('large', 120_000);
  expect(await commit(large)).toEqual({
    kind: 'unstorable',
    entries: new Map([[large, expect.stringMatching(/^12\d{4} bytes .* takes 100000 at most$/)]]),
  });
  expect(await commit(sized('a', 60_000), sized('b', 60_000))).toEqual({
    kind: 'refused',
    why: expect.stringMatching(/^12\d{4} bytes .* takes 100000 at most$/),
  });
  expect(await commit(sized('a', 60_000))).toEqual({ kind: 'stored' });
  expect(await askOne(session, 'select count(*) from records')).toBe('1');
});

test('names a task whose source cannot be stored', async () => {
  const { commit } = await prepare();
  const raw = [{ etype: 'ip', eid: 'r', attr: 'a', v: 1, t1: at(1), t2: at(1), c: 1, src: 'x\ud800' }];
  const entries = [stored('1', plainState('a', 1)), stored('2', plainState('b', 1), { raw })];
  expect(await commit(...entries)).toEqual({
    kind: 'unstorable',
    entries: new Map([[entries[1], expect.any(String)]]),
  });
});

const SHARED = [stored('0', plainState('first', 1)), stored('8', plainState('last', 8))] as const;
const OWN_INDEXES: readonly [string, string, unknown[], number[]][] = [
  [
    'holds no long values',
    `create index own on records ((plain -> 'value' ->> 'v'))`,
    ['short', randomText(6_000), 3],
    [1],
  ],
  ['is unique', `create unique index own on records ((plain -> 'value' ->> 'v'))`, ['x', 'y', 'y', 'z', 'x'], [2, 4]],
  [
    'is a constraint',
    `alter table records add constraint own check (plain ->> 'value' not like '%no%')`,
    [1, 'no', 2],
    [1],
  ],
];

test.each(OWN_INDEXES)(
  'names the tasks that do not fit an index of someone else that %s',
  async (_, own, values, wrong) => {
    const { session, commit } = await prepare();
    await session.query(own);
    const rows = [row('a', 1)];
    const entries = values.map((v, n) => stored(`t${n}`, plainState(`e${n}`, v), { history: rows }));
    // A later task of the same entity builds on it.
    const later = wrong.map((n) => stored(`later${n}`, plainState(`e${n}`, values[n])));
    const outcome = await commit(...SHARED, ...entries, ...later);
    if (outcome.kind !== 'unstorable') throw new Error(`the outcome is ${outcome.kind}`);
    expect([...outcome.entries.keys()]).toEqual(wrong.map((n) => entries[n]));
    const counts = ['inbox', 'records', 'history'].map((table) => askOne(session, `select count(*) from ${table}`));
    expect(await Promise.all(counts)).toEqual(['0', '0', '0']);
    expect(await commit(...SHARED, ...entries.filter((_, n) => !wrong.includes(n)))).toEqual({ kind: 'stored' });
  },
);

test('repeats a batch whose id was there and then was not, and refuses it when that comes again', async () => {
  const { session, store, ownership } = await prepare();
  await session.query(`create function puzzle() returns trigger language plpgsql as $$ begin
    raise exception using errcode = 'unique_violation', table = 'inbox', message = 'there';
  end $$`);
  const puzzled = 'create trigger puzzle before insert on inbox for each row execute function puzzle()';
  await session.query(puzzled);
  const once = batchOf(ownership, stored('1', plainState('a', 1)));
  expect(await store.commit(once)).toMatchObject({ kind: 'unavailable' });
  await session.query('drop trigger puzzle on inbox');
  expect(await store.commit(once)).toEqual({ kind: 'stored' });
  await session.query(puzzled);
  const again = batchOf(ownership, stored('2', plainState('a', 2)));
  expect(await store.commit(again)).toMatchObject({ kind: 'unavailable' });
  expect(await store.commit(again)).toEqual({ kind: 'refused', why: 'there (23505)' });
});

test('makes the tables of a week that has none, and stores then', async () => {
  const { session, commit } = await prepare();
  const rows = [row('a', 1)];
  const entry = () => stored('1', observed(stateOf('e'), rows), { history: rows });
  const parts = await session.query(
    `select inhrelid::regclass::text from pg_inherits where inhparent = 'history'::regclass`,
  );
  for (const [part] of parts) await session.query(`drop table ${part}`);
  expect(await commit(entry())).toMatchObject({ kind: 'unavailable' });
  expect(await commit(entry())).toEqual({ kind: 'stored' });
});

test('stops for good when its row was changed by someone else', async () => {
  const { session, commit } = await prepare();
  await session.query('update owners set batch = batch + 1');
  await expect(commit(stored('1', plainState('a', 1)))).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

test('waits while a table is gone, and says which', async () => {
  const { session, store, commit } = await prepare();
  await session.query('alter table inbox rename to elsewhere');
  const why = expect.stringContaining('"inbox" does not exist (42P01)');
  expect(await commit(stored('1', plainState('a', 1)))).toEqual({ kind: 'unavailable', why, answers: true });
  await expect(store.known(0, ['1'])).rejects.toMatchObject({ code: 'STORE_REFUSED', message: why });
  await session.query('alter table elsewhere rename to inbox');
  expect(await commit(stored('1', plainState('a', 1)))).toEqual({ kind: 'stored' });
  expect([...(await store.known(0, ['1'])).keys()]).toEqual(['1']);
});

test('prepares its statements anew when a table has other columns than it had', async () => {
  const { session, store, clock } = await prepare();
  const load = () => store.load([['ip', 'a']]);
  expect(await load()).toEqual([{ state: null, lastIncarnation: 0 }]);
  await session.query('alter table graves alter column incarnation type bigint');
  await expect(load()).rejects.toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('0A000') });
  clock.pass(1_000);
  expect(await load()).toEqual([{ state: null, lastIncarnation: 0 }]);
});

test('puts a message aside once that comes twice in a batch where no ids are kept', async () => {
  const { store, session } = await prepare();
  const ownership = await store.own(0);
  const entries = ['x', 'x'].map((body) => quarantined('same', Buffer.from(body)));
  expect(await store.commit({ ownership, entries, inbox: false })).toEqual({ kind: 'stored' });
  expect(await store.commit({ ownership, entries, inbox: false })).toEqual({ kind: 'stored' });
  expect(entries.map(({ delivery }) => delivery.settled)).toEqual([2, 2]);
  expect(await askOne(session, 'select count(*) from quarantine')).toBe('1');
});

test('lets go of its index where the server comes back without commits that it had acknowledged', async () => {
  const { session, commit, clock } = await prepare();
  for (const id of ['1', '2', '3']) expect(await commit(stored(id, plainState('a', id)))).toEqual({ kind: 'stored' });
  await session.query('update owners set batch = batch - 1');
  await session.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% commits'
    and datname = current_database()`);
  const outcome = async () => {
    clock.pass(1_000);
    return (await commit(stored('4', plainState('a', 4)))).kind;
  };
  await expect.poll(outcome).toBe('outdated');
  expect(await askOne(session, 'select count(*) from inbox')).toBe('3');
});

test('sorts failures by their code, whatever the language of the server', async () => {
  const error = (code: string) => Object.assign(new DatabaseError('…', 1, 'error'), { code });
  const of = (...codes: string[]) => new Set(codes.map((code) => failureOf(error(code))));
  expect(of('57P01', '57P03', '08006', '25P03')).toEqual(new Set(['lost']));
  expect(of('40001', '40P01', '53100', '53200', '57014', '55P03', '58030', '25006')).toEqual(new Set(['passing']));
  expect(of('42501', '42P01', '42703', '42883', '3F000', '0A000', '26000', '42P05', 'XX000')).toEqual(
    new Set(['passing']),
  );
  expect(of('22P05', '22P02', '22021', '22003', '54000', '23502', '23503')).toEqual(new Set(['data']));
  expect(of('XX001', 'XX002')).toEqual(new Set(['broken']));
  const codes = (how: (error: unknown) => unknown) =>
    ['42501', '53200', '22P05', 'XX001'].map((code) => (how(error(code)) as ApplicationError).code);
  expect(codes(storeError)).toEqual(['STORE_REFUSED', 'STORE_REFUSED', 'STORE_FAILED', 'STORE_FAILED']);
  expect(codes(taskError)).toEqual(['STORE_REFUSED', 'STORE_REFUSED', 'TASK_UNSTORABLE', 'STORE_FAILED']);
  expect(codes(startError)).toEqual(['STORE_FAILED', 'STORE_REFUSED', 'STORE_FAILED', 'STORE_FAILED']);
  expect([failureOf(error('23505')), failureOf(error('23514')), failureOf(new ConnectionLost('socket'))]).toEqual([
    'duplicate',
    'partition',
    'lost',
  ]);
  const target = { host: 'db', port: 5432, user: 'me', database: 'dp3' };
  const server = readPostgresUrl('postgres://me@db/dp3');
  const failure = (code: string) => connectFailure(error(code), target, server, { encrypted: false, first: false });
  expect(await failure('28P01')).toMatchObject({ code: 'STORE_DENIED' });
  expect(await failure('53300')).toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test('stores nothing for an owner whose epoch was raised, though nobody told it and its connection lives', async () => {
  const { session, commit } = await prepare();
  await session.query('update owners set epoch = epoch + 1');
  const entry = stored('1', plainState('a', 1));
  expect(await commit(entry)).toEqual({ kind: 'outdated' });
  expect(entry.delivery.settled).toBe(0);
  expect(await askOne(session, 'select (select count(*) from records) + (select count(*) from inbox)')).toBe('0');
  expect(await commit(entry)).toEqual({ kind: 'outdated' });
});

test('waits for a take-over under way, and stores nothing once that is done', async () => {
  const { session, url, commit } = await prepare();
  const entry = stored('1', plainState('a', 1));
  let outcome: Promise<unknown> = Promise.resolve();
  await (await sessionOf(url)).transaction(async (query) => {
    await query('update owners set epoch = epoch + 1');
    outcome = commit(entry);
    await expect.poll(() => askOne(session, BLOCKED)).toBe('1');
  });
  expect(await outcome).toEqual({ kind: 'outdated' });
  expect(entry.delivery.settled).toBe(0);
  expect(await askOne(session, 'select (select count(*) from records) + (select count(*) from inbox)')).toBe('0');
});

test('remembers an owner over batches of every kind', async () => {
  const { store, commit } = await prepare();
  const other: Ownership = { index: 0, epoch: 99 };
  expect(await store.commit(batchOf(other, stored('1', plainState('a', 1))))).toEqual({ kind: 'outdated' });
  expect(await commit(stored('2', plainState('a', 1)))).toEqual({ kind: 'stored' });
  expect(await commit(stored('2', plainState('a', 2)))).toMatchObject({ kind: 'done-before' });
  expect(await commit(stored('3', plainState('a', '\0')))).toMatchObject({ kind: 'unstorable' });
  expect(await commit(stored('4', plainState('a', 2)))).toEqual({ kind: 'stored' });
});
