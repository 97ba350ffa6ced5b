/** The tables of an index's environment that belong to the store; the queue has its own there. */
import type { Environment, ReadableEnvironment } from '../../embedded/env.js';
import { BINARY, type Database } from '../../embedded/lmdb.js';

type Table = Database<Buffer, Buffer>;

export interface Tables {
  /** Key of a record -> its newest state and the newest rows of its history. */
  readonly records: Table;
  /** Key of a record that was deleted -> nothing but the number of its last incarnation. */
  readonly absent: Table;
  /** Key of a record, incarnation, attribute, t1, number -> a chunk of its history. */
  readonly history: Table;
  /** Key of a record and an incarnation whose history (and that of all before it) can be removed. */
  readonly tombstones: Table;
  /** Entity type, a time, id -> nothing: when to look whether the record has expired. */
  readonly expiring: Table;
  /** Key of a record -> the time of its row in `expiring`. */
  readonly expiries: Table;
  /** Time stored -> raw data-points of a commit. */
  readonly raw: Table;
  /** Id of a task that its sender may send again -> when it was committed, and its digest. */
  readonly inbox: Table;
  /** Id -> a task that was put aside. */
  readonly quarantine: Table;
}

/** As they stand in the files. */
export const TABLE_NAMES = {
  records: 'records',
  absent: 'absent',
  history: 'history',
  tombstones: 'graves',
  expiring: 'expiring',
  expiries: 'expiries',
  raw: 'raw',
  inbox: 'inbox',
  quarantine: 'quarantine',
} as const satisfies Record<keyof Tables, string>;

export function openTables(environment: Environment): Tables {
  const open = (name: string) => environment.table<Buffer, Buffer>(name, BINARY);
  return Object.fromEntries(
    Object.entries(TABLE_NAMES).map(([table, name]) => [table, open(name)]),
  ) as unknown as Tables;
}

/** Null while the owner of the environment has not made them. */
export function readTables(environment: ReadableEnvironment): Tables | null {
  const open = (name: string) => environment.readTable<Buffer, Buffer>(name, BINARY);
  const found = Object.entries(TABLE_NAMES).map(([table, name]) => [table, open(name)] as const);
  return found.some(([, table]) => table === null) ? null : (Object.fromEntries(found) as unknown as Tables);
}
