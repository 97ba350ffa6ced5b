/** Making and changing the tables of an application, and what they were made for. */
import { expect, onTestFinished, test } from 'vitest';
import { ServerBackend } from '../../../lib/backend/server.js';
import type { Configuration } from '../../../lib/config/configuration.js';
import { openSchema, refuseServer, setUpSchema } from '../../../lib/store/postgres/migrate.js';
import { MIGRATIONS, type Migration } from '../../../lib/store/postgres/migrations/migrations.js';
import { quoteName, schemaOf } from '../../../lib/store/postgres/names.js';
import { PostgresStoreReader } from '../../../lib/store/postgres/reader.js';
import { KNOWN_VERSION } from '../../../lib/store/postgres/schema-version.js';
import type { Session } from '../../../lib/store/postgres/session.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { freshDatabase } from '../../support/postgres.js';
import { plainState, quarantined, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf, standby, throughProxy } from './prepared.js';

const SETTINGS = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' } as const;

/** As a release after this one brings it: first what is added, then what is taken away. */
const EXPANSION: Migration = {
  number: KNOWN_VERSION + 1,
  name: 'expansion',
  release: '9.1.0',
  compatibleSince: MIGRATIONS.at(-1)?.compatibleSince ?? 0,
  sql: ['records', 'graves', 'history', 'raw', 'inbox', 'outbox', 'quarantine', 'owners', 'settings']
    .map((table) => `alter table ${table} add column next integer default 1;`)
    .join('\n'),
};
const CONTRACTION: Migration = {
  number: KNOWN_VERSION + 2,
  name: 'contraction',
  release: '9.2.0',
  compatibleSince: KNOWN_VERSION + 1,
  sql: 'alter table quarantine drop column reason',
};
const EXPANDED = [...MIGRATIONS, EXPANSION];
const CONTRACTED = [...EXPANDED, CONTRACTION];

test('makes the tables once, however many begin at the same time', async () => {
  const { url } = await freshDatabase();
  const sessions = await Promise.all(Array.from({ length: 5 }, () => sessionOf(url)));
  const made = await Promise.all(sessions.map((session) => setUpSchema(session, SETTINGS)));
  expect(made.filter((each) => each.made)).toHaveLength(1);
  expect(await askOne(sessions[0]!, 'select count(*) from migrations')).toBe(String(MIGRATIONS.length));
});

test('keeps applications of one database apart, whatever they are called', async () => {
  const { url } = await freshDatabase();
  const apps = ['dp3', 'DP3', '9.a-b', 'x'.repeat(100), `${'x'.repeat(99)}y`];
  const sessions = await Promise.all(apps.map((app) => sessionOf(url, { app })));
  for (const session of sessions) expect(await setUpSchema(session, SETTINGS)).toMatchObject({ made: true });
  expect(new Set(apps.map(schemaOf)).size).toBe(apps.length);
  expect(schemaOf('x'.repeat(100))).toHaveLength(63);
});

test('tables that another program has expanded are used as before, by workers that run and by those that start', async () => {
  const { url, store, commit, session } = await prepare();
  expect(await commit(stored('a', plainState('e', 1)), quarantined('q', Buffer.from('?')))).toEqual({ kind: 'stored' });
  const setUp = await setUpSchema(await sessionOf(url), SETTINGS, EXPANDED);
  expect(setUp).toEqual({ made: false, before: KNOWN_VERSION, now: KNOWN_VERSION + 1 });
  expect(await commit(stored('b', plainState('e', 2)), quarantined('r', Buffer.from('?')))).toEqual({ kind: 'stored' });
  expect(await store.quarantine.drop(0, 'q')).toBe(true);
  expect([...(await store.known(0, ['a', 'b', 'c'])).keys()].sort()).toEqual(['a', 'b']);
  await store.stop();
  const next = await standby(url);
  await next.own(0);
  const reader = new PostgresStoreReader({ url, app: APP });
  onTestFinished(() => reader.stop());
  await reader.start();
  expect(await reader.counts()).toEqual({ records: 1, quarantined: 1 });
  expect(await askOne(session, `select release from migrations where number = ${KNOWN_VERSION + 1}`)).toBe('9.1.0');
});

test('hosts of two versions that set up and start at the same time leave each other alone', async () => {
  const { url } = await freshDatabase();
  const sessions = await Promise.all(Array.from({ length: 6 }, () => sessionOf(url)));
  const results = await Promise.allSettled(
    sessions.map((session, n) => {
      if (n % 3 === 0) return setUpSchema(session, SETTINGS, EXPANDED);
      return n % 3 === 1 ? setUpSchema(session, SETTINGS) : openSchema(session, SETTINGS);
    }),
  );
  expect(results.map(({ status }) => status)).toEqual(sessions.map(() => 'fulfilled'));
  expect(await askOne(sessions[0]!, 'select max(number) from migrations')).toBe(String(KNOWN_VERSION + 1));
  expect(await askOne(sessions[0]!, 'select count(*) from migrations')).toBe(String(EXPANDED.length));
});

test('starting brings no tables up, but says what does', async () => {
  const { url, store, session } = await prepare();
  await expect(openSchema(session, SETTINGS, EXPANDED)).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      `has version ${KNOWN_VERSION}, this program .* needs version ${KNOWN_VERSION + 1}: run dp3-cluster setup`,
    ),
  });
  await store.stop();
  await session.query('delete from migrations where number = $1', [KNOWN_VERSION]);
  const told = { code: 'STORE_MISMATCH', message: expect.stringContaining('run dp3-cluster setup') };
  await expect(standby(url)).rejects.toMatchObject(told);
  await expect(new PostgresStoreReader({ url, app: APP }).start()).rejects.toMatchObject(told);
  // Nor does a reload take workers away that the next ones could not follow; a server that is away is waited for later.
  const reload = (to: string) =>
    new ServerBackend({ app: APP, store: { schemaOwner: null, url: to } } as Configuration).rehearse();
  await expect(reload(url)).rejects.toMatchObject(told);
  await reload('postgres://127.0.0.1:1/none');
});

test('takes nothing away while a worker runs that needs it, and then all or nothing', async () => {
  const { url, store, commit } = await prepare();
  const session = await sessionOf(url);
  await expect(setUpSchema(session, SETTINGS, CONTRACTED)).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /cannot use it then run \(index 0\): stop those on every host \(one that was killed counts for \d+ s more\), then/,
    ),
  });
  expect(await commit(quarantined('q', Buffer.from('?')))).toEqual({ kind: 'stored' });
  await setUpSchema(session, SETTINGS, EXPANDED);
  // As a worker of the next release does.
  await session.query('update owners set knows = $1', [KNOWN_VERSION + 1]);
  const broken = [...CONTRACTED, { ...CONTRACTION, number: CONTRACTION.number + 1, sql: 'create table settings ()' }];
  await expect(setUpSchema(session, SETTINGS, broken)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await askOne(session, 'select count(reason) from quarantine')).toBe('1');
  expect(await setUpSchema(session, SETTINGS, CONTRACTED)).toMatchObject({ before: EXPANSION.number });
  await store.stop();
});

test('a program that needs what was taken away is refused, with the version that can be used', async () => {
  const { url, store, session } = await prepare();
  await store.stop();
  const late = await standby(url);
  await setUpSchema(session, SETTINGS, CONTRACTED);
  const told = {
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      new RegExp(
        `version ${CONTRACTION.number}, which dp3-cluster 9.1.0 and newer can use; this is .*, which knows version ${KNOWN_VERSION}: install 9.1.0`,
      ),
    ),
  };
  await expect(late.own(0)).rejects.toMatchObject(told);
  await expect(standby(url)).rejects.toMatchObject(told);
  await expect(setUpSchema(session, SETTINGS)).rejects.toMatchObject(told);
  await expect(new PostgresStoreReader({ url, app: APP }).start()).rejects.toMatchObject(told);
  expect(await askOne(session, 'select max(number) from migrations')).toBe(String(CONTRACTION.number));
});

test('who holds a table that is to be changed holds up no commit: the migration gives way and comes again', async () => {
  const { url, commit } = await prepare();
  const holder = await sessionOf(url);
  // As long as it likes.
  await holder.query('set idle_in_transaction_session_timeout = 0; begin; select from records');
  const change = setUpSchema(await sessionOf(url), SETTINGS, EXPANDED);
  const waiting = `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table records%'`;
  const looking = await sessionOf(url);
  await expect.poll(() => askOne(looking, waiting), { interval: 5 }).toBe('1');
  expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'stored' });
  expect(await askOne(looking, 'select count(*) from inbox')).toBe('1');
  await holder.query('commit');
  expect(await change).toMatchObject({ now: EXPANSION.number });
});

const changes = {
  'a migration': (session: Session) => setUpSchema(session, SETTINGS, CONTRACTED),
  'other settings': (session: Session) => session.query(`select reconfigure(1, 'at-least-once')`),
};

test.each(Object.entries(changes))(
  '%s waits for the lease of a worker that is cut off and may come back',
  async (_, change) => {
    const database = await freshDatabase();
    const { proxy, seen } = await throughProxy(database);
    const { commit, clock } = await prepare({}, seen);
    proxy.refuse(true);
    proxy.cut();
    const session = await sessionOf(database.url);
    await expect
      .poll(() =>
        askOne(session, `select count(*) from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass`),
      )
      .toBe('0');
    await expect(change(session)).rejects.toThrow(/stop .* on every host.* counts for \d+ s more/);
    // The lease passes, and nothing tells any more that a worker was there.
    await session.query('update owners set leased = now()');
    await change(session);
    proxy.refuse(false);
    clock.pass(1_000);
    expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'outdated' });
    expect(await askOne(session, 'select (select count(*) from inbox) + (select count(*) from records)')).toBe('0');
  },
);

test('lets no worker take an index whose settings were changed while it stood by', async () => {
  const { url, store, clock, session } = await prepare();
  const late = new PostgresStore({
    ...{ url, app: APP, ...SETTINGS, clock },
    inboxRetentionMs: 1,
    redeliveryHorizon: async () => null,
  });
  onTestFinished(() => late.stop());
  await late.start();
  await store.stop();
  await session.query(`select reconfigure(1, 'effectively-once')`);
  await expect(late.own(0)).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
});

test('refuses another number of processes or another delivery, and says how to change them', async () => {
  const { url, store, commit } = await prepare({ index: 1 });
  await commit(quarantined('q', Buffer.from('?')));
  await store.stop();
  const session = await sessionOf(url);
  const schema = quoteName(schemaOf(APP));
  const call = `select ${schema}.reconfigure(1, 'at-least-once')`;
  await expect(openSchema(session, { ...SETTINGS, numProcesses: 1 })).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /made with num_processes 2, configured is 1: set num_processes to 2, or .*reconfigure\(1/,
    ),
  });
  await expect(openSchema(session, { ...SETTINGS, delivery: 'at-least-once' })).rejects.toThrow(
    `run: select ${schema}.reconfigure(2, 'at-least-once')`,
  );
  await session.query(call);
  await openSchema(session, { numProcesses: 1, delivery: 'at-least-once' });
  expect(await askOne(session, 'select index from quarantine')).toBe('0');
});

test('changes no settings while a worker runs or tasks wait in the outbox', async () => {
  const { store, session } = await prepare();
  const call = `select reconfigure(1, 'at-least-once')`;
  await expect(session.query(call)).rejects.toThrow('stop them on every host first');
  await store.stop();
  await session.query(
    `insert into outbox (index, id, destination, key, priority, body) values (0, 'a', 1, '', true, '')`,
  );
  await expect(session.query(call)).rejects.toThrow('wait in the outbox');
  await session.query('delete from outbox');
  await session.query(call);
});

test('an older server is refused by its version', async () => {
  const answering = (major: string, version: string) => async () => [[major, version, 'UTF8', 'db']];
  await expect(refuseServer(answering('13', '13.18'))).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(/PostgreSQL 13\.18; version 14 or newer/),
  });
  await refuseServer(answering('14', '14.0'));
});
