/** The PostgreSQL store by the contract of stores, on a real server. */
import { afterAll, inject } from 'vitest';
import { PostgresStoreReader } from '../../../lib/store/postgres/reader.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import type { Store } from '../../../lib/store/store.js';
import { postgresAt, type TestDatabase } from '../../../services/postgres.js';
import { describeStore } from '../../contract/store.js';
import { NUM_PROCESSES, RETENTION_MS, SHORT_LIVED, type StoreBed } from '../../contract/store-bed.js';
import { manualClock } from '../../support/clock.js';

/** One database for all tests, a schema for each: making a database takes the server far longer. */
let database: TestDatabase | undefined;
let beds = 0;
afterAll(() => database?.drop());

describeStore('PostgreSQL', async (): Promise<StoreBed> => {
  database ??= await postgresAt(inject('postgres')).database();
  const { url, query } = database;
  const app = `contract-${beds++}`;
  const clock = manualClock(Date.now());
  const indexes = new Map<number, Store>();
  const closing: { stop(): Promise<void> }[] = [];
  return {
    async store(index) {
      // The successor is a process of its own.
      await indexes.get(index)?.stop();
      const store = new PostgresStore({
        url,
        app,
        numProcesses: NUM_PROCESSES,
        delivery: 'effectively-once',
        inboxRetentionMs: RETENTION_MS,
        histories: [SHORT_LIVED],
        redeliveryHorizon: async () => clock.monotonic(),
        clock,
      });
      await store.start();
      indexes.set(index, store);
      closing.push(store);
      return store;
    },
    async reader() {
      const reader = new PostgresStoreReader({ url, app });
      await reader.start();
      closing.push(reader);
      return reader;
    },
    async sent(index) {
      const rows = await query(`select id, priority, body from "dp3_${app}".outbox where destination = $1 order by n`, [
        index,
      ]);
      return rows.map(({ id, priority, body }) => ({ id, priority, body }) as Awaited<ReturnType<StoreBed['sent']>>[0]);
    },
    async pass(durationMs) {
      clock.pass(durationMs);
      // The server's clock does not pass: to it all that is stored becomes older.
      await query(`update "dp3_${app}".inbox set stored = stored - $1 * interval '1 ms'`, [durationMs]);
    },
    unstorable: 'before\0after',
    async close() {
      for (const each of closing.reverse()) await each.stop();
      await query(`drop schema "dp3_${app}" cascade`);
    },
  };
});
