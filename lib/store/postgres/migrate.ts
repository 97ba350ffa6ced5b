/**
 * Migration: brings the tables of an application to what this version of the program needs, and holds the settings they were made for.
 *
 * Whoever starts does it; those who start at once wait for each other at a lock of the server. It happens in one transaction, so that
 * it is done whole or not at all, and not while workers run: they would meet tables they do not know. A worker that begins to own an
 * index meanwhile waits for the lock on `owners`, and then finds a version that is not its own (owner.ts).
 */
import { ApplicationError } from '../../runtime/errors.js';
import { storeError } from './failures.js';
import { MIGRATIONS, type Migration } from './migrations/migrations.js';
import { quoteName, quoteText } from './names.js';
import { ensurePartitions } from './partitions.js';
import type { Query, Session } from './session.js';

/** What a store is made for; fixed when it is made. */
export interface StoreSettings {
  readonly numProcesses: number;
  /** `processing_core.delivery`. */
  readonly delivery: string;
  /**
   * `msg_broker.prefetch` where the queues are quorum queues: a successor with a smaller one than its predecessor, which was killed,
   * gets what that left behind out of order (measured).
   */
  readonly prefetch?: number | null;
}

/** The version of the tables that this program works with. */
export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.number ?? 0;

/** Ranges of row addresses, by which old rows are found, came with it. */
const LEAST_SERVER = 14;

/**
 * Which indexes are owned at this moment, and for how many seconds at least: their owners hold a lock or a lease (owner.ts). One that is
 * cut off has lost the lock and comes back; who stops in order ends the lease, too.
 */
const OWNED = `select index, greatest(0, ceil(extract(epoch from leased - now()))) from owners
  where leased > now() or index in (select objid from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass
    and database = (select oid from pg_database where datname = current_database()))
  order by index`;

/** @throws ApplicationError STORE_MISMATCH for other settings, a newer program's tables, or workers that run on older ones */
export async function migrate(
  session: Session,
  settings: StoreSettings,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<{ readonly made: boolean }> {
  try {
    await refuseOldServer(session.query);
    const made = await session.transaction(async (query) => {
      if ((await versionOf(query)) === migrations.at(-1)?.number) return false;
      await query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`dp3-cluster ${session.schema}`]);
      return bringUp(query, session.schema, settings, migrations);
    });
    await compare(session.query, session.schema, settings);
    await holdPrefetch(session.query, session.schema, settings.prefetch ?? null);
    await ensurePartitions(session);
    return { made };
  } catch (error) {
    throw storeError(error);
  }
}

/** Older servers have not all statements that upkeep needs. @throws ApplicationError STORE_MISMATCH */
export async function refuseOldServer(query: Query): Promise<void> {
  const [row] = await query(
    `select current_setting('server_version_num')::int / 10000, current_setting('server_version')`,
  );
  if (Number(row?.[0]) >= LEAST_SERVER) return;
  throw mismatch(`the server is PostgreSQL ${row?.[1]}; version ${LEAST_SERVER} or newer is needed`);
}

/** For those who only read. @throws ApplicationError STORE_FAILED where there is no store yet, STORE_MISMATCH for another version */
export async function checkSchema({ query, schema }: Session): Promise<void> {
  let version: number;
  try {
    version = await versionOf(query);
  } catch (error) {
    throw storeError(error);
  }
  if (version === 0) throw new ApplicationError('STORE_FAILED', `there is no data in schema ${schema} yet`);
  if (version === SCHEMA_VERSION) return;
  const how =
    version > SCHEMA_VERSION
      ? 'use the version of the program that made it'
      : 'start the program, which brings it up to date';
  throw mismatch(`schema ${schema} has version ${version}, this program reads version ${SCHEMA_VERSION}: ${how}`);
}

/** True where there was nothing before. */
async function bringUp(
  query: Query,
  schema: string,
  { numProcesses, delivery }: StoreSettings,
  migrations: readonly Migration[],
): Promise<boolean> {
  const newest = migrations.at(-1)?.number ?? 0;
  const [there] = await query('select to_regnamespace($1) is not null', [quoteName(schema)]);
  if (there?.[0] !== 't') await query(`create schema ${quoteName(schema)}`);
  const version = await versionOf(query);
  if (version > newest) {
    const how = 'use the version of the program that made it';
    throw mismatch(`schema ${schema} has version ${version}, this program knows versions up to ${newest}: ${how}`);
  }
  if (version === 0) {
    await query(
      'create table if not exists migrations (number integer primary key, name text not null, applied timestamptz not null default now())',
    );
  } else if (version < newest) await refuseWhileOwned(query, schema, version, newest);
  for (const { number, name, sql } of migrations) {
    if (number <= version) continue;
    await query(sql);
    await query('insert into migrations (number, name) values ($1, $2)', [number, name]);
  }
  if (version === 0)
    await query('insert into settings (num_processes, delivery) values ($1, $2)', [numProcesses, delivery]);
  return version === 0;
}

async function refuseWhileOwned(query: Query, schema: string, version: number, newest: number): Promise<void> {
  await query('lock table owners in access exclusive mode');
  const owned = await query(OWNED);
  if (owned.length === 0) return;
  const indexes = owned.map(([index]) => index).join(', ');
  const seconds = Math.max(...owned.map(([, lease]) => Number(lease)));
  const killed = seconds > 0 ? ` (one that was killed counts for ${seconds} s more)` : '';
  const how = `stop the program on every host${killed}, then start it again`;
  throw mismatch(
    `schema ${schema} has version ${version} and must be brought to ${newest}, but workers run (index ${indexes}): ${how}`,
  );
}

/** The last migration that was applied, 0 where there was none. */
async function versionOf(query: Query): Promise<number> {
  const [there] = await query("select to_regclass('migrations') is not null");
  if (there?.[0] !== 't') return 0;
  const [row] = await query('select coalesce(max(number), 0) from migrations');
  return Number(row?.[0]);
}

async function compare(query: Query, schema: string, given: StoreSettings): Promise<void> {
  const [row] = await query('select num_processes, delivery from settings');
  const made = { num_processes: row?.[0], delivery: row?.[1] };
  const configured = { num_processes: String(given.numProcesses), delivery: given.delivery };
  for (const key of ['num_processes', 'delivery'] as const) {
    if (made[key] === configured[key]) continue;
    const call = `select ${quoteName(schema)}.reconfigure(${given.numProcesses}, ${quoteText(given.delivery)})`;
    throw mismatch(
      `schema ${schema} was made with ${key} ${made[key]}, configured is ${configured[key]}: set ${key} to ${made[key]}, ` +
        `or stop the program on every host once its queues are empty and run: ${call}`,
    );
  }
}

/** The largest one counts: whoever had it may have been killed. */
async function holdPrefetch(query: Query, schema: string, prefetch: number | null): Promise<void> {
  if (prefetch === null) return;
  const [row] = await query('update settings set prefetch = greatest(prefetch, $1) returning prefetch', [prefetch]);
  const largest = Number(row?.[0]);
  if (largest <= prefetch) return;
  throw mismatch(
    `the quorum queues were consumed with a prefetch of ${largest}, configured is ${prefetch}, and what a killed worker left would come ` +
      `out of order: set msg_broker.prefetch to ${largest} or more, or once all queues are empty and no program runs: ` +
      `update ${quoteName(schema)}.settings set prefetch = ${prefetch}`,
  );
}

function mismatch(sentence: string): ApplicationError {
  return new ApplicationError('STORE_MISMATCH', sentence);
}
