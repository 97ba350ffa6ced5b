/**
 * The environments of a data folder as one process sees them: its own, and everyone else's read-only.
 *
 * Read-only environments are opened when they are first seen and stay open. They take no lock that a writer waits for; what they
 * can do is hold pages, while a snapshot is open. So readers read in short steps and call `refresh` before and after each: no
 * iterator lives across a turn of the event loop. An environment that a process has opened here it cannot open to write (the
 * library shares one map); no process does, but several participants within one process, in a test, must join before they look around.
 *
 * What another process makes, removes or damages is no fault of this one: such an environment is left out, told of when it is found so
 * again after a pause (its owner may just be making it), and tried again. One that was removed and made anew is opened anew.
 */
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { doubling } from '../runtime/backoff.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import type { Environment, EnvironmentOptions, ReadableEnvironment } from './env.js';
import { type DataFolder, environmentNames, indexOfName } from './folder.js';
import { FIRST_FORMAT, type Format, formatIn, newestFormat, refuseUnknown } from './formats.js';
import { LastTransaction } from './last-transaction.js';
import {
  contentNow,
  type Database,
  explained,
  fileNow,
  type Key,
  openLmdb,
  refuseDamagedPages,
  type TableOptions,
} from './lmdb.js';
import { SELF_OPTIONS, SELF_TABLE } from './owner.js';
import { bringUpEnvironment } from './upgrade.js';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** An owner who commits shows it sooner. */
const UNSEEN_MS = 1_000;
/** For so long all looks into an environment must succeed until it counts as readable again. */
const GOOD_AGAIN_MS = 3_000;

/** Told that an environment cannot be read, and why, or that it can be again. */
export type TroubleListener = (name: string, why: string | null) => void;

/** An environment that could not be read. */
interface ReadTrouble {
  readonly why: string;
  /** It was found so again after a pause. */
  readonly told: boolean;
  /** Unless its files change before. */
  againAt: number;
  readonly content: string | null;
  readonly nextPauseMs: () => number;
  /** Since when looks into it have succeeded; null before one has. Not all of them look at all of it. */
  goodSince: number | null;
}

export class PeerEnvironments {
  private readonly opened = new Map<string, ReadOnlyEnvironment>();
  private readonly closing = new Set<Promise<void>>();
  private bringingUp: Promise<void> = Promise.resolve();
  private readonly found = new Map<string, ReadTrouble>();
  private readonly listeners: TroubleListener[] = [];
  private readonly clock: Clock;

  /** `own`: the environment this process writes; absent for a process that only reads. */
  constructor(
    private readonly folder: DataFolder,
    private readonly options: EnvironmentOptions = {},
    private readonly own?: Environment,
  ) {
    this.clock = options.clock ?? systemClock;
  }

  onTrouble(listener: TroubleListener): void {
    this.listeners.push(listener);
  }

  /** Why an environment cannot be read; null where it can, or has not been made. */
  troubleOf(name: string): string | null {
    return this.found.get(name)?.why ?? null;
  }

  /** Why some cannot be read, a sentence each: those that were told of. */
  get troubles(): string[] {
    return Array.from(this.found.values(), ({ told, why }) => (told ? why : '')).filter((why) => why !== '');
  }

  /** Every environment that can be read now, this process's own among them, by name. Looks into the folder: not for every task. */
  list(): ReadableEnvironment[] {
    const names = environmentNames(this.folder);
    const now = this.clock.monotonic();
    for (const [name, environment] of this.opened) {
      if (environment.isReplaced() || environment.staysBehind(now)) this.forget(name);
    }
    for (const [name, trouble] of this.found) {
      if (!names.includes(name)) this.readable(name);
      else if (contentNow(this.pathOf(name)) !== trouble.content) trouble.againAt = 0;
    }
    return names.map((name) => this.get(name)).filter((environment) => environment !== null);
  }

  /** One environment; null while it has not been made, or cannot be read. */
  get(name: string): ReadableEnvironment | null {
    if (name === this.own?.name) return this.own;
    const known = this.opened.get(name);
    if (known !== undefined) return known;
    const trouble = this.found.get(name);
    if (trouble !== undefined && this.clock.monotonic() < trouble.againAt) return null;
    try {
      const environment = this.open(name);
      if (environment !== null) this.opened.set(name, environment);
      return environment;
    } catch (error) {
      this.unreadable(name, error);
      return null;
    }
  }

  /** One short look into an environment, at what is committed; null while it has not been made, or cannot be read. */
  look<T>(name: string, read: (environment: ReadableEnvironment) => T): T | null {
    const environment = this.get(name);
    if (environment === null) return null;
    environment.refresh();
    try {
      const found = read(environment);
      if (this.found.size > 0) this.good(name);
      return found;
    } catch (error) {
      if (environment === this.own) throw error;
      this.unreadable(name, explained(this.pathOf(name), error));
      return null;
    } finally {
      environment.refresh();
    }
  }

  /** Closes what was opened here; the own environment stays open. */
  async close(): Promise<void> {
    for (const name of this.opened.keys()) this.forget(name);
    await this.bringingUp;
    await Promise.all(this.closing);
  }

  private open(name: string): ReadOnlyEnvironment | null {
    const path = this.pathOf(name);
    const file = fileNow(path);
    const root = openLmdb(path, 'read', this.options);
    if (root === null) return null;
    let environment: ReadOnlyEnvironment;
    try {
      environment = new ReadOnlyEnvironment(name, path, root, file);
    } catch (error) {
      this.closes(root.close());
      throw error;
    }
    try {
      if (indexOfName(name) === null) environment.check();
      // Without an id its owner is just making it; the next look will find it.
      if (environment.readId() !== '') {
        this.refuseForeign(name, environment.format);
        return environment;
      }
    } catch (error) {
      this.closed(environment);
      throw error;
    }
    this.closed(environment);
    return null;
  }

  /** An older one is brought up once its owner has ended: a sender of the version before, which may go on. */
  private refuseForeign(name: string, { format, release }: Format): void {
    // A sender reads nothing here that another format changes.
    if (this.own !== undefined && indexOfName(this.own.name) === null) return;
    refuseUnknown(this.pathOf(name), { format, release }, this.folder.changes);
    if (format === newestFormat(this.folder.changes).format) return;
    if (this.own !== undefined) this.bringUp(name);
    const sentence = `${this.pathOf(name)} has format ${format} of dp3-cluster ${release}: it is brought up when its owner has ended and the program runs`;
    throw new ApplicationError('STORE_MISMATCH', sentence);
  }

  private bringUp(name: string): void {
    // What was opened to look is closed by then: an environment is opened either to read or to write.
    this.bringingUp = this.bringingUp
      .then(() => Promise.all(this.closing))
      .then(() => bringUpEnvironment(this.folder, name, this.options))
      .catch((error: unknown) => this.unreadable(name, error));
  }

  private forget(name: string): void {
    const environment = this.opened.get(name);
    this.opened.delete(name);
    if (environment !== undefined) this.closed(environment);
  }

  private closed(environment: ReadOnlyEnvironment): void {
    this.closes(environment.close());
  }

  private closes(done: Promise<void>): void {
    const closing = done.finally(() => this.closing.delete(closing));
    this.closing.add(closing);
  }

  private unreadable(name: string, error: unknown): void {
    this.forget(name);
    const before = this.found.get(name);
    const now = this.clock.monotonic();
    if (before !== undefined && now < before.againAt) return;
    const nextPauseMs = before?.nextPauseMs ?? pauses();
    const why = messageOf(error);
    const told = before !== undefined;
    const againAt = now + nextPauseMs();
    this.found.set(name, { why, told, againAt, content: contentNow(this.pathOf(name)), nextPauseMs, goodSince: null });
    if (told && !before.told) this.tell(name, why);
  }

  private good(name: string): void {
    const trouble = this.found.get(name);
    if (trouble === undefined) return;
    const now = this.clock.monotonic();
    trouble.goodSince ??= now;
    if (now - trouble.goodSince >= GOOD_AGAIN_MS) this.readable(name);
  }

  private readable(name: string): void {
    const before = this.found.get(name);
    if (before === undefined) return;
    this.found.delete(name);
    if (before.told) this.tell(name, null);
  }

  private pathOf(name: string): string {
    return join(this.folder.path, name);
  }

  private tell(name: string, why: string | null): void {
    for (const listener of this.listeners) listener(name, why);
  }
}

function pauses(): () => number {
  const backoff = doubling(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, () => 1);
  return () => backoff.nextMs();
}

class ReadOnlyEnvironment implements ReadableEnvironment {
  id = '';
  format: Format = { format: FIRST_FORMAT, release: '' };
  private readonly tables = new Map<string, Database>();
  private closed = false;
  private readonly last: LastTransaction;
  /** The transaction that was committed and not to be seen, and since when. */
  private unseen: { readonly number: number; readonly since: number } | null = null;

  constructor(
    readonly name: string,
    private readonly path: string,
    private readonly root: RootDatabase,
    private readonly file: string | null,
  ) {
    this.last = new LastTransaction(path, 'read');
  }

  /** Throws where reading it would end the process. */
  check(): void {
    refuseDamagedPages(this.root, this.path);
  }

  readId(): string {
    const self = this.readTable<string, string>(SELF_TABLE, SELF_OPTIONS);
    this.id = self?.get('id') ?? '';
    this.format = formatIn(self);
    this.refresh();
    return this.id;
  }

  /** Its files were removed, or others stand in their place. */
  isReplaced(): boolean {
    return fileNow(this.path) !== this.file;
  }

  /**
   * Its last transaction is not to be seen, and its owner, who is gone, does not set that right (last-transaction.ts): opening it anew does.
   */
  staysBehind(now: number): boolean {
    const number = this.last.isBehind ? this.last.committed : null;
    if (number === null) this.unseen = null;
    else if (this.unseen?.number !== number) this.unseen = { number, since: now };
    return this.unseen !== null && now - this.unseen.since >= UNSEEN_MS;
  }

  readTable<V, K extends Key>(name: string, options: TableOptions): Database<V, K> | null {
    let table = this.tables.get(name);
    if (table === undefined) {
      // The library returns undefined for a missing table of a read-only environment, against its types.
      const found: Database | undefined = this.guarded(() => this.root.openDB({ name, ...options }));
      if (found === undefined) return null;
      table = found;
      this.tables.set(name, table);
    }
    return table as Database<V, K>;
  }

  refresh(): void {
    if (!this.closed) this.root.resetReadTxn();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.root.close();
    this.last.close();
  }

  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explained(this.path, error);
    }
  }
}
