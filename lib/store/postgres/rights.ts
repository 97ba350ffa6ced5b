/**
 * Rights: what the role of the program needs over time, asked before anything depends on it. A role that can write today and cannot make
 * the tables of the weeks to come would stop weeks later, when nobody remembers that it was changed.
 */
import { Deadline } from '../../runtime/deadline.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { Query, Session } from './session.js';

/** By table; those that a newer or older version of the program has are not asked for. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  migrations: ['select'],
  settings: ['select', 'update'],
  owners: ['select', 'insert', 'update'],
  records: ['select', 'insert', 'update', 'delete'],
  graves: ['select', 'insert', 'update', 'delete'],
  history: ['select', 'insert', 'delete'],
  raw: ['select', 'insert'],
  inbox: ['select', 'insert', 'delete'],
  streams: ['select', 'insert', 'update', 'delete'],
  outbox: ['select', 'insert', 'delete'],
  quarantine: ['select', 'insert', 'update', 'delete'],
};

/** What is missing, and the statement that gives it. */
export interface MissingRight {
  readonly right: string;
  readonly remedy: string;
}

/**
 * Only the owner of a table may attach partitions to it and drop them. The server quotes the names: what it answers may be run as it is.
 * The schema is looked up in its table: to_regnamespace would remember in this session that there is none.
 */
const MISSING = `with me as (select quote_ident(current_user) as role, quote_ident(current_database()) as base,
    (select oid from pg_namespace where nspname = $1)::regnamespace as schema),
  tables as (select c.oid, c.relname, c.relowner, c.relkind, c.relispartition
    from pg_class c, me where c.relnamespace = me.schema and c.relkind in ('r', 'p')),
  needed as (select * from unnest($2::text[], $3::text[]) as needed (relname, privilege))
select 'create on database ' || base, format('grant create on database %s to %s', base, role)
  from me where schema is null and not has_database_privilege(current_database(), 'create')
union all
select format('%s on schema %s', privilege, schema), format('grant %s on schema %s to %s', privilege, schema, role)
  from me, unnest(array['usage', 'create']) privilege
  where schema is not null and not has_schema_privilege(schema::oid, privilege)
union all
select format('%s on table %s.%I', string_agg(privilege, ', ' order by privilege), schema, relname),
    format('grant %s on %s.%I to %s', string_agg(privilege, ', ' order by privilege), schema, relname, role)
  from me, tables join needed using (relname)
  where not has_table_privilege(tables.oid, privilege) group by schema, relname, role
union all
select format('membership of role %I, which owns the partitioned tables %s', rolname,
      string_agg(relname, ', ' order by relname) filter (where relkind = 'p' or not relispartition)),
    format('grant %I to %s', rolname, role)
  from me, tables join pg_roles on pg_roles.oid = relowner
  where (relkind = 'p' or relispartition) and not pg_has_role(relowner, 'usage') group by rolname, role`;

export async function missingRights(query: Query, schema: string): Promise<readonly MissingRight[]> {
  const needed = Object.entries(NEEDED).flatMap(([table, privileges]) =>
    privileges.map((privilege) => [table, privilege] as const),
  );
  const columns = [0, 1].map((column) => needed.map((each) => each[column]));
  const rows = await query(MISSING, [schema, ...columns]);
  return rows.map(([right, remedy]) => ({ right: right ?? '', remedy: remedy ?? '' }));
}

/** Whoever waits for it has been told the most important part already. */
const PATIENCE_MS = 2_000;

/** For the end of what the server has said: the rights that are missing and how they are given; empty where none is, or nobody knows. */
export async function remedyFor({ query, schema }: Pick<Session, 'query' | 'schema'>): Promise<string> {
  let missing: readonly MissingRight[] = [];
  const asking = missingRights(query, schema).then((found) => {
    missing = found;
  });
  await Deadline.in(PATIENCE_MS).allows(asking.catch(() => {}));
  if (missing.length === 0) return '';
  const rights = missing.map(({ right }) => right).join('; ');
  return `; missing is ${rights}: have an administrator run: ${missing.map(({ remedy }) => remedy).join('; ')}`;
}

/** @throws ApplicationError STORE_FAILED that names every right and how it is given */
export async function refuseMissingRights(query: Query, schema: string): Promise<void> {
  const missing = await missingRights(query, schema);
  if (missing.length === 0) return;
  const [me] = await query('select current_user, current_database()');
  const rights = missing.map(({ right }) => right).join('; ');
  const remedies = missing.map(({ remedy }) => remedy).join('; ');
  throw new ApplicationError(
    'STORE_FAILED',
    `user ${me?.[0]} has not all rights in database ${me?.[1]} that the program needs over time: ${rights}. ` +
      `Have an administrator run: ${remedies}`,
  );
}
