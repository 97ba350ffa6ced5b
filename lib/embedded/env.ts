/**
 * An environment: the LMDB files of one process index or one producer, written by its owner alone and read by everyone.
 *
 * One environment per process, because writers of one LMDB environment wait for each other: with a single one for all, a stopped
 * process stopped the others. What must be atomic (records, inbox, cursors of the queue, own outbox) lives in the environment of the
 * process that commits it, so one transaction holds it all. Everything that keeps state in memory and rows in the environment joins
 * its transactions: it writes at their end, and puts its memory back when they fail.
 *
 * Only `transactionSync` is used: an asynchronous transaction of the library does not roll back when its function throws.
 *
 * Opening is not owning. `claim` makes this process the owner; the row it writes is checked in every transaction, so whoever was
 * taken over can never write again.
 */
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { type Clock, systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { identityOf, type ProcessIdentity } from '../runtime/process-identity.js';
import { systemRandom } from '../runtime/random.js';
import type { Service } from '../runtime/service.js';
import { type DataFolder, indexOfName, readFolder } from './folder.js';
import { bringingUp, newestFormat, putFormat } from './formats.js';
import { LastTransaction } from './last-transaction.js';
import {
  ABORT,
  type Database,
  explained,
  fileNow,
  isLmdbError,
  type Key,
  type MapOptions,
  openLmdb,
  type TableOptions,
} from './lmdb.js';
import { type OwnerRow, ownerIn, refuseLiving, SELF_OPTIONS, SELF_TABLE } from './owner.js';

const READER_CHECK_MS = 1_000;
/** Each begins from an older state only when another process has opened the environment in that very moment. */
const MOST_TRIES = 100;

export interface EnvironmentOptions extends MapOptions {
  /** How often readers that died are looked for, which would let the files grow; 1 s where not given. */
  readonly readerCheckIntervalMs?: number;
  readonly clock?: Clock;
  /** Who claims; this process. */
  readonly identity?: ProcessIdentity;
}

/** State in memory that has rows in the environment. */
export interface Transactional {
  /** The environment was claimed: rows may have changed hands since they were last read. */
  claimed?(): void;
  /** The end of a transaction: write what changed. */
  write(): void;
  committed(): void;
  /** The transaction failed: memory goes back to what is stored. */
  rolledBack(): void;
}

/** An environment as anyone may read it. */
export interface ReadableEnvironment {
  readonly name: string;
  /** Drawn when it was made; a folder that was removed and made again has another one. */
  readonly id: string;
  /** Null while its owner has not made the table. The same options wherever it is opened. */
  readTable<V, K extends Key>(name: string, options: TableOptions): Database<V, K> | null;
  /** Lets go of the snapshot: what is read next is the newest, and no pages are held. Call it before and after reading. */
  refresh(): void;
}

export class Environment implements Service, ReadableEnvironment {
  readonly path: string;
  private root: RootDatabase | null = null;
  private readonly tables = new Map<string, Database>();
  private readonly enlisted = new Set<Transactional>();
  private readonly clock: Clock;
  private last: LastTransaction | null = null;
  private cancelCheck = () => {};
  /** Which file is mapped, by device and number. */
  private file: string | null = null;
  private heldEpoch = 0;
  private drawnId = '';
  private transacting = false;
  private readonly lostListeners = new Set<(why: string) => void>();
  private lost = false;

  constructor(
    readonly folder: DataFolder,
    readonly name: string,
    private readonly options: EnvironmentOptions = {},
  ) {
    this.path = join(folder.path, name);
    this.clock = options.clock ?? systemClock;
  }

  get id(): string {
    return this.drawnId;
  }

  /** The epoch of this process's claim; 0 without one. */
  get epoch(): number {
    return this.heldEpoch;
  }

  /** Whether this process has claimed it and, as far as is known, nobody after it. */
  get isOwned(): boolean {
    return this.heldEpoch > 0 && !this.lost;
  }

  /** Told once when another process has taken over what this one has claimed. */
  onLost(listener: (why: string) => void): void {
    this.lostListeners.add(listener);
  }

  /** True inside `transaction`. */
  get inTransaction(): boolean {
    return this.transacting;
  }

  /**
   * Opens the environment, or makes it; writes nothing else. Waits for a transaction that is open in another process: whoever is not
   * sure of the owner asks for it first (owner.ts). Throws STORE_FAILED.
   */
  async start(): Promise<void> {
    if (this.root !== null) return;
    this.root = openLmdb(this.path, 'write', this.options);
    this.last = new LastTransaction(this.path, 'write');
    this.file = fileNow(this.path);
    const self = this.self();
    this.drawnId = self.get('id') ?? '';
    if (this.drawnId === '') {
      this.drawnId = this.guarded(() =>
        this.durably(() => {
          const drawn = self.get('id') ?? systemRandom.uuid();
          if (self.get('id') === undefined) {
            self.putSync('id', drawn);
            putFormat(self, newestFormat(this.folder.changes));
          }
          return drawn;
        }),
      );
    }
    this.scheduleCheck();
  }

  /** Gives the claim back and closes. */
  async stop(): Promise<void> {
    const root = this.root;
    if (root === null) return;
    this.cancelCheck();
    try {
      this.release();
    } finally {
      this.root = null;
      this.tables.clear();
      await root.close();
      this.last?.close();
      this.last = null;
    }
  }

  /** A table of this environment, made if it is missing; to be called outside of transactions. */
  table<V, K extends Key>(name: string, options: TableOptions): Database<V, K> {
    let table = this.tables.get(name);
    if (table === undefined) {
      // A missing one is made in a transaction of the library's own.
      if (!this.transacting) this.guarded(() => this.durably(() => {}));
      table = this.guarded(() => this.opened().openDB({ name, ...options }));
      this.tables.set(name, table);
    }
    return table as Database<V, K>;
  }

  readTable<V, K extends Key>(name: string, options: TableOptions): Database<V, K> {
    return this.table<V, K>(name, options);
  }

  refresh(): void {
    if (!this.transacting) this.opened().resetReadTxn();
  }

  /** A look at what is stored now. Throws STORE_FAILED, STORE_REFUSED, and whatever `work` throws. */
  look<T>(work: () => T): T {
    for (;;) {
      this.refresh();
      const found = this.guarded(work);
      // An owner sees all that he has committed.
      if (this.transacting || this.heldEpoch === 0 || !this.last?.isBehind) return found;
      this.guarded(() => this.durably(() => {}));
    }
  }

  /**
   * Becomes the owner and returns the new epoch. A dead owner is succeeded without further ado; a living one is refused with
   * OWNED_ELSEWHERE before any lock is waited for, so that a stopped owner does not stop the one that asks. What is of an older format is brought
   * up in the same transaction; a newer one is refused with STORE_MISMATCH.
   */
  claim(): number {
    this.refresh();
    this.refuseLivingOwner();
    const identity = this.options.identity ?? identityOf();
    const kind = indexOfName(this.name) === null ? 'producer' : 'index';
    const bringUp = bringingUp(this, kind, this.self(), this.folder.changes);
    const epoch = this.guarded(() =>
      this.durably(() => {
        const previous = this.refuseLivingOwner();
        bringUp();
        const row: OwnerRow = { epoch: previous + 1, identity };
        this.self().putSync('owner', JSON.stringify(row));
        return row.epoch;
      }),
    );
    this.heldEpoch = epoch;
    this.lost = false;
    this.refuseRaised();
    for (const each of this.enlisted) each.claimed?.();
    return epoch;
  }

  /** Gives the claim back, if this process still has it. */
  release(): void {
    if (this.heldEpoch === 0) return;
    const epoch = this.heldEpoch;
    this.heldEpoch = 0;
    this.guarded(() =>
      this.durably(() => {
        if (ownerIn(this.self())?.epoch !== epoch) return;
        const row: OwnerRow = { epoch, identity: null };
        this.self().putSync('owner', JSON.stringify(row));
      }),
    );
  }

  /** State that takes part in every transaction from now on; returns what ends that. */
  enlist(state: Transactional): () => void {
    this.enlisted.add(state);
    if (this.heldEpoch > 0) state.claimed?.();
    return () => this.enlisted.delete(state);
  }

  /**
   * Runs `work` in one durable transaction, together with what enlisted state writes at its end. All of it or, when anything throws,
   * nothing. A transaction inside a transaction is part of the outer one; do not catch what it throws. Throws OWNERSHIP_LOST when
   * another process has taken over, STORE_FAILED when LMDB fails (disk full) or the files are gone, and whatever `work` throws.
   */
  transaction<T>(work: () => T): T {
    if (this.transacting) return work();
    let result: T;
    this.transacting = true;
    try {
      result = this.durably(() => {
        this.refuseOutdated();
        this.refuseReplaced();
        const returned = work();
        if (returned instanceof Promise) throw new TypeError('work of a transaction must not be asynchronous');
        for (const each of this.enlisted) each.write();
        return returned;
      });
    } catch (error) {
      this.transacting = false;
      for (const each of this.enlisted) each.rolledBack();
      throw isLmdbError(error) ? explained(this.path, error) : error;
    }
    this.transacting = false;
    for (const each of this.enlisted) each.committed();
    return result;
  }

  /** Frees what readers that died still hold; done on a timer too. Call it when a process of the program has died. */
  checkReaders(): number {
    return this.opened().readerCheck();
  }

  /** A transaction that begins where the last one has ended (last-transaction.ts). */
  private durably<T>(work: () => T): T {
    const root = this.opened();
    for (let tries = 1; ; tries++) {
      let begun = false;
      const result = root.transactionSync(() => {
        const { last } = this;
        begun = last === null || root.getWriteTxnId() === last.committed + 1;
        if (begun) return work();
        last?.setRight();
        return ABORT;
      });
      if (begun) return result as T;
      if (tries === MOST_TRIES) throw new Error('no transaction begins where the last one has ended');
    }
  }

  private scheduleCheck(): void {
    this.cancelCheck = this.clock.after(this.options.readerCheckIntervalMs ?? READER_CHECK_MS, () => {
      this.refuseReplaced();
      this.checkReaders();
      this.look(() => this.lookForSuccessor());
      this.scheduleCheck();
    });
  }

  /** A file that was removed or replaced takes writes without a word, and nobody will ever read them. */
  private refuseReplaced(): void {
    if (fileNow(this.path) === this.file) return;
    throw new ApplicationError('STORE_FAILED', `${this.path} was removed or replaced while it was in use`);
  }

  /** Whoever brings the folder up looks for owners afterwards: one of the two sees the other. */
  private refuseRaised(): void {
    try {
      readFolder(this.folder.path, this.folder.changes);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** The epoch of the last owner. */
  private refuseLivingOwner(): number {
    const owner = ownerIn(this.self());
    const mine = this.heldEpoch > 0 && owner?.epoch === this.heldEpoch;
    if (!mine) refuseLiving(this.path, owner);
    return owner?.epoch ?? 0;
  }

  private refuseOutdated(): void {
    const epoch = this.lookForSuccessor();
    if (this.heldEpoch > 0 && epoch === this.heldEpoch) return;
    const why = this.heldEpoch === 0 ? 'is not claimed by this process' : `was taken over (epoch ${epoch})`;
    throw new ApplicationError('OWNERSHIP_LOST', `${this.path} ${why}: nothing was written`);
  }

  /** The epoch of the last owner; tells where that is another one than this process. */
  private lookForSuccessor(): number {
    const epoch = ownerIn(this.self())?.epoch ?? 0;
    if (this.heldEpoch > 0 && epoch !== this.heldEpoch && !this.lost) {
      this.lost = true;
      const why = `${this.path} was claimed in epoch ${this.heldEpoch}: another process has taken it in epoch ${epoch}`;
      // Not inside of a transaction.
      queueMicrotask(() => {
        for (const listener of this.lostListeners) listener(why);
      });
    }
    return epoch;
  }

  private self(): Database<string, string> {
    return this.table<string, string>(SELF_TABLE, SELF_OPTIONS);
  }

  private opened(): RootDatabase {
    if (this.root === null) throw new Error(`environment ${this.path} is not open`);
    return this.root;
  }

  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw isLmdbError(error) ? explained(this.path, error) : error;
    }
  }
}
