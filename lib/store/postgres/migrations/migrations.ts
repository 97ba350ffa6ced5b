/** All migrations in their order. One that was released is never changed: what it made is out there. */
import { FOUNDATION } from './001-foundation.js';

export interface Migration {
  readonly number: number;
  readonly name: string;
  /** Runs with the application's schema as search_path, in one transaction with all others that are missing. */
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [FOUNDATION];
