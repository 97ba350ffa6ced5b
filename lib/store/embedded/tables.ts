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
  readonly graves: Table;
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

const NAMES = [
  'records',
  'absent',
  'history',
  'graves',
  'expiring',
  'expiries',
  'raw',
  'inbox',
  'quarantine',
] as const satisfies (keyof Tables)[];

export function openTables(environment: Environment): Tables {
  return tablesBy((name) => environment.table<Buffer, Buffer>(name, BINARY));
}

/** Null while the owner of the environment has not made them. */
export function readTables(environment: ReadableEnvironment): Tables | null {
  const found = NAMES.map((name) => environment.readTable<Buffer, Buffer>(name, BINARY));
  return found.includes(null) ? null : tablesBy((name) => found[NAMES.indexOf(name)] as Table);
}

function tablesBy(open: (name: keyof Tables) => Table): Tables {
  return Object.fromEntries(NAMES.map((name) => [name, open(name)])) as unknown as Tables;
}
