/** Rights that the program needs over time, and what it says when one is missing; the database itself. */
import { randomBytes } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { ServerBackend } from '../../../lib/backend/server.js';
import type { Configuration } from '../../../lib/config/configuration.js';
import { setUpSchema } from '../../../lib/store/postgres/migrate.js';
import { schemaOf } from '../../../lib/store/postgres/names.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { postgresAt, type TestDatabase } from '../../../services/postgres.js';
import { freshDatabase } from '../../support/postgres.js';
import { at, batchOf, observed, row, stateOf, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf } from './prepared.js';

const SETTINGS = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' } as const;
const SCHEMA = schemaOf(APP);

/** A role without any right, and the database as it sees it. */
async function guest(database: TestDatabase): Promise<{ readonly role: string; readonly url: string }> {
  const role = `guest_${randomBytes(6).toString('hex')}`;
  await database.query(`create role ${role}`);
  onTestFinished(async () => {
    await database.query(`drop owned by ${role}`);
    await database.query(`drop role ${role}`);
  });
  const options = `options=${encodeURIComponent(`-c role=${role}`)}`;
  return { role, url: `${database.url}${database.url.includes('?') ? '&' : '?'}${options}` };
}

/** Everything that a role needs to write, and nothing that lets it make a table. */
const WRITES = (role: string) => `grant usage on schema ${SCHEMA} to ${role};
  grant select, insert, update, delete on all tables in schema ${SCHEMA} to ${role}`;

async function refusalOf(url: string): Promise<{ readonly code: string; readonly message: string }> {
  const session = await sessionOf(url);
  return setUpSchema(session, SETTINGS).then(
    () => expect.unreachable(),
    (error) => error,
  );
}

test('a role that may not make the schema is told the right and the statement, which helps', async () => {
  const database = await freshDatabase();
  const { role, url } = await guest(database);
  const { code, message } = await refusalOf(url);
  expect(code).toBe('STORE_FAILED');
  expect(message).toMatch(new RegExp(`^user ${role} has not all rights .*: create on database `));
  await database.query(message.slice(message.indexOf('grant ')));
  expect(await setUpSchema(await sessionOf(url), SETTINGS)).toMatchObject({ made: true });
});

test('a role that may write and not make partitions is refused at once, with every right that is missing', async () => {
  const { database, store } = await prepare();
  await store.stop();
  const { role, url } = await guest(database);
  const nothing = (await refusalOf(url)).message;
  for (const right of [
    `usage on schema ${SCHEMA}`,
    `create on schema ${SCHEMA}`,
    `delete, insert, select on table ${SCHEMA}.inbox`,
  ]) {
    expect(nothing).toContain(right);
  }
  await database.query(WRITES(role));
  const { code, message } = await refusalOf(url);
  expect(code).toBe('STORE_FAILED');
  expect(message).toMatch(
    new RegExp(`needs over time: create on schema ${SCHEMA}; membership of role \\w+, which owns .* history, raw\\. `),
  );
  await database.query(message.slice(message.indexOf('grant ')));
  expect(await setUpSchema(await sessionOf(url), SETTINGS)).toMatchObject({ made: false });
});

test('check names what a start would refuse, and only warns of a database that is not there', async () => {
  const { database, store } = await prepare();
  await store.stop();
  const { role, url } = await guest(database);
  const problemsAt = (url: string) =>
    new ServerBackend({ app: APP, store: { schemaOwner: null, url } } as Configuration).storeProblems();
  expect(await problemsAt(database.url)).toEqual([]);
  expect(await problemsAt(url)).toEqual([
    expect.objectContaining({
      severity: 'error',
      sentence: expect.stringContaining(`grant usage on schema ${SCHEMA} to ${role}`),
    }),
  ]);
  expect(await problemsAt('postgres://me@127.0.0.1:1/dp3')).toEqual([
    expect.objectContaining({
      severity: 'warning',
      sentence: expect.stringMatching(/was not looked at: .*127\.0\.0\.1:1/),
    }),
  ]);
});

test('names the one privilege on one table that was taken away', async () => {
  const { database, store, session } = await prepare();
  await store.stop();
  const { role, url } = await guest(database);
  await database.query(`${WRITES(role)}; grant create on schema ${SCHEMA} to ${role}`);
  for (const [table] of await session.query(`select oid::regclass from pg_class where relkind in ('r', 'p')
    and relnamespace = '${SCHEMA}'::regnamespace and relname ~ '^(history|raw)'`)) {
    await session.query(`alter table ${table} owner to ${role}`);
  }
  await database.query(`revoke update on ${SCHEMA}.owners from ${role}`);
  expect((await refusalOf(url)).message).toMatch(
    new RegExp(
      `needs over time: update on table ${SCHEMA}.owners\\. .* run: grant update on ${SCHEMA}.owners to ${role}$`,
    ),
  );
});

test('a partition that cannot be made is told weeks before it is needed, every hour, and when that is over', async () => {
  const database = await freshDatabase();
  const { role, url } = await guest(database);
  await database.query(`create schema ${SCHEMA} authorization ${role}`);
  const { store, session, clock, commit } = await prepare({}, { ...database, url });
  const told: (string | null)[] = [];
  store.listen({ lost: () => {}, trouble: (why) => told.push(why) });
  const administrator = await sessionOf(database.url, { schemaOwner: role });
  await administrator.query(`alter schema ${SCHEMA} owner to current_user; grant usage on schema ${SCHEMA} to ${role}`);
  const last = await askOne(
    session,
    `select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'history'::regclass`,
  );
  await session.query(`drop table ${last}`);
  await store.purge();
  expect(told).toEqual([
    expect.stringMatching(
      new RegExp(
        `^the partition of history for the week of .* cannot be made: permission denied .*commits of that week will wait; .* run: grant create on schema ${SCHEMA} to ${role}$`,
      ),
    ),
  ]);
  // The weeks that are there go on as before.
  const rows = [row('a', 1)];
  expect(await commit(stored('1', observed(stateOf('e'), rows), { history: rows }))).toEqual({ kind: 'stored' });
  clock.pass(1_800_000);
  await store.purge();
  expect(told).toHaveLength(1);
  clock.pass(3_600_000);
  await store.purge();
  expect(told).toHaveLength(2);
  await administrator.query(`grant create on schema ${SCHEMA} to ${role}`);
  clock.pass(3_600_000);
  await store.purge();
  expect(told.at(-1)).toBeNull();
  expect(await askOne(session, `select to_regclass('${last}') is not null`)).toBe('t');
});

test('commits that wait for a partition say why it cannot be made', async () => {
  const database = await freshDatabase();
  const { role, url } = await guest(database);
  await database.query(`create schema ${SCHEMA} authorization ${role}`);
  const { session, commit } = await prepare({}, { ...database, url });
  const administrator = await sessionOf(database.url, { schemaOwner: role });
  await administrator.query(`alter schema ${SCHEMA} owner to current_user; grant usage on schema ${SCHEMA} to ${role}`);
  const parts = await session.query(
    `select inhrelid::regclass::text from pg_inherits where inhparent = 'raw'::regclass`,
  );
  for (const [part] of parts) await session.query(`drop table ${part}`);
  const raw = [{ etype: 'ip', eid: 'e', attr: 'a', v: 1, t1: at(1), t2: at(1), c: 1, src: null }];
  const entry = stored('1', stateOf('e'), { raw });
  for (let tries = 0; tries < 2; tries++) {
    expect(await commit(entry)).toEqual({
      kind: 'unavailable',
      why: expect.stringMatching(/^the partition of raw for the week of .* cannot be made: permission denied .*42501/),
      answers: true,
    });
  }
  await administrator.query(`grant create on schema ${SCHEMA} to ${role}`);
  await commit(entry);
  expect(await commit(entry)).toEqual({ kind: 'stored' });
});

test('a table in the way of a partition is told too', async () => {
  const { session, store } = await prepare();
  const told: (string | null)[] = [];
  store.listen({ lost: () => {}, trouble: (why) => told.push(why) });
  const last = await askOne(
    session,
    `select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'raw'::regclass`,
  );
  await session.query(`alter table raw detach partition ${last}`);
  await store.purge();
  expect(told).toEqual([expect.stringContaining(`"${last}" already exists`)]);
});

test('a database of another encoding is refused with how to make one that serves', async () => {
  const encoding = 'LATIN1';
  const server = postgresAt(inject('postgres'));
  const name = `dp3_test_${randomBytes(6).toString('hex')}`;
  const url = new URL(server.url);
  const administrator = await sessionOf(server.url);
  await administrator.query(
    `create database ${name} template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`,
  );
  onTestFinished(async () => void (await administrator.query(`drop database ${name} with (force)`)));
  url.pathname = `/${name}`;
  const store = new PostgresStore({
    ...{ url: url.href, app: APP, ...SETTINGS },
    inboxRetentionMs: 1,
    redeliveryHorizon: async () => null,
  });
  await expect(store.start()).rejects.toMatchObject({
    code: 'STORE_MISMATCH',
    message: expect.stringMatching(
      new RegExp(`^database ${name} has the encoding ${encoding}; UTF8 is needed: .*createdb`),
    ),
  });
  await store.stop();
  expect(await askOne(await sessionOf(url.href), `select to_regnamespace('${SCHEMA}')`)).toBeNull();
});

test('what a role or a database is set to changes nothing of what the program sends', async () => {
  const { database, store, ownership } = await prepare();
  const name = decodeURIComponent(new URL(database.url).pathname.slice(1));
  const given = {
    client_encoding: 'LATIN1',
    standard_conforming_strings: 'off',
    array_nulls: 'off',
    lock_timeout: '1ms',
  };
  for (const [key, value] of Object.entries(given))
    await database.query(`alter database ${name} set ${key} = '${value}'`);
  const session = await sessionOf(database.url);
  await store.release(ownership);
  const { store: next, ownership: again } = await prepare({}, database);
  const eid = 'żółć-数据\\';
  expect(await next.commit(batchOf(again, stored('1', stateOf(eid))))).toEqual({ kind: 'stored' });
  expect(await askOne(session, 'select eid from records')).toBe(eid);
  for (const key of Object.keys(given))
    expect(await askOne(session, `show ${key}`)).not.toBe(given[key as keyof typeof given]);
});
