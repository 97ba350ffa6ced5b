/**
 * The one place where LMDB is opened: the same options in every process, one way to explain what fails.
 *
 * `overlappingSync` is off: with it, transactions that had been reported as committed were lost when another process was
 * killed. The map is as large as is allowed from the start (address space, not memory or disk): no process has to follow another
 * one's growth. Keys are at most 1978 bytes.
 */
import { accessSync, chownSync, constants, existsSync, mkdirSync, type Stats, statfsSync, statSync } from 'node:fs';
import { constants as systemConstants } from 'node:os';
import { join } from 'node:path';
import { ABORT, type Database, type Key, open, type RootDatabase } from 'lmdb';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { checkDataFile, checkPages, Damage } from './data-file.js';

/** Tables in one environment. */
const MOST_TABLES = 32;
/** Address space of one environment where none is given: 256 GiB. */
export const MAP_BYTES = 2 ** 38;
/** Read transactions on one environment over all processes, where no number is given. */
const READERS = 512;
/** LMDB's code for: all of them are taken. It passes when one of those who read ends. */
const READERS_FULL = -30790;
/** LMDB's code for: the map is full. The two of the system that a full disk makes of a write. */
const MAP_FULL = -30792;
const NO_ROOM: ReadonlySet<unknown> = new Set([systemConstants.errno.EIO, systemConstants.errno.ENOSPC]);
/** Below this a disk is called full where a write failed: LMDB says no more than that one was cut short. */
const FULL_BYTES = 2 ** 20;
/** What making an environment takes. Its lock file is mapped: where its pages find no room, the system ends the process. */
const BEGIN_BYTES = 2 ** 18;
/** A file that seems damaged is looked at so often, after such pauses: making one takes far less. */
const MOST_LOOKS = 5;
const LOOK_AGAIN_MS = 10;

export type { Database, Key };
export { ABORT };

/** How the bytes of a table are made from keys and values; must be the same wherever the table is opened. */
export interface TableOptions {
  readonly encoding: 'binary' | 'json' | 'msgpack' | 'string' | 'ordered-binary';
  readonly keyEncoding?: 'binary' | 'ordered-binary' | 'uint32';
}

/** Keys and values as they are. */
export const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const satisfies TableOptions;

export interface MapOptions {
  /** Bound of each environment in bytes; address space is reserved, not disk. 256 GiB where not given. */
  readonly mapSizeBytes?: number;
  /** Read transactions on one environment at once, over all processes; 512 where not given. */
  readonly maxReaders?: number;
}

const NO_LOCK_FILE =
  'it has no lock.mdb, which readers need as well, and this user cannot make one there: make its folder writable, or read a copy of it';

/** Opens an environment in a folder of its own (made owner-only). Throws STORE_FAILED with the path. Null: to be read, and not made yet. */
export function openLmdb(path: string, mode: 'write' | 'read', options: MapOptions = {}): RootDatabase | null {
  try {
    if (mode === 'write') {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
      if (!existsSync(join(path, 'lock.mdb'))) refuseFullDisk(path);
    }
    const state = settledState(dataFile(path));
    if (mode === 'read' && state !== 'good') return null;
    const settings = {
      path,
      noSubdir: false,
      overlappingSync: false,
      readOnly: mode === 'read',
      maxDbs: MOST_TABLES,
      mapSize: options.mapSizeBytes ?? MAP_BYTES,
      maxReaders: options.maxReaders ?? READERS,
      permissionsMode: 0o600,
      encoding: 'binary' as const,
    };
    const opened = open(settings);
    if (mode === 'read') giveLockFile(path);
    return opened;
  } catch (error) {
    throw explained(path, error);
  }
}

/** Who reads makes a missing lock file, too; made by root, it would lock out whoever owns the data. */
function giveLockFile(path: string): void {
  const owner = statSync(join(path, 'data.mdb'));
  const lockFile = join(path, 'lock.mdb');
  const made = statSync(lockFile, { throwIfNoEntry: false });
  if (made === undefined) throw new Error(NO_LOCK_FILE);
  if (process.getuid?.() === 0 && made.uid !== owner.uid) chownSync(lockFile, owner.uid, owner.gid);
}

/** Throws STORE_FAILED where a page that can be reached is missing or is none: reading it would end the process. Looks at all of them. */
export function refuseDamagedPages(root: RootDatabase, path: string): void {
  const snapshot = root.useReadTransaction();
  try {
    checkPages(dataFile(path));
  } catch (error) {
    throw explained(path, error);
  } finally {
    snapshot.done();
    root.resetReadTxn();
  }
}

function dataFile(path: string): string {
  return join(path, 'data.mdb');
}

/** Which file that is, by device and number; null for none that can be reached. */
export function fileNow(path: string): string | null {
  const found = filesState(path);
  return found === null ? null : `${found.dev} ${found.ino}`;
}

/** The same with its size and when it was written; another text tells that it has changed. */
export function contentNow(path: string): string | null {
  const found = filesState(path);
  return found === null ? null : `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`;
}

function filesState(path: string): Stats | null {
  try {
    return statSync(dataFile(path));
  } catch {
    return null;
  }
}

/** What seems damaged is looked at again: its owner may just be making it. Throws Damage. */
function settledState(path: string): 'missing' | 'empty' | 'good' {
  for (let look = 1; ; look++) {
    const state = checkDataFile(path);
    if (typeof state === 'string') return state;
    if (look === MOST_LOOKS) throw new Damage(state.damage);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
}

/** LMDB's own errors carry a number as code; anything else that is thrown stays what it is. */
export function isLmdbError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

/** STORE_FAILED that says which environment and why; STORE_REFUSED where that passes. */
export function explained(path: string, error: unknown): ApplicationError {
  if (error instanceof ApplicationError) return error;
  const full = codeOf(error) === READERS_FULL;
  return new ApplicationError(
    full ? 'STORE_REFUSED' : 'STORE_FAILED',
    `environment ${path} cannot be used: ${whyOf(path, error)}`,
    {
      cause: error,
    },
  );
}

function whyOf(path: string, error: unknown): string {
  if (error instanceof Damage) return `data.mdb is damaged: ${error.message}`;
  if (codeOf(error) === MAP_FULL) return 'it has reached processing_core.store.map_size';
  if (codeOf(error) === READERS_FULL) {
    return `all places for its readers are taken: raise processing_core.store.max_readers, and start everything anew that has it open`;
  }
  return (NO_ROOM.has(codeOf(error)) ? fullDisk(path) : null) ?? messageOf(error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** A sentence where the disk of this folder has no room; null where it has, or nobody knows. */
function fullDisk(path: string): string | null {
  return lessThan(FULL_BYTES, path);
}

/** Throws where the disk of this folder has no room to make an environment. */
function refuseFullDisk(path: string): void {
  const full = lessThan(BEGIN_BYTES, path);
  if (full !== null) throw new Error(full);
}

function lessThan(bytes: number, path: string): string | null {
  try {
    const { bsize, blocks, bfree, bavail } = statfsSync(path);
    const free = (process.getuid?.() === 0 ? bfree : bavail) * bsize;
    if (free >= bytes) return null;
    return `its disk is full (${free} of ${blocks * bsize} bytes are free): make room there`;
  } catch {
    return null;
  }
}
