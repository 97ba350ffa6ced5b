/** How far a run of the stream application is, and what it left. */
import { expect } from 'vitest';
import { schemaOf } from '../../lib/store/postgres/names.js';
import type { TestDatabase } from '../../services/postgres.js';
import { type StoredRows, storedRows } from './stored-rows.js';
import { APP, UNORDERED } from './stream-application.js';

export const SCHEMA = schemaOf(APP);

export interface Settled {
  /** Tasks that are committed, and derived tasks that are not yet published. */
  readonly inbox: number;
  readonly outbox: number;
}

/** Of one index, or of all. */
export async function countsOf(database: TestDatabase, index: number | null = null): Promise<Settled> {
  const where = `where $1::int is null or index = $1`;
  const [row] = await database.query(
    `select (select count(*)::int from ${SCHEMA}.inbox ${where}) as inbox,
      (select count(*)::int from ${SCHEMA}.outbox ${where}) as outbox`,
    [index],
  );
  return { inbox: Number(row?.['inbox']), outbox: Number(row?.['outbox']) };
}

/** Resolves when so many tasks are committed and none is left to be published. */
export async function settled(database: TestDatabase, tasks: number, timeout = 60_000): Promise<void> {
  await expect.poll(() => countsOf(database), { timeout, interval: 20 }).toEqual({ inbox: tasks, outbox: 0 });
}

export function rowsOf(database: TestDatabase): Promise<StoredRows> {
  return storedRows(database, APP, UNORDERED);
}
