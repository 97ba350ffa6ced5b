/**
 * The row of a record: its state, and the newest rows of its history, which stay with it until there are enough of them.
 *
 * A commit writes every record that it touches anyway. What it adds to their histories would lie on as many pages again, each for a
 * single row; so a row of history first goes along with its record, and several move to their own place at once (history.ts). A
 * page is written once for all of them. Refused: a row of history for each commit at once (a third of the rate), and a staging
 * table for all records (a second copy in memory that has to be rebuilt and rolled back).
 *
 * Layout: incarnation, length of the state in bytes (4 bytes each, big-endian), the state as JSON, then the rows of history in the order
 * in which they came, each as length of the attribute (1 byte), length of the row as JSON (4 bytes), attribute, JSON.
 */
const NUMBER_BYTES = 4;
const HEAD_BYTES = 2 * NUMBER_BYTES;
const ENTRY_HEAD_BYTES = 1 + NUMBER_BYTES;

/** A row of history as it is stored: its attribute, and [t1, t2, v, c] as JSON. */
export interface StoredPoint {
  readonly attr: string;
  readonly json: string;
}

export const NO_POINTS: Buffer = Buffer.alloc(0);

/** `recent`: encoded points (`recentOf`, `withPoints`). */
export function recordRow(incarnation: number, state: string, recent: Buffer): Buffer {
  const length = Buffer.byteLength(state);
  const row = Buffer.allocUnsafe(HEAD_BYTES + length + recent.length);
  row.writeUInt32BE(incarnation, 0);
  row.writeUInt32BE(length, NUMBER_BYTES);
  row.write(state, HEAD_BYTES);
  recent.copy(row, HEAD_BYTES + length);
  return row;
}

/** The state as JSON. */
export function stateIn(row: Buffer): Buffer {
  return row.subarray(HEAD_BYTES, HEAD_BYTES + row.readUInt32BE(NUMBER_BYTES));
}

/** The points that an incarnation has in its row; none where the row is of another one. */
export function recentOf(row: Buffer | undefined, incarnation: number): Buffer {
  if (row === undefined || row.readUInt32BE(0) !== incarnation) return NO_POINTS;
  return row.subarray(HEAD_BYTES + row.readUInt32BE(NUMBER_BYTES));
}

export function withPoints(recent: Buffer, points: readonly StoredPoint[]): Buffer {
  let length = recent.length;
  for (const { attr, json } of points) length += ENTRY_HEAD_BYTES + Buffer.byteLength(attr) + Buffer.byteLength(json);
  const bytes = Buffer.allocUnsafe(length);
  let at = recent.copy(bytes, 0);
  for (const { attr, json } of points) {
    const attrBytes = bytes.write(attr, at + ENTRY_HEAD_BYTES);
    const jsonBytes = bytes.write(json, at + ENTRY_HEAD_BYTES + attrBytes);
    bytes[at] = attrBytes;
    bytes.writeUInt32BE(jsonBytes, at + 1);
    at += ENTRY_HEAD_BYTES + attrBytes + jsonBytes;
  }
  return bytes;
}

/** Encoded points by attribute, each list in the order in which they came. */
export function pointsByAttribute(recent: Buffer): Map<string, Buffer[]> {
  const byAttribute = new Map<string, Buffer[]>();
  for (let at = 0; at < recent.length; ) {
    const jsonAt = at + ENTRY_HEAD_BYTES + recent[at]!;
    const end = jsonAt + recent.readUInt32BE(at + 1);
    const attr = recent.toString('utf8', at + ENTRY_HEAD_BYTES, jsonAt);
    const points = byAttribute.get(attr);
    const json = recent.subarray(jsonAt, end);
    if (points === undefined) byAttribute.set(attr, [json]);
    else points.push(json);
    at = end;
  }
  return byAttribute;
}
