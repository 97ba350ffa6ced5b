/** Making and changing the tables of an application, and what they were made for. */
import { expect, onTestFinished, test } from 'vitest';
import { migrate, refuseOldServer } from '../../../lib/store/postgres/migrate.js';
import { MIGRATIONS } from '../../../lib/store/postgres/migrations/migrations.js';
import { quoteName, schemaOf } from '../../../lib/store/postgres/names.js';
import type { Session } from '../../../lib/store/postgres/session.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { freshDatabase } from '../../support/postgres.js';
import { plainState, quarantined, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf, throughProxy } from './prepared.js';

const SETTINGS = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' } as const;
const NEXT = [...MIGRATIONS, { number: MIGRATIONS.length + 1, name: 'next', sql: 'create table next (id integer)' }];

test('makes the tables once, however many begin at the same time', async () => {
  const { url } = await freshDatabase();
  const sessions = await Promise.all(Array.from({ length: 5 }, () => sessionOf(url)));
  const made = await Promise.all(sessions.map((session) => migrate(session, SETTINGS)));
  expect(made.filter((each) => each.made)).toHaveLength(1);
  expect(await askOne(sessions[0]!, 'select count(*) from migrations')).toBe(String(MIGRATIONS.length));
});

test('keeps applications of one database apart, whatever they are called', async () => {
  const { url } = await freshDatabase();
  const apps = ['dp3', 'DP3', '9.a-b', 'x'.repeat(100), `${'x'.repeat(99)}y`];
  const sessions = await Promise.all(apps.map((app) => sessionOf(url, { app })));
  for (const session of sessions) expect(await migrate(session, SETTINGS)).toEqual({ made: true });
  expect(new Set(apps.map(schemaOf)).size).toBe(apps.length);
  expect(schemaOf('x'.repeat(100))).toHaveLength(63);
});

test('refuses tables of a newer program and leaves them alone', async () => {
  const { url, session } = await prepare();
  await session.query(`insert into migrations (number, name) values (99, 'of the future')`);
  const other = await sessionOf(url);
  await expect(migrate(other, SETTINGS)).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(/version 99, .* up to \d+: use the version/),
  });
  expect(await askOne(session, 'select count(*) from migrations where number < 99')).toBe(String(MIGRATIONS.length));
});

test('changes tables only while no worker runs, and then all or nothing', async () => {
  const { url, store } = await prepare();
  const session = await sessionOf(url);
  await expect(migrate(session, SETTINGS, NEXT)).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /workers run \(index 0\): stop the program on every host \(one that was killed counts for \d+ s more\), then/,
    ),
  });
  await store.stop();
  const broken = [...NEXT, { number: NEXT.length + 1, name: 'broken', sql: 'create table settings (one integer)' }];
  await expect(migrate(session, SETTINGS, broken)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await askOne(session, `select to_regclass('next')`)).toBeNull();
  expect(await migrate(session, SETTINGS, NEXT)).toEqual({ made: false });
  expect(await askOne(session, 'select count(*) from next')).toBe('0');
});

test('lets no worker of an older program take an index of changed tables', async () => {
  const { url, store, clock } = await prepare();
  await store.stop();
  const late = new PostgresStore({
    ...{ url, app: APP, ...SETTINGS, clock },
    inboxRetentionMs: 1,
    settledBefore: async () => null,
  });
  await late.start();
  await migrate(await sessionOf(url), SETTINGS, NEXT);
  await expect(late.own(0)).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
  await late.stop();
});

const changes = {
  'a migration': (session: Session) => migrate(session, SETTINGS, NEXT),
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
    settledBefore: async () => null,
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
  await expect(migrate(session, { ...SETTINGS, numProcesses: 1 })).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /made with num_processes 2, configured is 1: set num_processes to 2, or .*reconfigure\(1/,
    ),
  });
  await expect(migrate(session, { ...SETTINGS, delivery: 'at-least-once' })).rejects.toThrow(
    `run: select ${schema}.reconfigure(2, 'at-least-once')`,
  );
  await session.query(call);
  expect(await migrate(session, { numProcesses: 1, delivery: 'at-least-once' })).toEqual({ made: false });
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
  const answering = (major: string, version: string) => async () => [[major, version]];
  await expect(refuseOldServer(answering('13', '13.18'))).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(/PostgreSQL 13\.18; version 14 or newer/),
  });
  await refuseOldServer(answering('14', '14.0'));
});

test('keeps the largest prefetch of quorum queues, and refuses a smaller one with what to do', async () => {
  const { url } = await freshDatabase();
  const session = await sessionOf(url);
  const start = (prefetch: number | null) => migrate(session, { ...SETTINGS, prefetch });
  for (const prefetch of [null, 500, 2_000, null]) await start(prefetch);
  const refusal: Error = await start(1_999).then(
    () => expect.unreachable(),
    (error: Error) => error,
  );
  expect(refusal).toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      /prefetch of 2000, configured is 1999, .*set msg_broker.prefetch to 2000 or more, or/,
    ),
  });
  await start(2_000);
  // What it says helps.
  await session.query(refusal.message.slice(refusal.message.indexOf('update ')));
  await start(1_999);
  expect(await askOne(session, 'select prefetch from settings')).toBe('1999');
});
