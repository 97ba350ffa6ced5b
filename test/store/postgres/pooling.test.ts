/** A real PgBouncer in front of the database: with which pooling the program works, and what it says of every other. */
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { setUpDatabase } from '../../../lib/store/postgres/migrate.js';
import { PostgresStoreReader } from '../../../lib/store/postgres/reader.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { startPgBouncer } from '../../../services/pgbouncer.js';
import { freshDatabase } from '../../support/postgres.js';
import { plainState, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf } from './prepared.js';

const SETTINGS = {
  app: APP,
  numProcesses: NUM_PROCESSES,
  delivery: 'effectively-once',
  inboxRetentionMs: 60_000,
} as const;

async function pooled(settings: Readonly<Record<string, string | number>>) {
  const database = await freshDatabase();
  const pooler = await startPgBouncer(database.url, settings);
  onTestFinished(() => pooler.stop());
  return { database, url: pooler.url };
}

const SHARING: readonly Readonly<Record<string, string | number>>[] = [
  { pool_mode: 'transaction' },
  { pool_mode: 'statement' },
  { pool_mode: 'transaction', default_pool_size: 1 },
  { pool_mode: 'transaction', min_pool_size: 5, server_round_robin: 1 },
];

test.each(SHARING)(
  'refuses a pooler that lends its connections, and leaves no setting in them: %o',
  async (settings) => {
    const { database, url } = await pooled(settings);
    const refused = expect.objectContaining({
      code: 'STORE_MISMATCH',
      message: expect.stringMatching(
        /^PostgreSQL at 127\.0\.0\.1:\d+ .*pool_mode = session .*processing_core\.store\.url$/,
      ),
    });
    const store = new PostgresStore({ url, ...SETTINGS, redeliveryHorizon: async () => null });
    onTestFinished(() => store.stop());
    await expect(store.start()).rejects.toEqual(refused);
    await expect(setUpDatabase({ url, app: APP }, SETTINGS)).rejects.toEqual(refused);
    const reader = new PostgresStoreReader({ url, app: APP });
    onTestFinished(() => reader.stop());
    await expect(reader.start()).rejects.toEqual(refused);
    expect(await database.query('select from pg_namespace where nspname like $1', ['dp3%'])).toEqual([]);
    const other = await sessionOf(database.url);
    expect(
      await askOne(
        other,
        `select count(*) from pg_stat_activity
         where datname = current_database() and query like '%set_config%' and pid <> pg_backend_pid()`,
      ),
    ).toBe('0');
  },
);

test('refuses it also while many others use it', async () => {
  const { url } = await pooled({ pool_mode: 'transaction', default_pool_size: 5 });
  let over = false;
  const others = Array.from({ length: 12 }, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while (!over) await client.query('select pg_sleep(0.001 * random())');
    await client.end();
  });
  await expect(setUpDatabase({ url, app: APP }, SETTINGS)).rejects.toMatchObject({ code: 'STORE_MISMATCH' });
  over = true;
  await Promise.all(others);
});

test.each([{ default_pool_size: 20 }, { default_pool_size: 3, query_wait_timeout: 30 }])(
  'works with session pooling, which gives each connection one of its own: %o',
  async (settings) => {
    const { database, url } = await pooled({ pool_mode: 'session', ...settings });
    const { store, commit } = await prepare({}, { ...database, url });
    expect(await commit(stored('1', plainState('a', 1)))).toEqual({ kind: 'stored' });
    expect(await store.load([['ip', 'a']])).toMatchObject([{ state: { plain: expect.anything() } }]);
  },
);

test('works where a pool has no connection left to be compared with, and a worker is told so', async () => {
  const { database, url } = await pooled({ pool_mode: 'session', default_pool_size: 1 });
  expect(await setUpDatabase({ url, app: APP }, SETTINGS)).toMatchObject({ made: true });
  expect(await database.query('select from pg_namespace where nspname like $1', ['dp3%'])).toHaveLength(1);
  const store = new PostgresStore({ url, ...SETTINGS, redeliveryHorizon: async () => null });
  const unknown = new Promise((resolve) => {
    store.listen({ lost: () => {}, trouble: () => {}, poolingUnknown: resolve });
  });
  // It needs more connections than there are: the start ends with the store.
  const starting = store.start().catch(() => {});
  expect(await unknown).toBe('a second connection was not served within 2000 ms');
  await store.stop();
  await starting;
});

test('says nothing of poolers where each connection is one of its own', async () => {
  const { url } = await freshDatabase();
  const told: string[] = [];
  await sessionOf(url, { refusesPooling: true, poolingUnknown: (why) => told.push(why) });
  expect(told).toEqual([]);
});
