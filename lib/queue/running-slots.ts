/**
 * Which tasks ran when a process was killed? Nobody is asked by SIGKILL, so it must have been written before: each running task has
 * a slot of a small file (in the page cache, which outlives the process), written when it starts. A slot whose task has ended is
 * written free before the event loop goes on; a task that starts before that overwrites it, so one that ends at once costs a
 * single write of about a microsecond.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import { openFresh } from '../runtime/own-files.js';

/** The file opens with an id drawn for it. */
const FILE_ID_BYTES = 36;
/** A slot opens with a byte that is 1 while it is taken. */
const TAKEN = 1;
const FREED = Buffer.from([0]);

/** What a process left behind: the id of its file and the names in the slots that were taken. */
export interface LeftRunning {
  readonly id: string;
  readonly names: readonly string[];
}

export class RunningSlots {
  private file: number | null = null;
  private readonly free: number[] = [];
  /** Slots of tasks that have ended, not yet written free. */
  private readonly ended_: number[] = [];
  private slots = 0;
  private readonly slot: Buffer;

  /** Names are latin1 and at most `nameBytes` long. */
  constructor(
    private readonly path: string,
    private readonly nameBytes: number,
  ) {
    this.slot = Buffer.alloc(1 + nameBytes);
  }

  /** What the last process left; null where there is no file, or one that was cut off while it was begun. */
  left(): LeftRunning | null {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.path);
    } catch {
      return null;
    }
    if (bytes.length < FILE_ID_BYTES) return null;
    const names: string[] = [];
    const { length } = this.slot;
    for (let at = FILE_ID_BYTES; at + length <= bytes.length; at += length) {
      if (bytes[at] !== TAKEN) continue;
      names.push(bytes.toString('latin1', at + 1, at + length).split('\0', 1)[0] ?? '');
    }
    return { id: bytes.toString('latin1', 0, FILE_ID_BYTES), names };
  }

  /** Begins anew: nothing runs. Throws STORE_FAILED where the file cannot be written. */
  open(): void {
    this.file = newFile(this.path, randomUUID());
    this.free.length = 0;
    this.ended_.length = 0;
    this.slots = 0;
  }

  /** An orderly end, or one that no task is to blame for: nothing counts as left running. Its own file, whatever a successor has begun. */
  close(): void {
    if (this.file === null) return;
    try {
      ftruncateSync(this.file, FILE_ID_BYTES);
      closeSync(this.file);
    } catch {
      // As below.
    }
    this.file = null;
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

  /** A full disk is not reported here: the count is a net, and the commit that follows fails in its own words. */
  private writeAt(slot: number, bytes: Buffer): void {
    if (this.file === null) return;
    try {
      writeSync(this.file, bytes, 0, bytes.length, FILE_ID_BYTES + slot * this.slot.length);
    } catch {}
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
