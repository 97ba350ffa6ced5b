/**
 * How often a process or a lane broke while it ran a task, for an index whose queues are at a broker. What ran when a process was killed
 * stands in its slots (../running-slots.ts); the counts that come of it, and of lanes at once, are kept in a file beside them until the
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
import { ATTEMPTS_LIMIT } from '../attempts-limit.js';
import { RunningSlots } from '../running-slots.js';

/** A task is noted under its id where that is of this length, else under a hash of it. */
const NAME_BYTES = 36;
const NAME = /^[\x21-\x7e]{36}$/;

interface Kept {
  /** Id of the slots that were counted last, so that a crash while counting counts nothing twice. */
  readonly counted: string;
  readonly counts: readonly (readonly [name: string, attempts: number])[];
}

export class BrokerAttempts {
  private readonly slots: RunningSlots;
  private readonly path: string;
  private readonly counts = new Map<string, number>();
  private counted = '';
  private isOpen = false;

  constructor(
    private readonly folder: string,
    index: number,
  ) {
    this.slots = new RunningSlots(join(folder, `running-${index}`), NAME_BYTES);
    this.path = join(folder, `attempts-${index}.json`);
  }

  /** Counts what the last owner on this host left running, then begins anew. Throws STORE_FAILED where the folder cannot be written. */
  open(): void {
    this.makeFolder();
    this.read();
    const left = this.slots.left();
    if (left !== null && left.id !== this.counted && left.names.length > 0) {
      for (const name of left.names) this.count(name);
      this.counted = left.id;
      this.keep();
    }
    this.slots.open();
    this.isOpen = true;
  }

  /** From now on the files are those of a successor. */
  close(): void {
    this.isOpen = false;
    this.slots.close();
  }

  of(id: string): number {
    return this.counts.size === 0 ? 0 : (this.counts.get(nameOf(id)) ?? 0);
  }

  /** An attempt more, kept at once; how many there are. */
  broke(id: string): number {
    const attempts = this.count(nameOf(id));
    this.keepIfPossible();
    return attempts;
  }

  /** Takes a slot; its number is for `ended`. */
  started(id: string): number {
    return this.slots.started(nameOf(id));
  }

  ended(slot: number): void {
    this.slots.ended(slot);
  }

  /** The task is settled: its count is of no more use. */
  forget(id: string): void {
    if (this.counts.size === 0 || !this.counts.delete(nameOf(id))) return;
    this.keepIfPossible();
  }

  private count(name: string): number {
    const attempts = (this.counts.get(name) ?? 0) + 1;
    // At the end, for it is the newest.
    this.counts.delete(name);
    this.counts.set(name, attempts);
    const [oldest] = this.counts.keys();
    if (this.counts.size > ATTEMPTS_LIMIT && oldest !== undefined) this.counts.delete(oldest);
    return attempts;
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
      for (const [name, attempts] of counts) this.counts.set(name, attempts);
    } catch {
      // None was written yet, or it was cut off by a crash of the machine: the counts begin anew.
    }
  }

  private keep(): void {
    const kept: Kept = { counted: this.counted, counts: [...this.counts] };
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
