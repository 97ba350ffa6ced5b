/**
 * What was under way when a process was killed? Nobody is asked by SIGKILL, so it must have been written before, to small files (in the
 * page cache, which outlives the process): the messages that are read, each task that runs, and the tasks of the commits under way. What
 * only waits is not noted.
 *
 * A running task has a slot of its own, written when it starts. A slot whose task has ended is written free before the event loop
 * goes on; a task that starts before that overwrites it, so one that ends at once costs a single write. What is read in one go is written as
 * one list, and so is what is committed. Refused: a write for each message that is read, which cost as much as all else about reading it.
 */
import { closeSync, ftruncateSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openFresh } from '../runtime/own-files.js';
import { systemRandom } from '../runtime/random.js';

/** The file opens with an id drawn for it. */
const FILE_ID_BYTES = 36;
/** A slot opens with a byte that is 1 while it is taken. */
const TAKEN = 1;
const FREED = Buffer.from([0]);
/** A list opens with its length, in names. */
const LENGTH_BYTES = 4;

/** What a process left behind: the id of its files and what was under way. */
export interface LeftUnderWay {
  readonly id: string;
  readonly reading: readonly string[];
  readonly running: readonly string[];
  readonly committing: readonly string[];
}

/** Who counts an attempt, whose attempt ended while it was read, and who may be to blame among others and counts none. */
export interface Blame {
  readonly counted: readonly string[];
  readonly unread: string | null;
  readonly suspects: readonly string[];
}

/**
 * One that was alone under way is to blame. Tasks that ran, while nothing was read or committed, count an attempt each. Of all others only
 * the next end can tell: whoever may be to blame is a suspect, and is under way alone next time. `isOpen`: whether one is not done with.
 */
export function blameFor(left: LeftUnderWay, isOpen: (name: string) => boolean = () => true): Blame {
  const reading = left.reading.filter(isOpen);
  const running = left.running.filter(isOpen);
  const beside = [...reading, ...left.committing.filter(isOpen)];
  if (beside.length === 0) return { counted: running, unread: null, suspects: [] };
  const all = [...new Set([...beside, ...running])];
  if (all.length === 1) return { counted: all, unread: reading[0] ?? null, suspects: [] };
  return { counted: [], unread: null, suspects: all };
}

export class UnderWay {
  private file: number | null = null;
  private readonly free: number[] = [];
  /** Slots of tasks that have ended, not yet written free. */
  private readonly ended_: number[] = [];
  private slots = 0;
  private isReading = false;
  private readonly slot: Buffer;
  private readonly read: NameList;
  private readonly committed: NameList;

  /** Names are latin1 and at most `nameBytes` long. */
  constructor(
    private readonly path: string,
    private readonly nameBytes: number,
  ) {
    this.slot = Buffer.alloc(1 + nameBytes);
    this.read = new NameList(`${path}-reading`, nameBytes);
    this.committed = new NameList(`${path}-commits`, nameBytes);
  }

  /** What the last process left; null where there is no file, or one that was cut off while it was begun. */
  left(): LeftUnderWay | null {
    const bytes = contentOf(this.path);
    if (bytes.length < FILE_ID_BYTES) return null;
    const id = idOf(bytes);
    const running: string[] = [];
    const { length } = this.slot;
    for (let at = FILE_ID_BYTES; at + length <= bytes.length; at += length) {
      if (bytes[at] === TAKEN) running.push(nameAt(bytes, at + 1, this.nameBytes));
    }
    return { id, reading: this.read.left(id), running, committing: this.committed.left(id) };
  }

  /** Begins anew: nothing is under way. Throws STORE_FAILED where the files cannot be written. */
  open(): void {
    const id = systemRandom.uuid();
    this.read.open(id);
    this.committed.open(id);
    this.file = newFile(this.path, id);
    this.free.length = 0;
    this.ended_.length = 0;
    this.slots = 0;
  }

  /** An orderly end, or one that no task is to blame for: nothing counts as left under way. Its own files, whatever a successor has begun. */
  close(): void {
    this.read.close();
    this.committed.close();
    close(this.file);
    this.file = null;
  }

  /** These are read, and nothing else, until the next call or until the event loop goes on. */
  reading(names: readonly string[]): void {
    this.read.write(names);
    if (this.isReading) return;
    this.isReading = true;
    queueMicrotask(() => {
      this.isReading = false;
      this.read.write([]);
    });
  }

  /** These are committed, and nothing else, until the next call. */
  committing(names: readonly string[]): void {
    this.committed.write(names);
  }

  /** Takes a slot; its number is for `ended`. */
  started(name: string): number {
    const number = this.ended_.pop() ?? this.free.pop() ?? this.slots++;
    this.slot.fill(0);
    this.slot[0] = TAKEN;
    this.slot.write(name, 1, this.nameBytes, 'latin1');
    this.writeAt(number, this.slot);
    return number;
  }

  ended(slot: number): void {
    if (this.ended_.push(slot) === 1) queueMicrotask(() => this.freeEnded());
  }

  private freeEnded(): void {
    for (const slot of this.ended_.splice(0)) {
      this.free.push(slot);
      this.writeAt(slot, FREED);
    }
  }

  private writeAt(slot: number, bytes: Buffer): void {
    write(this.file, bytes, FILE_ID_BYTES + slot * this.slot.length);
  }
}

/** Names in a file of their own, of which only the last list counts. */
class NameList {
  private file: number | null = null;
  private isEmpty = true;

  constructor(
    private readonly path: string,
    private readonly nameBytes: number,
  ) {}

  /** Of the process with this id alone: it may have been killed while it began. */
  left(id: string): string[] {
    const bytes = contentOf(this.path);
    const begin = FILE_ID_BYTES + LENGTH_BYTES;
    if (bytes.length < begin || idOf(bytes) !== id) return [];
    const names: string[] = [];
    const end = begin + bytes.readUInt32LE(FILE_ID_BYTES) * this.nameBytes;
    for (let at = begin; at + this.nameBytes <= Math.min(end, bytes.length); at += this.nameBytes) {
      names.push(nameAt(bytes, at, this.nameBytes));
    }
    return names;
  }

  open(id: string): void {
    this.file = newFile(this.path, id);
    this.isEmpty = true;
  }

  close(): void {
    close(this.file);
    this.file = null;
  }

  write(names: readonly string[]): void {
    if (names.length === 0 && this.isEmpty) return;
    this.isEmpty = names.length === 0;
    const bytes = Buffer.alloc(LENGTH_BYTES + names.length * this.nameBytes);
    bytes.writeUInt32LE(names.length);
    let at = LENGTH_BYTES;
    for (const name of names) {
      bytes.write(name, at, this.nameBytes, 'latin1');
      at += this.nameBytes;
    }
    write(this.file, bytes, FILE_ID_BYTES);
  }
}

/** Nothing where there is no such file. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

function idOf(bytes: Buffer): string {
  return bytes.toString('latin1', 0, FILE_ID_BYTES);
}

function nameAt(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('latin1', at, at + length).split('\0', 1)[0] ?? '';
}

/** A full disk is not reported here: the count is a net, and the commit that follows fails in its own words. */
function write(file: number | null, bytes: Buffer, at: number): void {
  if (file === null) return;
  try {
    writeSync(file, bytes, 0, bytes.length, at);
  } catch {}
}

/** Nothing of it counts any more. */
function close(file: number | null): void {
  if (file === null) return;
  try {
    ftruncateSync(file, FILE_ID_BYTES);
    closeSync(file);
  } catch {
    // As above.
  }
}

/** In the place of the one before, of which a former owner that lives on may still have hold: what it writes stays in its own. */
function newFile(path: string, id: string): number {
  try {
    const fresh = `${path}.new`;
    const file = openFresh(fresh);
    writeSync(file, id);
    renameSync(fresh, path);
    return file;
  } catch (error) {
    throw new ApplicationError('STORE_FAILED', `${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}
