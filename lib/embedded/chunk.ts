/**
 * How tasks stand in an outbox: many small ones share a row, which fills one page of LMDB. Writing, reading and deleting a page a
 * row costs a fraction of a row a task; a task that is larger than a page has a row of its own.
 *
 * Key: destination index, kind, first sequence, number of tasks. Value: its stamp (stamps.ts), then for each task
 * flags, length of the id, length of the body, id, body. All numbers big-endian, so that keys sort by destination, kind and
 * sequence.
 */
import { SEQUENCE_BYTES } from './finished.js';

/** Priority or normal queue of a pair; priority sorts first. */
export type Kind = 0 | 1;
export const PRIORITY: Kind = 0;
export const NORMAL: Kind = 1;
export const KINDS = [PRIORITY, NORMAL] as const;

/** What fits into one page of 4096 bytes beside LMDB's header. */
const CHUNK_BYTES = 4096 - 24;
const STAMP_BYTES = 6;
const HEADER_BYTES = 7;
const ONCE = 1;
const LONGEST_ID_BYTES = 0xffff;
const KEY_BYTES = 2 + 1 + SEQUENCE_BYTES + 2;
const MOST_TASKS = 0xffff;

/** A task as its row holds it. */
export interface ChunkTask {
  readonly id: string;
  readonly body: Buffer;
  /** The sender puts this id into a queue once, by its transaction: the receiver needs no inbox row. */
  readonly once: boolean;
}

export interface ChunkKey {
  readonly first: number;
  readonly count: number;
}

/** A key; with `count` 0 it sorts before every row that starts at `first`, the border of a range. */
export function chunkKey(destination: number, kind: Kind, first: number, count = 0): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeUInt16BE(destination, 0);
  key[2] = kind;
  key.writeUIntBE(first, 3, SEQUENCE_BYTES);
  key.writeUInt16BE(count, 3 + SEQUENCE_BYTES);
  return key;
}

export function readChunkKey(key: Buffer): ChunkKey {
  return { first: key.readUIntBE(3, SEQUENCE_BYTES), count: key.readUInt16BE(3 + SEQUENCE_BYTES) };
}

/** Collects tasks of one destination and kind into rows. */
export class ChunkBuilder {
  private tasks: ChunkTask[] = [];
  private bytes = STAMP_BYTES;
  private first: number;

  /** `next`: sequence of the first task that is added. */
  constructor(
    private readonly destination: number,
    private readonly kind: Kind,
    next: number,
    private readonly stamp: number,
    private readonly put: (key: Buffer, value: Buffer) => void,
  ) {
    this.first = next;
  }

  add(task: ChunkTask): void {
    const bytes = HEADER_BYTES + Buffer.byteLength(task.id) + task.body.length;
    if (this.tasks.length > 0 && (this.bytes + bytes > CHUNK_BYTES || this.tasks.length === MOST_TASKS)) this.flush();
    this.tasks.push(task);
    this.bytes += bytes;
  }

  /** Writes what is collected; returns the next sequence. */
  flush(): number {
    if (this.tasks.length > 0) {
      const key = chunkKey(this.destination, this.kind, this.first, this.tasks.length);
      this.put(key, encode(this.tasks, this.bytes, this.stamp));
      this.first += this.tasks.length;
      this.tasks = [];
      this.bytes = STAMP_BYTES;
    }
    return this.first;
  }
}

/** No stamp is as high: a row or file with a higher one is damaged (the year 6429). */
export const STAMPS_END = 2 ** 47;

/** Which of two rows was put there first. No time: clocks are set, stamps never go back. */
export function chunkStamp(value: Buffer): number {
  return value.readUIntBE(0, STAMP_BYTES);
}

/** Whether a row holds so many tasks and nothing else. */
export function isWhole(value: Buffer, count: number): boolean {
  let at = STAMP_BYTES;
  for (let task = 0; task < count; task++) {
    if (at + HEADER_BYTES > value.length) return false;
    at += HEADER_BYTES + value.readUInt16BE(at + 1) + value.readUInt32BE(at + 3);
  }
  return at === value.length;
}

/** Takes the tasks out of a row one after another; bodies are views of the row. */
export class ChunkReader {
  private at = STAMP_BYTES;

  constructor(private readonly value: Buffer) {}

  next(): ChunkTask {
    const { value, at } = this;
    const once = (value[at]! & ONCE) !== 0;
    const idEnd = at + HEADER_BYTES + value.readUInt16BE(at + 1);
    const bodyEnd = idEnd + value.readUInt32BE(at + 3);
    this.at = bodyEnd;
    return { id: value.toString('utf8', at + HEADER_BYTES, idEnd), body: value.subarray(idEnd, bodyEnd), once };
  }

  skip(count: number): void {
    for (let i = 0; i < count; i++) {
      this.at += HEADER_BYTES + this.value.readUInt16BE(this.at + 1) + this.value.readUInt32BE(this.at + 3);
    }
  }
}

function encode(tasks: readonly ChunkTask[], bytes: number, stamp: number): Buffer {
  const value = Buffer.allocUnsafe(bytes);
  value.writeUIntBE(stamp, 0, STAMP_BYTES);
  let at = STAMP_BYTES;
  for (const { id, body, once } of tasks) {
    const idBytes = value.write(id, at + HEADER_BYTES);
    if (idBytes > LONGEST_ID_BYTES)
      throw new RangeError(`id of a task has ${idBytes} bytes, ${LONGEST_ID_BYTES} are allowed`);
    value[at] = once ? ONCE : 0;
    value.writeUInt16BE(idBytes, at + 1);
    value.writeUInt32BE(body.length, at + 3);
    body.copy(value, at + HEADER_BYTES + idBytes);
    at += HEADER_BYTES + idBytes + body.length;
  }
  return value;
}
