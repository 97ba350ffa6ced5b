/**
 * The environments of a data folder as one process sees them: its own, and everyone else's read-only.
 *
 * Read-only environments are opened when they are first seen and stay open. They take no lock that a writer waits for; what they
 * can do is hold pages, while a snapshot is open. So readers read in short steps and call `refresh` before and after each: no
 * iterator lives across a turn of the event loop. An environment that a process has opened here it can not open to write (the
 * library shares one map); no process does, but several members within one process, in a test, must join before they look around.
 */
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import type { Environment, ReadableEnvironment } from './env.js';
import { type DataFolder, environmentNames } from './folder.js';
import { type Database, explained, type Key, type MapOptions, openLmdb, type TableOptions } from './lmdb.js';
import { SELF_OPTIONS, SELF_TABLE } from './owner.js';

export class Neighbours {
  private readonly opened = new Map<string, ReadableEnvironment>();
  private readonly roots: RootDatabase[] = [];

  /** `own`: the environment this process writes; absent for a process that only reads. */
  constructor(
    private readonly folder: DataFolder,
    private readonly options: MapOptions = {},
    private readonly own?: Environment,
  ) {}

  /** Every environment that can be read now, this process's own among them, by name. Looks into the folder: not for every task. */
  list(): ReadableEnvironment[] {
    const found: ReadableEnvironment[] = [];
    for (const name of environmentNames(this.folder)) {
      const environment = this.get(name);
      if (environment !== null) found.push(environment);
    }
    return found;
  }

  /** One environment; null while it has not been made. */
  get(name: string): ReadableEnvironment | null {
    if (name === this.own?.name) return this.own;
    const known = this.opened.get(name);
    if (known !== undefined) return known;
    const environment = this.open(name);
    if (environment !== null) this.opened.set(name, environment);
    return environment;
  }

  /** Closes what was opened here; the own environment stays open. */
  async close(): Promise<void> {
    this.opened.clear();
    await Promise.all(this.roots.splice(0).map((root) => root.close()));
  }

  private open(name: string): ReadableEnvironment | null {
    const path = join(this.folder.path, name);
    const root = openLmdb(path, 'read', this.options);
    if (root === null) return null;
    const environment = new ReadOnlyEnvironment(name, path, root);
    if (environment.id === '') {
      // Its owner is just making it; the next look will find it.
      void root.close();
      return null;
    }
    this.roots.push(root);
    return environment;
  }
}

class ReadOnlyEnvironment implements ReadableEnvironment {
  readonly id: string;
  private readonly tables = new Map<string, Database>();

  constructor(
    readonly name: string,
    private readonly path: string,
    private readonly root: RootDatabase,
  ) {
    this.id = this.readTable<string, string>(SELF_TABLE, SELF_OPTIONS)?.get('id') ?? '';
    this.refresh();
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
    this.root.resetReadTxn();
  }

  private guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explained(this.path, error);
    }
  }
}
