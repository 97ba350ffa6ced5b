/**
 * Which tasks ran when a process was killed? Nobody is asked by SIGKILL, so it must have been written before: each running task has
 * a slot in a small file (in the page cache, which outlives the process), written when it starts. A slot whose task has ended is
 * written free before the event loop goes on; a task that starts before that overwrites it, so one that ends at once costs a
 * single write. At the next start every slot still taken becomes an attempt, kept in the environment until the task is
 * settled. Refused: a row in LMDB for each start, which is a synchronous transaction a task.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Kind, NORMAL, PRIORITY } from '../../embedded/chunk.js';
import type { Environment } from '../../embedded/env.js';
import { SEQUENCE_BYTES } from '../../embedded/finished.js';
import type { Database } from '../../embedded/lmdb.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';

const FILE = 'running';
const TABLE = 'attempts';
/** Row that names the file whose slots were counted last, so that a crash while counting counts nothing twice. */
const COUNTED = 'counted';
/** The file opens with an id drawn for it. */
const FILE_ID_BYTES = 36;
const SOURCE_ID_BYTES = 36;
/** A byte that is 1 while the slot is taken; kind, sequence and drawn id of the source. */
const SLOT_BYTES = 1 + 1 + SEQUENCE_BYTES + SOURCE_ID_BYTES;
const TAKEN = 1;
const FREED = Buffer.from([0]);

/** Which task: drawn id of its source, kind of queue, sequence. */
export interface TaskPlace {
  readonly source: string;
  readonly kind: Kind;
  readonly sequence: number;
}

export class Attempts {
  private table: Database<string, string> | null = null;
  private file: number | null = null;
  private readonly counts = new Map<string, number>();
  private readonly free: number[] = [];
  /** Slots of tasks that have ended, not yet written free. */
  private readonly ended_: number[] = [];
  private slots = 0;
  private readonly slot = Buffer.alloc(SLOT_BYTES);

  constructor(private readonly environment: Environment) {}

  /** The environment must be open. */
  start(): void {
    this.table = this.environment.table<string, string>(TABLE, { encoding: 'string' });
  }

  /** Counts what the last process left running and is not `finished`, then begins anew. The environment must be claimed. */
  open(finished: (place: TaskPlace) => boolean): void {
    const path = join(this.environment.path, FILE);
    const left = readSlots(path);
    const table = this.opened();
    this.environment.transaction(() => {
      if (left === null || table.get(COUNTED) === left.id) return;
      for (const place of left.places) {
        const key = keyOf(place);
        if (!finished(place)) table.putSync(key, String(Number(table.get(key) ?? 0) + 1));
      }
      table.putSync(COUNTED, left.id);
    });
    this.counts.clear();
    for (const { key, value } of table.getRange({})) if (key !== COUNTED) this.counts.set(key, Number(value));
    this.environment.refresh();
    this.file = newFile(path);
    this.free.length = 0;
    this.ended_.length = 0;
    this.slots = 0;
  }

  /** An orderly end: what still runs was not broken by its task. */
  close(): void {
    if (this.file === null) return;
    closeSync(this.file);
    this.file = null;
    closeSync(newFile(join(this.environment.path, FILE)));
  }

  of(place: TaskPlace): number {
    return this.counts.size === 0 ? 0 : (this.counts.get(keyOf(place)) ?? 0);
  }

  /** Takes a slot; its number is for `ended`. */
  started(place: TaskPlace): number {
    const number = this.ended_.pop() ?? this.free.pop() ?? this.slots++;
    this.slot[0] = TAKEN;
    this.slot[1] = place.kind;
    this.slot.writeUIntBE(place.sequence, 2, SEQUENCE_BYTES);
    this.slot.write(place.source, 2 + SEQUENCE_BYTES, 'latin1');
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

  /** Inside the transaction that settles the task: its count is of no more use. */
  forget(place: TaskPlace): void {
    if (this.counts.size > 0 && this.counts.has(keyOf(place))) this.opened().removeSync(keyOf(place));
  }

  /** A full disk is not reported here: the count is a net, and the commit that follows fails in its own words. */
  private writeAt(slot: number, bytes: Buffer): void {
    if (this.file === null) return;
    try {
      writeSync(this.file, bytes, 0, bytes.length, FILE_ID_BYTES + slot * SLOT_BYTES);
    } catch {}
  }

  private opened(): Database<string, string> {
    if (this.table === null) throw new Error('attempts are not started');
    return this.table;
  }
}

function newFile(path: string): number {
  try {
    const file = openSync(path, 'w', 0o600);
    writeSync(file, randomUUID());
    return file;
  } catch (error) {
    throw new ApplicationError('STORE_FAILED', `${path} can not be written: ${messageOf(error)}`, { cause: error });
  }
}

/** The places of all taken slots; null when there is no file, or one that was cut off while it was begun. */
function readSlots(path: string): { id: string; places: TaskPlace[] } | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return null;
  }
  if (bytes.length < FILE_ID_BYTES) return null;
  const places: TaskPlace[] = [];
  for (let at = FILE_ID_BYTES; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) {
    if (bytes[at] !== TAKEN) continue;
    const kind = bytes[at + 1] === PRIORITY ? PRIORITY : NORMAL;
    const sequence = bytes.readUIntBE(at + 2, SEQUENCE_BYTES);
    places.push({ source: bytes.toString('latin1', at + 2 + SEQUENCE_BYTES, at + SLOT_BYTES), kind, sequence });
  }
  return { id: bytes.toString('latin1', 0, FILE_ID_BYTES), places };
}

function keyOf(place: TaskPlace): string {
  return `${place.source} ${place.kind} ${place.sequence}`;
}
