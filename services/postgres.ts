/**
 * PostgreSQL for tests, benchmarks and the demo. A server that is there is used (DATABASE_URL, the PG* variables, the usual port or
 * socket) if it lets us make databases of our own; nothing else in it is touched. Otherwise a private cluster is made (postgres-cluster.ts).
 * Refused: a container (not every machine can run one), and switching fsync off for speed (what is measured and tested is durable).
 */
import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import pg from 'pg';
import { type ClusterOptions, PrivateCluster } from './postgres-cluster.js';

/** The oldest version that has all that the store uses. */
const LEAST_VERSION = 14;
const CONNECT_MS = 2_000;
const SOCKETS = ['/var/run/postgresql', '/tmp'];

export type Row = Readonly<Record<string, unknown>>;

/** A database of our own, empty when it is made. */
export interface TestDatabase {
  readonly url: string;
  query(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Ends all connections to it and removes it. */
  drop(): Promise<void>;
}

export interface PostgresService {
  /** The server, by a database that is there: for whoever makes databases of its own (`postgresAt`). */
  readonly url: string;
  /** What its name begins with tells whose it is. */
  database(prefix?: string): Promise<TestDatabase>;
  /** Ends a private cluster and removes its folder; a server that was there goes on. */
  stop(): Promise<void>;
}

/** A cluster of our own, that can be ended and started again at the same address. */
export interface PrivatePostgres extends PostgresService {
  readonly folder: string;
  /** Of the server process; null while it is halted. */
  readonly pid: number | null;
  /** `immediate` is a crash: nothing is written any more, and the next start recovers from the log. */
  halt(how: 'fast' | 'immediate'): Promise<void>;
  resume(): Promise<void>;
  restart(how: 'fast' | 'immediate'): Promise<void>;
}

/** A server that is there and usable, otherwise a private cluster. */
export async function postgresService(environment: NodeJS.ProcessEnv = process.env): Promise<PostgresService> {
  for (const url of serversNamed(environment)) if (await isUsable(url)) return postgresAt(url);
  return startPrivatePostgres();
}

/** A server that another process has brought up, by its url. */
export function postgresAt(url: string): PostgresService {
  return { url, database: (prefix) => makeDatabase(url, prefix), stop: async () => {} };
}

/** Always a cluster of our own: for faults, and for settings of the server. */
export async function startPrivatePostgres(options: ClusterOptions = {}): Promise<PrivatePostgres> {
  const cluster = await PrivateCluster.make(options);
  const { url, folder } = cluster;
  return {
    url,
    folder,
    get pid() {
      return cluster.pid;
    },
    database: (prefix) => makeDatabase(url, prefix),
    halt: (how) => cluster.halt(how),
    resume: () => cluster.start(),
    async restart(how) {
      await cluster.halt(how);
      await cluster.start();
    },
    stop: () => cluster.remove(),
  };
}

function serversNamed({ DATABASE_URL, PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE }: NodeJS.ProcessEnv): string[] {
  if (DATABASE_URL !== undefined) return [DATABASE_URL.replace('@/', '@localhost/')];
  const user = encodeURIComponent(PGUSER ?? userInfo().username);
  const password = PGPASSWORD === undefined ? '' : `:${encodeURIComponent(PGPASSWORD)}`;
  const database = encodeURIComponent(PGDATABASE ?? 'postgres');
  const hosts = PGHOST === undefined ? ['localhost', ...SOCKETS] : [PGHOST];
  return hosts.map((host) => {
    const url = `postgres://${user}${password}@${host.startsWith('/') ? 'localhost' : host}:${PGPORT ?? 5432}/${database}`;
    return host.startsWith('/') ? `${url}?host=${encodeURIComponent(host)}` : url;
  });
}

/** Whether it answers, is new enough and lets us make databases. */
async function isUsable(url: string): Promise<boolean> {
  try {
    const [row] = await ask(
      url,
      `select current_setting('server_version_num')::int / 10000 as version, rolcreatedb or rolsuper as may
       from pg_roles where rolname = current_user`,
    );
    return row?.['may'] === true && Number(row['version']) >= LEAST_VERSION;
  } catch {
    return false;
  }
}

async function makeDatabase(server: string, prefix = 'dp3_test'): Promise<TestDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  await ask(server, `create database ${name} template template0 encoding 'UTF8'`);
  const address = new URL(server);
  address.pathname = `/${name}`;
  const url = address.href;
  return {
    url,
    query: (text, values) => ask(url, text, values),
    drop: async () => {
      await ask(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** One statement in a connection of its own. */
async function ask(url: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  // Without a listener a server that ends meanwhile would end this process; the query fails in any case.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end().catch(() => {});
  }
}
