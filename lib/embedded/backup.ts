/**
 * Backup of a data folder, also while programs write to it: a copy of all environments as they were at one moment.
 *
 * It must be one moment. A receiver's cursor and the outbox it counts in stand in two environments: with the receiver older, a task that the sender
 * has deleted by then is lost; with the sender older, the numbers of its next tasks are taken for finished ones. As workers send to each other,
 * no order of copying is right. So first a snapshot of every environment is opened; one that was committed to before the last of them was there is
 * opened anew; when none was, all of them held at once. Then each is copied at leisure: what a snapshot sees is not written over as long as it is open.
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
import type { RootDatabase } from 'lmdb';
import { type Clock, nextTurn } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openFresh, ownFolder } from '../runtime/own-files.js';
import { checkPages, metaFor, type SnapshotMeta } from './data-file.js';
import { BACKUP_BEGUN, copyMeta, type DataFolder, environmentNames } from './folder.js';
import { LastTransaction } from './last-transaction.js';
import { explained, type MapOptions, openLmdb } from './lmdb.js';
import { disown } from './owner.js';

const JOURNALS = 'journals';
const LOCK_OF_JOURNAL = /^lock[-.]/;
/** Copied in one step; between two of them the event loop turns. */
const STEP_BYTES = 2 ** 22;
/** For so long a moment is looked for; it takes some milliseconds even where all workers are busy. */
const PATIENCE_MS = 30_000;
/** After so long all environments are opened anew: others may be there by then. */
const OPEN_AGAIN_MS = 1_000;
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
      for (const step of snapshot.copy(join(own, 'data.mdb'))) {
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

/** Snapshots of all environments that held at one moment. */
class Snapshots {
  private constructor(
    readonly all: readonly Snapshot[],
    readonly takenAt: number,
  ) {}

  static async take(folder: DataFolder, options: BackupOptions): Promise<Snapshots> {
    const { clock } = options;
    const giveUpAt = clock.monotonic() + PATIENCE_MS;
    while (clock.monotonic() < giveUpAt) {
      const names = environmentNames(folder);
      const all: Snapshot[] = [];
      const againAt = clock.monotonic() + OPEN_AGAIN_MS;
      try {
        for (const name of names) {
          const snapshot = Snapshot.open(join(folder.path, name), options);
          if (snapshot !== null) all.push(snapshot);
        }
        while (clock.monotonic() < againAt) {
          const changed = all.filter((snapshot) => !snapshot.isNewest);
          if (changed.length === 0 && environmentNames(folder).join() === names.join())
            return new Snapshots(all, clock.now());
          for (const snapshot of changed) snapshot.renew();
          if (changed.length === 0) break;
        }
      } catch (error) {
        await closeAll(all);
        throw error;
      }
      await closeAll(all);
      await nextTurn(clock);
    }
    const sentence = `no moment was found in ${PATIENCE_MS / 1_000} s at which no environment of ${folder.path} was being written: try again`;
    throw new ApplicationError('STORE_REFUSED', sentence);
  }

  close(): Promise<void> {
    return closeAll(this.all);
  }
}

async function closeAll(snapshots: readonly Snapshot[]): Promise<void> {
  for (const snapshot of snapshots) await snapshot.close();
}

/** One environment, as it is in a read transaction. */
class Snapshot {
  private held: { done(): void } | null = null;
  private last: LastTransaction;
  private found: SnapshotMeta | null = null;

  private constructor(
    readonly path: string,
    private readonly root: RootDatabase,
  ) {
    this.last = new LastTransaction(path, 'read');
    this.renew();
  }

  /** Null where it is just being made: nothing was sent there yet. */
  static open(path: string, options: MapOptions): Snapshot | null {
    const root = openLmdb(path, 'read', options);
    return root === null ? null : new Snapshot(path, root);
  }

  get meta(): SnapshotMeta {
    if (this.found === null) throw new Error(`no snapshot of ${this.path}`);
    return this.found;
  }

  /** Whether nothing was committed since. */
  get isNewest(): boolean {
    return this.found !== null && this.last.committed === this.found.transaction;
  }

  /** Takes the newest; none where it was committed to in that moment. */
  renew(): void {
    this.letGo();
    const file = join(this.path, 'data.mdb');
    const before = metaFor(file);
    if (this.last.isBehind) return;
    this.held = this.root.useReadTransaction();
    const after = metaFor(file);
    if (after.transaction === before.transaction && after.page.equals(before.page) && !this.last.isBehind)
      this.found = before;
  }

  /** Yields how many bytes each step has copied. */
  *copy(to: string): Generator<number> {
    const { pages, bytes } = this.meta;
    const source = openSync(join(this.path, 'data.mdb'), 'r');
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

  async close(): Promise<void> {
    this.letGo();
    await this.root.close();
    this.last.close();
  }

  private letGo(): void {
    this.found = null;
    this.held?.done();
    this.held = null;
    this.root.resetReadTxn();
  }
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
