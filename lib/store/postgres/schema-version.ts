/**
 * Version of the tables: the number of the last migration, and which programs may use them. A program uses tables that are newer than
 * itself as long as they have all that it needs; that is what lets hosts be rolled one by one.
 */
import { ApplicationError } from '../../runtime/errors.js';
import { versionOfPackage } from '../../runtime/package-version.js';
import { NoDataYet } from '../store.js';
import { explained, startError } from './failures.js';
import { MIGRATIONS } from './migrations/migrations.js';
import type { Query, Session } from './session.js';

/** The newest migration that this program knows. */
export const KNOWN_VERSION = MIGRATIONS.at(-1)?.number ?? 0;

/** The tables as they stand in a database. */
export interface SchemaVersion {
  /** Of the last migration; 0 where there are no tables. */
  readonly number: number;
  /** The oldest migration that a program must know to use them. */
  readonly compatibleSince: number;
  /** The version of the program that brought that one. */
  readonly release: string;
}

/** True of tables that a program may use which knows migrations up to `$known`, and needs all of these. */
export const usableBy = (known: string) =>
  `(select max(number) >= ${known} and max(compatible_since) <= ${known} from migrations)`;

export async function schemaVersion(query: Query): Promise<SchemaVersion> {
  const [there] = await query("select to_regclass('migrations') is not null");
  if (there?.[0] !== 't') return { number: 0, compatibleSince: 0, release: '' };
  // Tables of 0.1.0 do not tell the rest yet.
  const rows = await query(
    `select number, to_jsonb(m) ->> 'compatible_since', to_jsonb(m) ->> 'release' from migrations as m`,
  );
  const all = rows.map(([number, since, release]) => ({ number: Number(number), since: Number(since ?? 1), release }));
  const compatibleSince = Math.max(0, ...all.map(({ since }) => since));
  const release = all.find(({ number }) => number === compatibleSince)?.release ?? '0.1.0';
  return { number: Math.max(0, ...all.map(({ number }) => number)), compatibleSince, release };
}

/** @throws ApplicationError STORE_MISMATCH where the tables lack by now what a program needs that knows migrations up to `known` */
export function refuseContracted(
  schema: string,
  { number, compatibleSince, release }: SchemaVersion,
  known = KNOWN_VERSION,
): void {
  if (compatibleSince <= known) return;
  throw new ApplicationError(
    'STORE_MISMATCH',
    `schema ${schema} has version ${number}, which dp3-cluster ${release} and newer can use; this is ${versionOfPackage()}, which knows ` +
      `version ${known}: install ${release} or newer on this host`,
  );
}

/** @throws ApplicationError STORE_MISMATCH where the tables are older than the program */
export function refuseOutdated(schema: string, { number }: SchemaVersion, known = KNOWN_VERSION): void {
  if (number >= known) return;
  throw new ApplicationError(
    'STORE_MISMATCH',
    `schema ${schema} has version ${number}, this program (${versionOfPackage()}) needs version ${known}: run dp3-cluster setup with it`,
  );
}

/** For those who only read. @throws ApplicationError STORE_FAILED where there is no store yet, STORE_MISMATCH for tables it cannot read */
export async function checkSchema({ query, schema }: Session): Promise<void> {
  const version = await explained(schemaVersion(query), startError);
  if (version.number === 0) throw new NoDataYet(`schema ${schema}`);
  refuseOutdated(schema, version);
  refuseContracted(schema, version);
}
