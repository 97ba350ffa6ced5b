/**
 * How often a process or a lane broke while it ran a task of an embedded queue. What ran when a process was killed stands in its slots
 * (../running-slots.ts); at the next start every slot still taken becomes an attempt, a lane that breaks becomes one at once. They are
 * kept in the environment until the task is settled. Refused: a row in LMDB for each start, which is a synchronous transaction a task.
 */
import { join } from 'node:path';
import { type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import type { Environment } from '../../embedded/env.js';
import type { Database } from '../../embedded/lmdb.js';
import { ATTEMPTS_LIMIT } from '../attempts-limit.js';
import { RunningSlots } from '../running-slots.js';

const FILE = 'running';
const TABLE = 'attempts';
/** Row that names the slots that were counted last, so that a crash while counting counts nothing twice. */
const COUNTED = 'counted';
/** Drawn id of the source, kind, sequence of at most 15 digits, blanks between them. */
const NAME_BYTES = 36 + 1 + 1 + 1 + 15;

/** Which task: drawn id of its source, kind of queue, sequence. */
export interface TaskPlace {
  readonly source: string;
  readonly kind: Kind;
  readonly sequence: number;
}

export class Attempts {
  private table: Database<string, string> | null = null;
  private readonly slots: RunningSlots;
  private readonly counts = new Map<string, number>();

  constructor(private readonly environment: Environment) {
    this.slots = new RunningSlots(join(environment.path, FILE), NAME_BYTES);
  }

  /** The environment must be open. */
  start(): void {
    this.table = this.environment.table<string, string>(TABLE, { encoding: 'string' });
  }

  /** Counts what the last process left running and is not `finished`, then begins anew. The environment must be claimed. */
  open(finished: (place: TaskPlace) => boolean): void {
    const left = this.slots.left();
    const table = this.opened();
    this.environment.transaction(() => {
      if (left === null || table.get(COUNTED) === left.id) return;
      for (const name of left.names) {
        if (!finished(placeOf(name))) table.putSync(name, String(Number(table.get(name) ?? 0) + 1));
      }
      table.putSync(COUNTED, left.id);
    });
    this.counts.clear();
    const rows = this.environment.look(() => [...table.getRange({})]);
    for (const { key, value } of rows) if (key !== COUNTED) this.counts.set(key, Number(value));
    this.environment.refresh();
    this.drop([...this.counts.keys()].filter((name) => finished(placeOf(name))));
    this.slots.open();
  }

  /** An orderly end: what still runs was not broken by its task. */
  close(): void {
    this.slots.close();
  }

  of(place: TaskPlace): number {
    return this.counts.size === 0 ? 0 : (this.counts.get(nameOf(place)) ?? 0);
  }

  /** An attempt more, kept at once; how many there are. Throws STORE_FAILED, OWNERSHIP_LOST. */
  broke(place: TaskPlace): number {
    const name = nameOf(place);
    const attempts = (this.counts.get(name) ?? 0) + 1;
    this.counts.set(name, attempts);
    this.environment.transaction(() => this.opened().putSync(name, String(attempts)));
    const [oldest] = this.counts.keys();
    if (this.counts.size > ATTEMPTS_LIMIT && oldest !== undefined) this.drop([oldest]);
    return attempts;
  }

  /** Takes a slot; its number is for `ended`. */
  started(place: TaskPlace): number {
    return this.slots.started(nameOf(place));
  }

  ended(slot: number): void {
    this.slots.ended(slot);
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
