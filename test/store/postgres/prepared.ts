/** A store of its own for each test, whose index 0 is owned, and a session beside it that sees its tables. */
import { onTestFinished } from 'vitest';
import { Session } from '../../../lib/store/postgres/session.js';
import { PostgresStore, type PostgresStoreOptions } from '../../../lib/store/postgres/store.js';
import type { BatchEntry, CommitOutcome, Ownership } from '../../../lib/store/store.js';
import type { TestDatabase } from '../../../services/postgres.js';
import { type ManualClock, manualClock } from '../../support/clock.js';
import { freshDatabase } from '../../support/postgres.js';
import { batchOf } from '../../support/results.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

export const APP = 'prepared';
export const NUM_PROCESSES = 2;

export interface Prepared {
  readonly url: string;
  readonly database: TestDatabase;
  readonly clock: ManualClock;
  readonly store: PostgresStore;
  /** Of the index that is owned. */
  readonly ownership: Ownership;
  /** Asks as the application would; its schema is searched. */
  readonly session: Session;
  commit(...entries: BatchEntry[]): Promise<CommitOutcome>;
  /** Time passes; as the server's clock does not, ids and waiting tasks become older instead. */
  pass(ms: number): Promise<void>;
}

export async function prepare(
  given: Partial<PostgresStoreOptions> & { readonly index?: number } = {},
  database?: TestDatabase,
): Promise<Prepared> {
  const used = database ?? (await freshDatabase());
  const { url } = used;
  const clock = manualClock(Date.now());
  const { index = 0, ...options } = given;
  const store = new PostgresStore({
    url,
    app: APP,
    numProcesses: NUM_PROCESSES,
    delivery: 'effectively-once',
    inboxRetentionMs: 60_000,
    redeliveryHorizon: async () => clock.monotonic(),
    clock,
    ...options,
  });
  onTestFinished(() => store.stop());
  await store.start();
  const ownership = await store.own(index);
  const session = await sessionOf(url);
  return {
    url,
    database: used,
    clock,
    store,
    ownership,
    session,
    commit: (...entries) => store.commit(batchOf(ownership, ...entries)),
    async pass(ms) {
      clock.pass(ms);
      for (const table of ['inbox', 'outbox']) {
        await session.query(`update ${table} set stored = stored - $1 * interval '1 ms'`, [ms]);
      }
    },
  };
}

/** A store of another process, which owns nothing yet. */
export async function standby(
  url: string,
  options: Pick<PostgresStoreOptions, 'leaseMs' | 'clock'> = {},
): Promise<PostgresStore> {
  const store = new PostgresStore({
    url,
    app: APP,
    numProcesses: NUM_PROCESSES,
    delivery: 'effectively-once',
    inboxRetentionMs: 1,
    redeliveryHorizon: async () => null,
    ...options,
  });
  onTestFinished(() => store.stop());
  await store.start();
  return store;
}

/** The same database, seen through a proxy that can cut its connections. */
export async function throughProxy(database: TestDatabase): Promise<{ proxy: TcpProxy; seen: TestDatabase }> {
  const target = new URL(database.url);
  const proxy = await TcpProxy.to({ host: target.hostname, port: Number(target.port) });
  target.host = `127.0.0.1:${proxy.port}`;
  return { proxy, seen: { ...database, url: target.href } };
}

export async function sessionOf(
  url: string,
  given: Partial<ConstructorParameters<typeof Session>[0]> = {},
): Promise<Session> {
  const session = new Session({ url, app: APP, purpose: 'test', ...given });
  onTestFinished(() => session.stop());
  await session.start();
  return session;
}

/** The only value of the only row, as text. */
export async function askOne(
  session: Pick<Session, 'query'>,
  text: string,
  values: readonly unknown[] = [],
): Promise<string | null> {
  const [row] = await session.query(text, values);
  return row?.[0] ?? null;
}
