/**
 * Keys of the tables: bytes that sort as their parts do. Texts end with a zero byte, which no text of the model holds, so that a key
 * of one part never runs into another; numbers are big-endian. An entity type and an attribute have at most 255 bytes, an id 1024:
 * the longest key stays below LMDB's 1978.
 */

const INCARNATION_BYTES = 4;
const SEQUENCE_BYTES = 6;
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
  const start = after === undefined ? Buffer.concat([type, END]) : Buffer.concat([recordKey(etype, after), END]);
  return { start, end: Buffer.concat([type, AFTER_END]) };
}

export function incarnationPrefix(record: Buffer, incarnation: number): Buffer {
  const number = Buffer.allocUnsafe(INCARNATION_BYTES);
  number.writeUInt32BE(incarnation);
  return Buffer.concat([record, number]);
}

/** Where the history of an attribute stands within an incarnation. */
export function attributePrefix(incarnation: Buffer, attr: string): Buffer {
  return Buffer.concat([incarnation, Buffer.from(`${attr}\0`, 'utf8')]);
}

/** `sequence`: the number of the row among those of its attribute, so that no row hides another. */
export function historyKey(attribute: Buffer, t1: string, sequence: number): Buffer {
  const key = Buffer.allocUnsafe(attribute.length + t1.length + SEQUENCE_BYTES);
  attribute.copy(key, 0);
  key.write(t1, attribute.length, 'latin1');
  key.writeUIntBE(sequence, attribute.length + t1.length, SEQUENCE_BYTES);
  return key;
}

/** The first key that is behind everything with this prefix. */
export function behind(prefix: Buffer): Buffer {
  return Buffer.concat([prefix, Buffer.of(0xff)]);
}

/** Rows in the order in which they were stored: milliseconds since 1970, then a number. */
export function storedKey(timeMs: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(SEQUENCE_BYTES + INCARNATION_BYTES);
  key.writeUIntBE(timeMs, 0, SEQUENCE_BYTES);
  key.writeUInt32BE(number, SEQUENCE_BYTES);
  return key;
}

/** A time as a value, in milliseconds since 1970. */
export function timeValue(timeMs: number): Buffer {
  const value = Buffer.allocUnsafe(SEQUENCE_BYTES);
  value.writeUIntBE(timeMs, 0, SEQUENCE_BYTES);
  return value;
}

export function readTimeValue(value: Buffer): number {
  return value.readUIntBE(0, SEQUENCE_BYTES);
}
