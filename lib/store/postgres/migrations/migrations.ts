/**
 * All migrations in their order. One that was released is never changed: what it made is out there.
 *
 * Expand first, contract later. A release adds what it needs beside what the release before uses (new tables, columns that may be left out,
 * functions); only the release after it may take away what nobody reads any more. So every program works with the tables of its own
 * release and of the next one, `setup` brings them up while workers run, and hosts are rolled one by one.
 *
 * A migration holds up commits while it runs, so it must be quick: no rewriting of large tables.
 */
import { FOUNDATION } from './001-foundation.js';
import { COMPATIBILITY } from './002-compatibility.js';
import { STREAMS } from './003-streams.js';
import { DIGESTS } from './004-digests.js';

export interface Migration {
  readonly number: number;
  readonly name: string;
  /** The version of the program that brings it. */
  readonly release: string;
  /**
   * The oldest migration that a program must know to use the tables from here on. One that only adds has that of the one before it; one
   * that takes away names the migration whose release no longer needs what goes.
   */
  readonly compatibleSince: number;
  /** Runs with the application's schema as search_path, in one transaction with all others that are missing. */
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [FOUNDATION, COMPATIBILITY, STREAMS, DIGESTS];
