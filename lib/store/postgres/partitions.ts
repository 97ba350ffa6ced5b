/**
 * Partitions of history and raw data-points: one for each week (Monday, UTC) in which something is stored. What is old goes by dropping
 * a table, which costs nothing. Weeks rather than days: a read of one entity's history looks into every partition.
 *
 * A partition is made beside its table and attached then, which locks nobody out (`create table ... partition of` waits for every
 * reader, and all writers behind it). There is none for everything else: it would have to be searched whenever a week is attached.
 */
import { DatabaseError } from 'pg';
import type { Clock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { Ownership } from '../store.js';
import { failureOf, sentenceOf } from './failures.js';
import { missingRights } from './rights.js';
import type { Session } from './session.js';

const PARTITIONED = ['history', 'raw'] as const;
export type Partitioned = (typeof PARTITIONED)[number];

/** Weeks that are there before they come. */
const AHEAD = 2;
const WEEK_MS = 7 * 86_400_000;
/** Dropping waits no longer for those who read: whoever writes waits behind it. */
const DROP_PATIENCE = '200ms';
const LOCK_NOT_AVAILABLE = '55P03';

export interface Partition {
  readonly name: string;
  /** The week in milliseconds since 1970, its end excluded. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Between two lines about the same trouble. */
const TELL_AGAIN_MS = 3_600_000;

/** Makes those of this week, by the server's clock, and of the next ones where they are missing. Any number of processes may do so at once. */
export async function ensurePartitions(session: Pick<Session, 'query'>): Promise<void> {
  const missing = await session.query(
    `select parent, to_char(monday, 'YYYY-MM-DD')
     from unnest($1::text[]) parent, generate_series(0, $2) n, date_trunc('week', now() at time zone 'UTC') this,
       lateral (select this + n * interval '7 days' monday) week
     where not exists (select from pg_inherits where inhparent = parent::regclass
       and inhrelid = to_regclass(parent || to_char(monday, '"_"YYYY_MM_DD')))
     order by n, parent`,
    [PARTITIONED, AHEAD],
  );
  for (const [table, monday] of missing) await makePartition(session, table as Partitioned, monday ?? '');
}

/** Makes the partition of the week that begins on a day, given as `2026-11-23`; it may be there already. @throws PartitionMissing */
export async function makePartition(
  session: Pick<Session, 'query'>,
  table: Partitioned,
  monday: string,
): Promise<void> {
  const fromMs = Date.parse(`${monday}T00:00:00Z`);
  const name = `${table}_${monday.replaceAll('-', '_')}`;
  try {
    await session.query(`do $$ begin
      lock table only ${table} in share update exclusive mode;
      if not exists (select from pg_inherits where inhparent = '${table}'::regclass and inhrelid = to_regclass('${name}')) then
        create table ${name} (like ${table} including defaults including constraints including indexes);
        alter table ${table} attach partition ${name} for values from ('${dayOf(fromMs)}') to ('${dayOf(fromMs + WEEK_MS)}');
      end if;
    end $$`);
  } catch (error) {
    if (!(error instanceof DatabaseError) || failureOf(error) === 'lost') throw error;
    throw new PartitionMissing(table, monday, error);
  }
}

/** The server refuses to make a partition: nothing can be stored in its week. */
export class PartitionMissing extends ApplicationError {
  constructor(table: Partitioned, monday: string, cause: DatabaseError) {
    const code = failureOf(cause) === 'passing' ? 'STORE_UNAVAILABLE' : 'STORE_FAILED';
    super(code, `the partition of ${table} for the week of ${monday} cannot be made: ${sentenceOf(cause)}`, { cause });
  }
}

/**
 * Sees to the partitions of a store, and tells when one cannot be made: at once, which is weeks before it is needed, and again every hour
 * until it is there.
 */
export class Partitions {
  private trouble: string | null = null;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly session: Pick<Session, 'query' | 'schema'>,
    private readonly clock: Clock,
    /** Why nothing can be stored one day, or already; null once that is over. */
    private readonly tell: (why: string | null) => void,
  ) {}

  /** @throws PartitionMissing, and what the connection throws */
  async ensure(): Promise<void> {
    try {
      await ensurePartitions(this.session);
    } catch (error) {
      if (error instanceof PartitionMissing) await this.failed(error);
      throw error;
    }
    if (this.trouble !== null) this.tell(null);
    this.trouble = null;
  }

  private async failed(error: PartitionMissing): Promise<void> {
    const rights = await missingRights(this.session.query, this.session.schema).catch(() => []);
    const remedies = rights.map(({ remedy }) => remedy);
    const how = remedies.length === 0 ? '' : `; have an administrator run: ${remedies.join('; ')}`;
    const why = `${error.message}, and commits of that week will wait${how}`;
    const now = this.clock.monotonic();
    if (why === this.trouble && now - this.toldAt < TELL_AGAIN_MS) return;
    this.trouble = why;
    this.toldAt = now;
    this.tell(why);
  }
}

/** The oldest first. */
export async function partitionsOf(session: Pick<Session, 'query'>, table: Partitioned): Promise<readonly Partition[]> {
  const rows = await session.query(
    `select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = $1::regclass order by relname collate "C"`,
    [table],
  );
  return rows.flatMap(([name]) => {
    const [, year, month, day] = /_(\d{4,})_(\d\d)_(\d\d)$/.exec(name ?? '') ?? [];
    if (name === null || name === undefined || year === undefined) return [];
    const fromMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
    return [{ name, fromMs, toMs: fromMs + WEEK_MS }];
  });
}

/**
 * Removes a partition with all its rows while the ownership holds (fence.ts); false when someone reads the table just now and it must be
 * tried again.
 */
export async function dropPartition(
  session: Pick<Session, 'query'>,
  { index, epoch }: Ownership,
  { name }: Partition,
): Promise<boolean> {
  try {
    await session.query(`do $$ begin
      perform set_config('lock_timeout', '${DROP_PATIENCE}', true);
      perform from owners where index = ${index} and epoch = ${epoch} for key share;
      if found then
        drop table if exists ${name};
      end if;
    end $$`);
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

function dayOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 10)} 00:00:00+00`;
}
