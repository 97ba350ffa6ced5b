/**
 * Attempts of an embedded queue: rows in the environment of its index, so that one is forgotten in the transaction that settles its task.
 * Refused: a row for each start of a task, which is a synchronous transaction each.
 */
import { join } from 'node:path';
import { type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import { finishedOf } from '../../embedded/cursors.js';
import type { Environment } from '../../embedded/env.js';
import type { Database } from '../../embedded/lmdb.js';
import { Attempts, type KeptPasts, type Past, type PastStore } from '../attempts.js';
import { UnderWay } from '../under-way.js';

const FILE = 'running';
const TABLE = 'attempts';
/** Row that names what was under way and counted last. */
const COUNTED = 'counted';
/** Drawn id of the source, kind, sequence of at most 15 digits, blanks between them. */
const NAME_BYTES = 36 + 1 + 1 + 1 + 15;
/** A row is the number of attempts; this follows where the last one ended while the message was read. */
const UNREAD = ' unread';

export function embeddedAttempts(environment: Environment): Attempts {
  return new Attempts(new UnderWay(join(environment.path, FILE), NAME_BYTES), new PastTable(environment));
}

/** `source`: the drawn id of the environment that a task lies in. */
export function attemptName(source: string, kind: Kind, sequence: number): string {
  return `${source} ${kind} ${sequence}`;
}

/** The environment must be claimed. */
class PastTable implements PastStore {
  readonly bestEffort = false;

  constructor(private readonly environment: Environment) {}

  read(): KeptPasts {
    const { environment, table } = this;
    const rows = environment.look(() => [...table.getRange({})]);
    environment.refresh();
    const pasts = new Map<string, Past>();
    for (const { key, value } of rows) if (key !== COUNTED) pasts.set(key, pastOf(value));
    return { counted: rows.find(({ key }) => key === COUNTED)?.value ?? '', pasts };
  }

  write({ counted }: KeptPasts, changed: ReadonlyMap<string, Past | null>): void {
    const { environment, table } = this;
    environment.transaction(() => {
      if (table.get(COUNTED) !== counted) table.putSync(COUNTED, counted);
      for (const [name, past] of changed) {
        if (past === null) table.removeSync(name);
        else table.putSync(name, rowOf(past));
      }
    });
  }

  isSettled(name: string): boolean {
    const [source = '', kind, sequence] = name.split(' ');
    const finished = finishedOf(this.environment, source, Number(kind) === PRIORITY ? PRIORITY : NORMAL);
    return finished.has(Number(sequence));
  }

  private get table(): Database<string, string> {
    return this.environment.table<string, string>(TABLE, { encoding: 'string' });
  }
}

function rowOf({ attempts, unread }: Past): string {
  return unread ? `${attempts}${UNREAD}` : `${attempts}`;
}

function pastOf(row: string): Past {
  return { attempts: Number.parseInt(row, 10), unread: row.endsWith(UNREAD) };
}
