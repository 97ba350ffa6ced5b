/**
 * Migration: brings the tables of an application to what this version of the program needs, and holds the settings they were made for.
 *
 * Tables that are not there yet are made by whoever starts. Those of an older version are brought up by `setup` alone, so that a person
 * decides when. It happens in one transaction, whole or not at all; several who begin at once wait for each other at a lock of the server.
 * Workers may run meanwhile that know the tables as they will be (schema-version.ts): their commits wait. Others must be stopped. A
 * worker that begins to own an index meanwhile waits for the lock on `owners`, and then finds what it cannot use (owner.ts).
 */
import { DatabaseError } from 'pg';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { startError } from './failures.js';
import { MIGRATIONS, type Migration } from './migrations/migrations.js';
import { quoteName, quoteText } from './names.js';
import { ensurePartitions } from './partitions.js';
import { refuseMissingRights } from './rights.js';
import { refuseContracted, refuseOutdated, schemaVersion } from './schema-version.js';
import { type Query, Session, type SessionOptions } from './session.js';

/** What a store is made for; fixed when it is made. */
export interface StoreSettings {
  readonly numProcesses: number;
  /** `processing_core.delivery`. */
  readonly delivery: string;
}

/** Ranges of row addresses, by which old rows are found, came with it. */
const LEAST_SERVER = 14;

/**
 * A migration that waits for a lock holds up whoever comes after it, commits too: so it gives up soon and tries again. Less than the
 * second after which the server looks for deadlocks: then it is the migration that gives way.
 */
const LOCK_TIMEOUT_MS = 500;
const LOCK_TRIES = 30;
const LOCK_PAUSE_MS = 1_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Which indexes are owned at this moment by a program that does not know a migration, and for how many seconds at least: their owners
 * hold a lock or a lease (owner.ts). One that is cut off has lost the lock and comes back; who shuts down gracefully ends the lease, too. Tables
 * of 0.1.0 do not tell what an owner knows.
 */
const OWNED = `select index, greatest(0, ceil(extract(epoch from leased - now()))) from owners
  where coalesce((to_jsonb(owners) ->> 'knows')::integer, 1) < $1
    and (leased > now() or index in (select objid from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass
      and database = (select oid from pg_database where datname = current_database())))
  order by index`;

/** Where an application has its tables. */
type DatabasePlace = Pick<SessionOptions, 'url' | 'app' | 'schemaOwner'>;

/** What a set-up has found and left: whether it has made the tables, and their versions. */
export interface SetUpSchema {
  readonly made: boolean;
  readonly before: number;
  readonly now: number;
}

/** Makes the tables of an application, or brings them up, in a connection of its own. Throws as `setUpSchema` and a connection do. */
export async function setUpDatabase(
  place: DatabasePlace,
  settings: StoreSettings,
): Promise<SetUpSchema & { readonly schema: string }> {
  const session = new Session({ ...place, purpose: 'setup', refusesPooling: true });
  try {
    await session.start();
    return { ...(await setUpSchema(session, settings)), schema: session.schema };
  } finally {
    await session.stop();
  }
}

/** Looks at the database of an application and changes nothing. Throws what a start would throw over it. */
export async function inspectDatabase(place: DatabasePlace): Promise<void> {
  const session = new Session({ ...place, purpose: 'check' });
  try {
    await session.start();
    await inspectServer(session);
  } finally {
    await session.stop();
  }
}

/**
 * Makes the tables, or brings them up. @throws ApplicationError STORE_MISMATCH for other settings, for tables that need a newer program,
 * or while workers run that would not know them; STORE_UNAVAILABLE while somebody else holds them
 */
export async function setUpSchema(
  session: Session,
  settings: StoreSettings,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<SetUpSchema> {
  return ready(session, settings, () => bringUp(session, settings, migrations));
}

/** Makes the tables where there are none. @throws ApplicationError STORE_MISMATCH for tables that are older, too, and STORE_UNAVAILABLE */
export async function openSchema(
  session: Session,
  settings: StoreSettings,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  await ready(session, settings, async () => {
    const version = await schemaVersion(session.query);
    if (version.number === 0) return bringUp(session, settings, migrations);
    refuseOutdated(session.schema, version, migrations.at(-1)?.number);
    refuseContracted(session.schema, version, migrations.at(-1)?.number);
  });
}

/** Changes nothing. @throws ApplicationError as a start would, over the server, the database and the rights of its user */
async function inspectServer(session: Session): Promise<void> {
  try {
    await refuseServer(session.query);
    await refuseMissingRights(session.query, session.schema);
  } catch (error) {
    throw startError(error);
  }
}

async function ready<T>(session: Session, settings: StoreSettings, tables: () => Promise<T>): Promise<T> {
  try {
    await inspectServer(session);
    const result = await tables();
    await compare(session.query, session.schema, settings);
    await ensurePartitions(session);
    return result;
  } catch (error) {
    throw startError(error);
  }
}

/**
 * Older servers have not all statements that upkeep needs. A database of another encoding cannot hold what a message may hold: neither the
 * task, nor a note of it in quarantine. @throws ApplicationError STORE_MISMATCH
 */
export async function refuseServer(query: Query): Promise<void> {
  const [row] = await query(
    `select current_setting('server_version_num')::int / 10000, current_setting('server_version'),
       current_setting('server_encoding'), current_database()`,
  );
  const [version, name, encoding, database] = row ?? [];
  if (Number(version) < LEAST_SERVER) {
    throw mismatch(`the server is PostgreSQL ${name}; version ${LEAST_SERVER} or newer is needed`);
  }
  if (encoding === 'UTF8') return;
  throw mismatch(
    `database ${database} has the encoding ${encoding}; UTF8 is needed: make another one ` +
      `(createdb --encoding=UTF8 --template=template0 NAME) and name it in processing_core.store.url`,
  );
}

async function bringUp(
  session: Session,
  settings: StoreSettings,
  migrations: readonly Migration[],
): Promise<SetUpSchema> {
  for (let tried = 1; ; tried++) {
    try {
      return await session.transaction((query) => migrate(query, session.schema, settings, migrations));
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
      if (tried === LOCK_TRIES) {
        const sentence = `the tables of schema ${session.schema} are held by another program (see pg_stat_activity): run setup again once it has ended`;
        throw new ApplicationError('STORE_UNAVAILABLE', sentence, { cause: error });
      }
    }
    await new Promise<void>((resolve) => systemClock.after(LOCK_PAUSE_MS, resolve, true));
  }
}

async function migrate(
  query: Query,
  schema: string,
  { numProcesses, delivery }: StoreSettings,
  migrations: readonly Migration[],
): Promise<SetUpSchema> {
  const newest = migrations.at(-1)?.number ?? 0;
  await query('select pg_advisory_xact_lock(hashtextextended($1::text, 0::bigint))', [`dp3-cluster ${schema}`]);
  await query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const [there] = await query('select to_regnamespace($1) is not null', [quoteName(schema)]);
  if (there?.[0] !== 't') await query(`create schema ${quoteName(schema)}`);
  const version = await schemaVersion(query);
  refuseContracted(schema, version, newest);
  const before = version.number;
  const missing = migrations.filter(({ number }) => number > before);
  if (before === 0) await query(MIGRATIONS_TABLE);
  else if (missing.length > 0) await refuseWhileOwned(query, schema, before, missing);
  for (const { number, name, release, compatibleSince, sql } of missing) {
    await query(sql);
    await query('insert into migrations (number, name, release, compatible_since) values ($1, $2, $3, $4)', [
      number,
      name,
      release,
      compatibleSince,
    ]);
  }
  if (before === 0) {
    await query('insert into settings (num_processes, delivery) values ($1, $2)', [numProcesses, delivery]);
  }
  return { made: before === 0, before, now: Math.max(before, newest) };
}

const MIGRATIONS_TABLE = `create table if not exists migrations (
  number integer primary key, name text not null, applied timestamptz not null default now(),
  release text not null, compatible_since integer not null)`;

/** Nobody can begin to own an index from here on; whoever owns one must know the tables as they will be. */
async function refuseWhileOwned(
  query: Query,
  schema: string,
  before: number,
  missing: readonly Migration[],
): Promise<void> {
  await query('lock table owners in access exclusive mode');
  const needed = Math.max(...missing.map(({ compatibleSince }) => compatibleSince));
  const owned = await query(OWNED, [needed]);
  if (owned.length === 0) return;
  const indexes = owned.map(([index]) => index).join(', ');
  const seconds = Math.max(...owned.map(([, lease]) => Number(lease)));
  const killed = seconds > 0 ? ` (one that was killed counts for ${seconds} s more)` : '';
  const how = `stop those on every host${killed}, then run dp3-cluster setup again`;
  const newest = missing.at(-1)?.number;
  throw mismatch(
    `schema ${schema} has version ${before} and must be brought to ${newest}, but workers of a version that cannot use it then run (index ${indexes}): ${how}`,
  );
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

/**
 * The prefetch of quorum queues never becomes smaller: a successor with a smaller one than its predecessor, which was killed, gets what
 * that left behind out of order (measured). Throws STORE_MISMATCH for a smaller one.
 */
export async function holdPrefetch(query: Query, schema: string, prefetch: number): Promise<void> {
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
