/** Schemas of others, and the least rights of who writes and who reads: docs/database.md, Roles. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { setUpSchema } from '../../../lib/store/postgres/migrate.js';
import { schemaOf } from '../../../lib/store/postgres/names.js';
import { PostgresStoreReader } from '../../../lib/store/postgres/reader.js';
import type { TestDatabase } from '../../../services/postgres.js';
import { freshDatabase } from '../../support/postgres.js';
import { observed, row, stateOf, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf } from './prepared.js';

const SETTINGS = { numProcesses: NUM_PROCESSES, delivery: 'effectively-once' } as const;
const SCHEMA = schemaOf(APP);

/** A role, and the database as it sees it. */
async function roleIn(database: TestDatabase, name: string): Promise<{ readonly role: string; readonly url: string }> {
  const role = `${name}_${randomBytes(6).toString('hex')}`;
  await database.query(`create role ${role}`);
  onTestFinished(async () => {
    await database.query(`drop owned by ${role} cascade`);
    await database.query(`drop role ${role}`);
  });
  const options = `options=${encodeURIComponent(`-c role=${role}`)}`;
  return { role, url: `${database.url}${database.url.includes('?') ? '&' : '?'}${options}` };
}

/** A schema with a function that fits a call of ours better than the server's own, and leaves a row of who ran it. */
const TRAP = (owner: string) => `create schema ${SCHEMA} authorization ${owner}; set role ${owner};
  create table ${SCHEMA}.caught (who text);
  create function ${SCHEMA}.hashtextextended(text, integer) returns bigint language plpgsql as
    $$ begin insert into ${SCHEMA}.caught values (current_user); return 1; end $$;
  grant all on schema ${SCHEMA} to public; grant all on ${SCHEMA}.caught to public; reset role`;

test('a schema that another role made is refused, and nothing in it runs', async () => {
  const database = await freshDatabase();
  const [enemy, victim] = [await roleIn(database, 'enemy'), await roleIn(database, 'victim')];
  await database.query(`grant create on database ${new URL(database.url).pathname.slice(1)} to ${victim.role}`);
  await database.query(TRAP(enemy.role));
  for (const url of [victim.url, database.url]) {
    await expect(sessionOf(url)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(
        new RegExp(
          `^schema ${SCHEMA} belongs to role ${enemy.role}, .*alter schema .*processing_core.store.schema_owner`,
        ),
      ),
    });
    const reader = new PostgresStoreReader({ url, app: APP });
    await expect(reader.start()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  }
  // Even where its owner is trusted, everybody else is not.
  const trusting = { schemaOwner: enemy.role };
  await expect(sessionOf(victim.url, trusting)).rejects.toMatchObject({
    message: expect.stringContaining(`revoke create on schema ${SCHEMA} from public`),
  });
  await database.query(
    `revoke create on schema ${SCHEMA} from public; grant create on schema ${SCHEMA} to ${victim.role}`,
  );
  expect(await setUpSchema(await sessionOf(victim.url, trusting), SETTINGS)).toMatchObject({ made: true });
  expect(await database.query(`select who from ${SCHEMA}.caught`)).toEqual([]);
});

test('a schema of a role that one is a member of, and one of the owner of the database, are used', async () => {
  const database = await freshDatabase();
  const [owner, member] = [await roleIn(database, 'owner'), await roleIn(database, 'member')];
  await database.query(`create schema ${SCHEMA} authorization ${owner.role}`);
  await expect(sessionOf(member.url)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await database.query(`grant ${owner.role} to ${member.role}`);
  expect(await setUpSchema(await sessionOf(member.url), SETTINGS)).toMatchObject({ made: true });
  await database.query(`revoke ${owner.role} from ${member.role}; alter schema ${SCHEMA} owner to current_user`);
  expect((await sessionOf(member.url)).schema).toBe(SCHEMA);
});

test('no temporary table stands in for one of the store', async () => {
  const { session } = await prepare();
  await session.query('create temp table settings (num_processes integer, delivery text)');
  expect(await askOne(session, 'select num_processes from settings')).toBe(String(NUM_PROCESSES));
});

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The statements of docs/database.md that make a role, for this role and schema. */
function granted(name: string, role: string): string {
  const text = readFileSync(new URL('../../../docs/database.md', import.meta.url), 'utf8');
  const [, block = ''] = new RegExp(`create role ${name} login;\\n([^]*?)\`\`\``).exec(text) ?? [];
  expect(block).not.toBe('');
  return block.replaceAll('dp3_honeypot', SCHEMA).replaceAll(name, role);
}

test('the rights in the documentation are enough to work, and to read, and for no more', async () => {
  const database = await freshDatabase();
  const worker = await roleIn(database, 'worker');
  await database.query(granted('worker', worker.role));
  const { commit, store } = await prepare({}, { ...database, url: worker.url });
  const rows = [row('a', 1), row('a', 2)];
  expect(await commit(stored('1', observed(stateOf('e'), rows), { history: rows }))).toEqual({ kind: 'stored' });
  await store.purge();

  const analyst = await roleIn(database, 'analyst');
  await database.query(granted('analyst', analyst.role));
  const reader = new PostgresStoreReader({ url: analyst.url, app: APP, schemaOwner: worker.role });
  onTestFinished(() => reader.stop());
  await reader.start();
  expect((await reader.list('ip', { limit: 10 })).map(({ eid }) => eid)).toEqual(['e']);
  expect(await reader.get('ip', 'e')).toMatchObject({ state: { eid: 'e' } });
  expect(await reader.get('ip', 'nobody')).toMatchObject({ state: null });
  expect(await listOf(reader.history('ip', 'e', {}))).toHaveLength(2);
  expect(await listOf(reader.quarantined())).toEqual([]);
  expect(await reader.quarantinedMessage(0, 'none')).toBe(null);
  expect(await reader.counts()).toEqual({ records: 1, quarantined: 0 });
  const session = await sessionOf(analyst.url, { schemaOwner: worker.role });
  for (const text of ['delete from records', 'update owners set epoch = 9', `create table ${SCHEMA}.own ()`]) {
    await expect(session.query(text)).rejects.toMatchObject({ code: '42501' });
  }
});
