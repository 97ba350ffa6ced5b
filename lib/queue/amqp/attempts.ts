/**
 * How often a process or a lane broke on a task, for an index whose queues are at a broker. What was under way when a process was killed
 * stands beside this file (../under-way.ts); the counts that come of it, and of lanes at once, are kept here until the
 * task is settled. Both lie in the runtime folder, so each host counts by itself: a task is set aside after so many attempts on one of
 * them.
 *
 * Refused: `x-delivery-count` of a quorum queue, which counts every task that was open when a connection was lost, however innocent.
 */
import { createHash } from 'node:crypto';
import { closeSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { openFresh, ownFolder } from '../../runtime/own-files.js';
import { NO_PAST, oneMore, PAST_LIMIT, type Past } from '../past.js';
import { blameFor, UnderWay } from '../under-way.js';

/** A task is noted under its id where that is of this length, else under a hash of it. */
const NAME_BYTES = 36;
const NAME = /^[\x21-\x7e]{36}$/;

interface Kept {
  /** Id of what was under way and counted last, so that a crash while counting counts nothing twice. */
  readonly counted: string;
  readonly counts: readonly (readonly [name: string, attempts: number, unread?: boolean])[];
}

export class BrokerAttempts {
  private readonly underWay: UnderWay;
  private readonly path: string;
  private readonly counts = new Map<string, Past>();
  private counted = '';
  private isOpen = false;

  constructor(
    private readonly folder: string,
    index: number,
  ) {
    this.underWay = new UnderWay(join(folder, `running-${index}`), NAME_BYTES);
    this.path = join(folder, `attempts-${index}.json`);
  }

  /** Counts what the last owner on this host left under way, then begins anew. Throws STORE_FAILED where the folder cannot be written. */
  open(): void {
    this.makeFolder();
    this.read();
    const left = this.underWay.left();
    if (left !== null && left.id !== this.counted) {
      const { counted, unread, suspects } = blameFor(left);
      for (const name of counted) this.set(name, oneMore(this.counts.get(name) ?? NO_PAST, name === unread));
      for (const name of suspects) this.set(name, this.counts.get(name) ?? NO_PAST);
      this.counted = left.id;
      if (counted.length + suspects.length > 0) this.keep();
    }
    this.underWay.open();
    this.isOpen = true;
  }

  /** From now on the files are those of a successor. */
  close(): void {
    this.isOpen = false;
    this.underWay.close();
  }

  /** Null where nothing ever broke on it. */
  of(id: string): Past | null {
    return this.counts.size === 0 ? null : (this.counts.get(nameOf(id)) ?? null);
  }

  /** An attempt more, kept at once; how many there are. */
  broke(id: string): number {
    const name = nameOf(id);
    const past = oneMore(this.counts.get(name) ?? NO_PAST, false);
    this.set(name, past);
    this.keepIfPossible();
    return past.attempts;
  }

  /** Is read, until the event loop goes on. */
  reading(id: string): void {
    this.underWay.reading(nameOf(id));
  }

  /** Takes a slot; its number is for `ended`. */
  started(id: string): number {
    return this.underWay.started(nameOf(id));
  }

  ended(slot: number): void {
    this.underWay.ended(slot);
  }

  /** These are committed, and nothing else, until the next call. */
  committing(ids: readonly string[]): void {
    this.underWay.committing(ids.map(nameOf));
  }

  /** The task is settled: its count is of no more use. */
  forget(id: string): void {
    if (this.counts.size === 0 || !this.counts.delete(nameOf(id))) return;
    this.keepIfPossible();
  }

  private set(name: string, past: Past): void {
    // At the end, for it is the newest.
    this.counts.delete(name);
    this.counts.set(name, past);
    const [oldest] = this.counts.keys();
    if (this.counts.size > PAST_LIMIT && oldest !== undefined) this.counts.delete(oldest);
  }

  /** The counts are a net: a task too many in the file harms nobody, and one that is missing there runs once more after a crash. */
  private keepIfPossible(): void {
    if (!this.isOpen) return;
    try {
      this.keep();
    } catch {
      // As said.
    }
  }

  private makeFolder(): void {
    try {
      ownFolder(this.folder);
    } catch (error) {
      throw unwritable(this.folder, error);
    }
  }

  private read(): void {
    this.counts.clear();
    try {
      const { counted, counts } = JSON.parse(readFileSync(this.path, 'utf8')) as Kept;
      this.counted = counted;
      for (const [name, attempts, unread = false] of counts) this.counts.set(name, { attempts, unread });
    } catch {
      // None was written yet, or it was cut off by a crash of the machine: the counts begin anew.
    }
  }

  private keep(): void {
    const counts = Array.from(this.counts, ([name, { attempts, unread }]) => [name, attempts, unread] as const);
    const kept: Kept = { counted: this.counted, counts };
    try {
      const file = openFresh(`${this.path}.new`);
      try {
        writeFileSync(file, JSON.stringify(kept));
      } finally {
        closeSync(file);
      }
      renameSync(`${this.path}.new`, this.path);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }
}

function unwritable(path: string, cause: unknown): ApplicationError {
  return new ApplicationError('STORE_FAILED', `${path} cannot be written: ${messageOf(cause)}`, { cause });
}

function nameOf(id: string): string {
  if (NAME.test(id)) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, NAME_BYTES);
}
