/**
 * Snapshots: all environments of a data folder as they were at one moment, while programs write to them. One that was committed to before the last
 * of them was there is opened anew; when none was, all of them held at once. What a snapshot sees is not written over as long as it is open, so
 * that the files grow meanwhile.
 */
import { join } from 'node:path';
import type { RangeOptions, RootDatabase, Transaction } from 'lmdb';
import { type Clock, nextTurn } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { metaFor, type SnapshotMeta } from './data-file.js';
import { type DataFolder, environmentNames } from './folder.js';
import { LastTransaction } from './last-transaction.js';
import { BINARY, type Database, type MapOptions, openLmdb } from './lmdb.js';

/** For so long a moment is looked for; it takes some milliseconds even where all workers are busy. */
const PATIENCE_MS = 30_000;
/** After so long all environments are opened anew: others may be there by then. */
const OPEN_AGAIN_MS = 1_000;

export interface SnapshotOptions extends MapOptions {
  readonly clock: Clock;
  /** Those that are to be read, where they are there. */
  readonly tables?: readonly string[];
}

/** Snapshots of all environments that held at one moment. */
export class Snapshots {
  private constructor(
    readonly all: readonly Snapshot[],
    readonly takenAt: number,
  ) {}

  static async take(folder: DataFolder, options: SnapshotOptions): Promise<Snapshots> {
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
export class Snapshot {
  private held: Transaction | null = null;
  private readonly tables = new Map<string, Database<Buffer, Buffer>>();
  private last: LastTransaction;
  private found: SnapshotMeta | null = null;

  private constructor(
    readonly path: string,
    private readonly root: RootDatabase,
    private readonly names: readonly string[],
  ) {
    this.last = new LastTransaction(path, 'read');
    this.renew();
  }

  /** Null where it is just being made: nothing was sent there yet. */
  static open(path: string, options: SnapshotOptions): Snapshot | null {
    const root = openLmdb(path, 'read', options);
    return root === null ? null : new Snapshot(path, root, options.tables ?? []);
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
    this.openTables();
    this.held = this.root.useReadTransaction();
    const after = metaFor(file);
    if (after.transaction === before.transaction && after.page.equals(before.page) && !this.last.isBehind)
      this.found = before;
  }

  /** One of the tables that were asked for, as it is in the snapshot; null where it was not made by then. */
  table(name: string): SnapshotTable | null {
    const table = this.tables.get(name);
    return table === undefined ? null : new SnapshotTable(table, () => this.held);
  }

  async close(): Promise<void> {
    this.letGo();
    await this.root.close();
    this.last.close();
  }

  /** Before the snapshot: where one is held, the library opens none. */
  private openTables(): void {
    for (const name of this.names) {
      // It returns undefined for a missing table of a read-only environment, against its types.
      const table: Database<Buffer, Buffer> | undefined =
        this.tables.get(name) ?? this.root.openDB<Buffer, Buffer>({ name, ...BINARY });
      if (table !== undefined) this.tables.set(name, table);
    }
    this.root.resetReadTxn();
  }

  private letGo(): void {
    this.found = null;
    this.held?.done();
    this.held = null;
    this.root.resetReadTxn();
  }
}

/** Rows as they were, however long they are read. */
export class SnapshotTable {
  constructor(
    private readonly database: Database<Buffer, Buffer>,
    private readonly snapshot: () => Transaction | null,
  ) {}

  get(key: Buffer): Buffer | undefined {
    return this.database.get(key, this.inSnapshot());
  }

  /** At most `limit` rows from `start` to before `end`. */
  page(range: RangeOptions): { readonly key: Buffer; readonly value: Buffer }[] {
    return Array.from(this.database.getRange({ ...range, ...this.inSnapshot() }), ({ key, value }) => ({ key, value }));
  }

  private inSnapshot(): { readonly transaction: Transaction } {
    const transaction = this.snapshot();
    if (transaction === null) throw new Error('the snapshot was let go');
    return { transaction };
  }
}
