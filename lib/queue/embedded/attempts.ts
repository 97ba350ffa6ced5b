/**
 * How often a process or a lane broke on a task of an embedded queue. What was under way when a process was killed stands in files
 * (../under-way.ts); at the next start that becomes attempts, a lane that breaks becomes one at once. They are
 * kept in the environment until the task is settled. Refused: a row in LMDB for each start, which is a synchronous transaction a task.
 */
import { join } from 'node:path';
import { type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import type { Environment } from '../../embedded/env.js';
import type { Database } from '../../embedded/lmdb.js';
import { NO_PAST, oneMore, PAST_LIMIT, type Past } from '../past.js';
import { blameFor, UnderWay } from '../under-way.js';

const FILE = 'running';
const TABLE = 'attempts';
/** Row that names what was under way and counted last, so that a crash while counting counts nothing twice. */
const COUNTED = 'counted';
/** Drawn id of the source, kind, sequence of at most 15 digits, blanks between them. */
const NAME_BYTES = 36 + 1 + 1 + 1 + 15;
/** A row is the number of attempts; this follows where the last one ended while the message was read. */
const UNREAD = ' unread';

/** Which task: drawn id of its source, kind of queue, sequence. */
export interface TaskPlace {
  readonly source: string;
  readonly kind: Kind;
  readonly sequence: number;
}

export class Attempts {
  private table: Database<string, string> | null = null;
  private readonly underWay: UnderWay;
  private readonly counts = new Map<string, Past>();

  constructor(private readonly environment: Environment) {
    this.underWay = new UnderWay(join(environment.path, FILE), NAME_BYTES);
  }

  /** The environment must be open. */
  start(): void {
    this.table = this.environment.table<string, string>(TABLE, { encoding: 'string' });
  }

  /** Counts what the last process left under way and is not `finished`, then begins anew. The environment must be claimed. */
  open(finished: (place: TaskPlace) => boolean): void {
    const left = this.underWay.left();
    const table = this.opened();
    this.environment.transaction(() => {
      if (left === null || table.get(COUNTED) === left.id) return;
      const { counted, unread, suspects } = blameFor(left, (name) => !finished(placeOf(name)));
      for (const name of counted) table.putSync(name, rowOf(oneMore(pastOf(table.get(name)), name === unread)));
      for (const name of suspects) table.putSync(name, rowOf(pastOf(table.get(name))));
      table.putSync(COUNTED, left.id);
    });
    this.counts.clear();
    const rows = this.environment.look(() => [...table.getRange({})]);
    for (const { key, value } of rows) if (key !== COUNTED) this.counts.set(key, pastOf(value));
    this.environment.refresh();
    this.drop([...this.counts.keys()].filter((name) => finished(placeOf(name))));
    this.underWay.open();
  }

  /** An orderly end: what still runs was not broken by its task. */
  close(): void {
    this.underWay.close();
  }

  /** Null where nothing ever broke on it. */
  of(place: TaskPlace): Past | null {
    return this.counts.size === 0 ? null : (this.counts.get(nameOf(place)) ?? null);
  }

  /** An attempt more, kept at once; how many there are. Throws STORE_FAILED, OWNERSHIP_LOST. */
  broke(place: TaskPlace): number {
    const name = nameOf(place);
    const past = oneMore(this.counts.get(name) ?? NO_PAST, false);
    this.counts.set(name, past);
    this.environment.transaction(() => this.opened().putSync(name, rowOf(past)));
    const [oldest] = this.counts.keys();
    if (this.counts.size > PAST_LIMIT && oldest !== undefined) this.drop([oldest]);
    return past.attempts;
  }

  /** Is read, until the event loop goes on. */
  reading(place: TaskPlace): void {
    this.underWay.reading(nameOf(place));
  }

  /** Takes a slot; its number is for `ended`. */
  started(place: TaskPlace): number {
    return this.underWay.started(nameOf(place));
  }

  ended(slot: number): void {
    this.underWay.ended(slot);
  }

  /** These are committed, and nothing else, until the next call. */
  committing(places: readonly TaskPlace[]): void {
    this.underWay.committing(places.map(nameOf));
  }

  /** Inside the transaction that settles the task: its count is of no more use. */
  forget(place: TaskPlace): void {
    if (this.counts.size > 0 && this.counts.has(nameOf(place))) this.opened().removeSync(nameOf(place));
  }

  /** That transaction is committed. */
  forgotten(place: TaskPlace): void {
    this.counts.delete(nameOf(place));
  }

  private drop(names: readonly string[]): void {
    if (names.length === 0) return;
    this.environment.transaction(() => {
      for (const name of names) this.opened().removeSync(name);
    });
    for (const name of names) this.counts.delete(name);
  }

  private opened(): Database<string, string> {
    if (this.table === null) throw new Error('attempts are not started');
    return this.table;
  }
}

function nameOf({ source, kind, sequence }: TaskPlace): string {
  return `${source} ${kind} ${sequence}`;
}

function placeOf(name: string): TaskPlace {
  const [source = '', kind, sequence] = name.split(' ');
  return { source, kind: Number(kind) === PRIORITY ? PRIORITY : NORMAL, sequence: Number(sequence) };
}

function rowOf({ attempts, unread }: Past): string {
  return unread ? `${attempts}${UNREAD}` : `${attempts}`;
}

function pastOf(row: string | undefined): Past {
  if (row === undefined) return NO_PAST;
  return { attempts: Number.parseInt(row, 10), unread: row.endsWith(UNREAD) };
}
