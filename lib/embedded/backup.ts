/**
 * Backup of a data folder, also while programs write to it: a copy of all environments as they were at one moment.
 *
 * It must be one moment. A receiver's cursor and the outbox it counts in stand in two environments: with the receiver older, a task that
 * the sender has deleted by then is lost; with the sender older, the numbers of its next tasks are taken for finished ones. As workers send
 * to each other, no order of copying is right. So first a snapshot of every environment is opened; one that was committed to before the
 * last of them was there is opened anew; when none was, all of them held at once (snapshots.ts). Then each is copied at leisure: what a
 * snapshot sees is not written over as long as it is open.
 *
 * A copy holds the pages of the file as they are, with the meta page of its snapshot. Refused: LMDB's own copy, which takes a snapshot of its own,
 * each at another moment.
 *
 * The journals of `send` in the folder are copied before that moment: so what they take for sent is in the copy.
 */
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { type Clock, nextTurn } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openFresh, ownFolder } from '../runtime/own-files.js';
import { checkPages } from './data-file.js';
import { BACKUP_BEGUN, copyMeta, type DataFolder } from './folder.js';
import { explained, type MapOptions } from './lmdb.js';
import { disown } from './owner.js';
import { type Snapshot, Snapshots } from './snapshots.js';

const JOURNALS = 'journals';
const LOCK_OF_JOURNAL = /^lock[-.]/;
/** Copied in one step; between two of them the event loop turns. */
const STEP_BYTES = 2 ** 22;
/** So often for journals that nobody writes meanwhile; then with a `send` that runs. */
const MOST_JOURNAL_COPIES = 10;

export interface BackupOptions extends MapOptions {
  readonly clock: Clock;
  /** Told after each step how much of how many bytes is copied. */
  progress(copied: number, bytes: number): void;
}

export interface BackupResult {
  /** Absolute. */
  readonly folder: string;
  /** The moment that it shows, in milliseconds since 1970. */
  readonly takenAt: number;
  readonly environments: readonly string[];
  readonly bytes: number;
  /** A `send` was under way: what it sent right before may be sent twice when it is repeated on the copy. */
  readonly sending: boolean;
}

/** Throws USAGE where `target` is not an empty folder outside the data folder, STORE_REFUSED when no moment was found, STORE_FAILED. */
export async function backUpFolder(folder: DataFolder, target: string, options: BackupOptions): Promise<BackupResult> {
  const to = resolve(target);
  refuseTarget(folder, to);
  try {
    ownFolder(to);
    closeDurably(openFresh(join(to, BACKUP_BEGUN)));
    syncFolder(to);
    const result = await copyInto(folder, to, options);
    copyMeta(folder, to);
    rmSync(join(to, BACKUP_BEGUN));
    syncFolder(to);
    return result;
  } catch (error) {
    if (error instanceof ApplicationError) throw error;
    const why = `backup ${to} was not finished and cannot be used: ${messageOf(error)}`;
    throw new ApplicationError('STORE_FAILED', why, { cause: error });
  }
}

function refuseTarget({ path }: DataFolder, to: string): void {
  const inside = !relative(path, to).startsWith('..');
  if (inside)
    throw new ApplicationError(
      'USAGE',
      `backup ${to} would stand in the data folder ${path}: name a folder outside of it`,
    );
  const found = statSync(to, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory())
    throw new ApplicationError('USAGE', `backup ${to}: this is no folder; name an empty or a new one`);
  if (existsSync(join(to, BACKUP_BEGUN)))
    throw new ApplicationError(
      'USAGE',
      `backup ${to} holds a backup that was broken off: remove it, or name an empty or a new folder`,
    );
  const count = readdirSync(to).length;
  if (count > 0)
    throw new ApplicationError(
      'USAGE',
      `backup ${to}: the folder is not empty (${count} entries); name an empty or a new one`,
    );
}

async function copyInto(folder: DataFolder, to: string, options: BackupOptions): Promise<BackupResult> {
  const { clock, progress } = options;
  let snapshots: Snapshots | null = null;
  let sending = false;
  for (let copies = 1; snapshots === null; copies++) {
    const journals = copyJournals(folder, to);
    const taken = await Snapshots.take(folder, options);
    sending = journalsState(folder) !== journals;
    if (sending && copies < MOST_JOURNAL_COPIES) await taken.close();
    else snapshots = taken;
  }
  const { all, takenAt } = snapshots;
  try {
    const bytes = all.reduce((sum, { meta }) => sum + meta.bytes, 0);
    let copied = 0;
    for (const snapshot of all) {
      const own = join(to, basename(snapshot.path));
      ownFolder(own);
      for (const step of copySnapshot(snapshot, join(own, 'data.mdb'))) {
        copied += step;
        progress(copied, bytes);
        await nextTurn(clock);
      }
    }
    for (const { path } of all) await finish(join(to, basename(path)), options);
    return { folder: to, takenAt, environments: all.map(({ path }) => basename(path)), bytes, sending };
  } finally {
    await snapshots.close();
  }
}

/** Nobody owns the copy; every page that it leads to is there. */
async function finish(path: string, options: MapOptions): Promise<void> {
  try {
    checkPages(join(path, 'data.mdb'));
  } catch (error) {
    throw explained(path, error);
  }
  await disown(path, options);
  rmSync(join(path, 'lock.mdb'), { force: true });
  syncFolder(path);
}

/** Returns their state before they were copied. */
function copyJournals(folder: DataFolder, to: string): string {
  const state = journalsState(folder);
  const target = join(to, JOURNALS);
  rmSync(target, { recursive: true, force: true });
  if (state !== '') {
    const filter = (path: string) => !LOCK_OF_JOURNAL.test(basename(path));
    cpSync(join(folder.path, JOURNALS), target, { recursive: true, filter });
  }
  return state;
}

/** Another text tells that something was written. */
function journalsState({ path }: DataFolder): string {
  const journals = join(path, JOURNALS);
  if (!existsSync(journals)) return '';
  const states = readdirSync(journals, { recursive: true, encoding: 'utf8' }).map((name) => {
    const found = statSync(join(journals, name), { throwIfNoEntry: false });
    return `${name} ${found?.ino} ${found?.size} ${found?.mtimeMs}`;
  });
  return states.sort().join('\n');
}

/** Yields how many bytes each step has copied. */
function* copySnapshot({ path, meta }: Snapshot, to: string): Generator<number> {
  const { pages, bytes } = meta;
  const source = openSync(join(path, 'data.mdb'), 'r');
  const target = openFresh(to);
  try {
    let at = 0;
    for (const page of pages) at += writeSync(target, page, 0, page.length, at);
    yield at;
    const step = Buffer.allocUnsafe(STEP_BYTES);
    while (at < bytes) {
      const read = readSync(source, step, 0, Math.min(STEP_BYTES, bytes - at), at);
      if (read === 0) break;
      writeAll(target, step.subarray(0, read), at);
      at += read;
      yield read;
    }
  } finally {
    closeSync(source);
    closeDurably(target);
  }
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(file, bytes, written, bytes.length - written, position + written);
  }
}

function closeDurably(file: number): void {
  fsyncSync(file);
  closeSync(file);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  closeDurably(folder);
}
