/** Names in the database: one schema for each application, so that several share a database and one can be dropped whole. */
import { createHash } from 'node:crypto';

/** PostgreSQL silently cuts what is longer, and two applications would meet in one schema. */
const MAX_NAME_BYTES = 63;
const HASH_DIGITS = 8;

/** The schema of an application: `dp3_<app>`; a long name keeps its beginning, and a hash of the whole. Names of applications are ASCII. */
export function schemaOf(app: string): string {
  const name = `dp3_${app}`;
  if (name.length <= MAX_NAME_BYTES) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${name.slice(0, MAX_NAME_BYTES - HASH_DIGITS - 1)}_${hash}`;
}

/** A name as it stands in a statement, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as it stands in a statement. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
