/**
 * A server that answers, but refuses for a while, under a stream of tasks through the real data path: no task is to blame. All of them
 * wait, none counts an attempt, no lane breaks, and afterwards the tables hold what a run without faults leaves, row by row.
 */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../../services/postgres.js';
import { freshDatabase } from '../../support/postgres.js';
import { SCHEMA, Stream } from '../../support/postgres-stream.js';

interface Bed {
  /** Seen by somebody who may do everything. */
  readonly database: TestDatabase;
  /** Whose the stream is, and who owns the database. */
  readonly role: string;
  readonly stream: Stream;
}

async function open(): Promise<Bed> {
  const role = `dp3_refused_${randomBytes(6).toString('hex')}`;
  const server = await freshDatabase();
  await server.query(`create role ${role} login password 'refused'`);
  // Once the database that it owns is gone: what is registered last ends first.
  onTestFinished(async () => void (await server.query(`drop role ${role}`)));
  const database = await freshDatabase();
  const url = new URL(database.url);
  await database.query(`alter database ${url.pathname.slice(1)} owner to ${role}`);
  url.username = role;
  url.password = 'refused';
  return { database, role, stream: await Stream.open({ ...database, url: url.href }) };
}

/** What refuses, what ends that, and what is told meanwhile. */
function refusalsOf({ role }: Bed): readonly (readonly [begins: string, ends: string, told: RegExp])[] {
  const connections = `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`;
  return [
    [
      `revoke all on ${SCHEMA}.records from ${role}`,
      `grant all on ${SCHEMA}.records to ${role}`,
      /\(42501\); missing is .* on table \S+\.records: .* run: grant /,
    ],
    [
      `revoke select on ${SCHEMA}.records from ${role}`,
      `grant select on ${SCHEMA}.records to ${role}`,
      /\(42501\); missing is select on table \S+\.records: /,
    ],
    [
      `revoke usage on schema ${SCHEMA} from ${role}`,
      `grant usage on schema ${SCHEMA} to ${role}`,
      /\(42P01\); missing is usage on schema \S+: .* run: grant usage /,
    ],
    [`alter table ${SCHEMA}.records rename to away`, `alter table ${SCHEMA}.away rename to records`, /\(42P01\)/],
    [`alter schema ${SCHEMA} rename to away`, `alter schema away rename to ${SCHEMA}`, /\(42P01\)/],
    [
      `alter table ${SCHEMA}.records rename column ttl to away`,
      `alter table ${SCHEMA}.records rename column away to ttl`,
      /\(42703\)/,
    ],
    [
      `alter role ${role} set default_transaction_read_only = on; ${connections}`,
      `alter role ${role} reset default_transaction_read_only; ${connections}`,
      /\(25006\)/,
    ],
  ];
}

async function goesOn(stream: Stream): Promise<void> {
  const before = stream.settled;
  await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(before + 50);
}

test('no task is to blame for what the server refuses, whatever that is', async () => {
  const bed = await open();
  const { database, stream } = bed;
  await stream.run();
  for (const [begins, ends, told] of refusalsOf(bed)) {
    await goesOn(stream);
    await database.query(begins);
    await expect.poll(() => stream.troubles.why, { timeout: 30_000, interval: 1 }).toMatch(told);
    await database.query(ends);
  }
  await goesOn(stream);
  await stream.end();
  expect([stream.restarts, stream.troubles.why]).toEqual([0, null]);
});

test('no task is to blame for statements that somebody cancels', async () => {
  const { database, role, stream } = await open();
  await stream.run();
  for (let cancelled = 0; cancelled < 10; ) {
    const rows = await database.query(
      `select pg_cancel_backend(pid) from pg_stat_activity where usename = '${role}' and state = 'active'`,
    );
    cancelled += rows.length;
  }
  await stream.end();
  expect(stream.restarts).toBe(0);
});
