/**
 * Keys of the tables: bytes that sort as their parts do. Texts end with a zero byte, which no text of the model holds, so that a key
 * of one part never runs into another; numbers are big-endian. An entity type and an attribute have at most 255 bytes, an id 1024:
 * the longest key stays below LMDB's 1978. What is written is held to that (store/changes.ts), for LMDB's own refusal is no fault of one task.
 */
import type { TaskDigest } from '../../model/task-digest.js';
import type { Instant } from '../../model/time.js';

const INCARNATION_BYTES = 4;
const NUMBER_BYTES = 4;
const SEQUENCE_BYTES = 6;
/** Instants are text of one width. */
export const INSTANT_BYTES = 27;
const END = Buffer.of(0);
const AFTER_END = Buffer.of(1);

export function recordKey(etype: string, eid: string): Buffer {
  return Buffer.from(`${etype}\0${eid}\0`, 'utf8');
}

/** Entity type and id of a record's key. */
export function readRecordKey(key: Buffer): { readonly etype: string; readonly eid: string } {
  const [etype = '', eid = ''] = key.toString('utf8').split('\0');
  return { etype, eid };
}

/** All records of an entity type, those after an id where one is given. */
export function recordRange(etype: string, after?: string): { readonly start: Buffer; readonly end: Buffer } {
  const type = Buffer.from(etype, 'utf8');
  const start = after === undefined ? Buffer.concat([type, END]) : following(recordKey(etype, after));
  return { start, end: Buffer.concat([type, AFTER_END]) };
}

export function incarnationPrefix(record: Buffer, incarnation: number): Buffer {
  const key = Buffer.allocUnsafe(record.length + INCARNATION_BYTES);
  record.copy(key, 0);
  key.writeUInt32BE(incarnation, record.length);
  return key;
}

/** The record of an incarnation's key. */
export function recordOfIncarnation(key: Buffer): Buffer {
  return key.subarray(0, key.length - INCARNATION_BYTES);
}

/** The number at the end of an incarnation's key. */
export function incarnationOf(key: Buffer): number {
  return key.readUInt32BE(key.length - INCARNATION_BYTES);
}

/** Where the history of an attribute stands within an incarnation. */
export function attributePrefix(incarnation: Buffer, attr: string): Buffer {
  return Buffer.concat([incarnation, Buffer.from(`${attr}\0`, 'utf8')]);
}

/** `number`: of the first row in the chunk, among those of its attribute, so that no chunk hides another. */
export function chunkKey(attribute: Buffer, t1: string, number: number): Buffer {
  const key = Buffer.allocUnsafe(attribute.length + t1.length + SEQUENCE_BYTES);
  attribute.copy(key, 0);
  key.write(t1, attribute.length, 'latin1');
  key.writeUIntBE(number, attribute.length + t1.length, SEQUENCE_BYTES);
  return key;
}

export function readChunkKey(key: Buffer): { readonly t1: Instant; readonly number: number } {
  const numberAt = key.length - SEQUENCE_BYTES;
  const t1 = key.toString('latin1', numberAt - INSTANT_BYTES, numberAt) as Instant;
  return { t1, number: key.readUIntBE(numberAt, SEQUENCE_BYTES) };
}

/** The attribute of a chunk's key. */
export function attributeOfChunk(key: Buffer): string {
  const eidAt = key.indexOf(0) + 1;
  const attributeAt = key.indexOf(0, eidAt) + 1 + INCARNATION_BYTES;
  return key.toString('utf8', attributeAt, key.indexOf(0, attributeAt));
}

/** The first key that is behind everything with this prefix. */
export function behind(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.of(0xff)]);
}

/** The next key there could be. */
export function following(key: Buffer): Buffer {
  return Buffer.concat([key, END]);
}

/**
 * Rows in the order in which they were stored: milliseconds since 1970, epoch of the owner, then its own number. The epoch keeps an
 * owner from writing over its predecessor's rows when the computer's clock was set back.
 */
export function storedKey(timeMs: number, epoch: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(SEQUENCE_BYTES + 2 * NUMBER_BYTES);
  key.writeUIntBE(timeMs, 0, SEQUENCE_BYTES);
  key.writeUInt32BE(epoch, SEQUENCE_BYTES);
  key.writeUInt32BE(number, SEQUENCE_BYTES + NUMBER_BYTES);
  return key;
}

/** A row of the inbox: when the task was committed, in milliseconds since 1970, and its digest, which rows of 0.2.0 do not have. */
export function inboxValue(timeMs: number, digest: TaskDigest): Buffer {
  const value = Buffer.allocUnsafe(SEQUENCE_BYTES + digest.length);
  value.writeUIntBE(timeMs, 0, SEQUENCE_BYTES);
  value.write(digest, SEQUENCE_BYTES, 'latin1');
  return value;
}

export function readInboxDigest(value: Buffer): TaskDigest | null {
  return value.length === SEQUENCE_BYTES ? null : value.toString('latin1', SEQUENCE_BYTES);
}

export function readInboxTime(value: Buffer): number {
  return value.readUIntBE(0, SEQUENCE_BYTES);
}

/** The number of an incarnation as a value. */
export function incarnationValue(incarnation: number): Buffer {
  const value = Buffer.allocUnsafe(INCARNATION_BYTES);
  value.writeUInt32BE(incarnation, 0);
  return value;
}

export function readIncarnationValue(value: Buffer): number {
  return value.readUInt32BE(0);
}
