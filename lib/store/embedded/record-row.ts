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
/** Of one character of a string in UTF-8. */
const MOST_BYTES = 3;
const NOTHING = Buffer.alloc(0);

/** A row of history as it is stored: its attribute, and [t1, t2, v, c] as JSON. */
export interface StoredPoint {
  readonly attr: string;
  readonly json: string;
}

/** Rows of records are made one after another in the same memory. */
export class RecordRows {
  private bytes: Buffer = Buffer.allocUnsafe(64 * 1024);

  /**
   * A row with its state, and the points that it had (`recentOf`) and got. Where these begin in it, it can be cut off. The row is valid until
   * the next one is made.
   */
  make(
    incarnation: number,
    state: string,
    recent: Buffer,
    points: readonly StoredPoint[],
  ): { readonly row: Buffer; readonly pointsAt: number } {
    let most = HEAD_BYTES + MOST_BYTES * state.length + recent.length;
    for (const { attr, json } of points) most += ENTRY_HEAD_BYTES + MOST_BYTES * (attr.length + json.length);
    if (most > this.bytes.length) this.bytes = Buffer.allocUnsafe(2 * most);
    const { bytes } = this;
    const length = bytes.write(state, HEAD_BYTES);
    bytes.writeUInt32BE(incarnation, 0);
    bytes.writeUInt32BE(length, NUMBER_BYTES);
    const pointsAt = HEAD_BYTES + length;
    let at = pointsAt + recent.copy(bytes, pointsAt);
    for (const { attr, json } of points) {
      const attrBytes = bytes.write(attr, at + ENTRY_HEAD_BYTES);
      const jsonBytes = bytes.write(json, at + ENTRY_HEAD_BYTES + attrBytes);
      bytes[at] = attrBytes;
      bytes.writeUInt32BE(jsonBytes, at + 1);
      at += ENTRY_HEAD_BYTES + attrBytes + jsonBytes;
    }
    return { row: bytes.subarray(0, at), pointsAt };
  }
}

/** The state as JSON. */
export function stateIn(row: Buffer): Buffer {
  return row.subarray(HEAD_BYTES, HEAD_BYTES + row.readUInt32BE(NUMBER_BYTES));
}

/** The points that an incarnation has in its row; none where the row is of another one. */
export function recentOf(row: Buffer | undefined, incarnation: number): Buffer {
  if (row === undefined || row.readUInt32BE(0) !== incarnation) return NOTHING;
  return row.subarray(HEAD_BYTES + row.readUInt32BE(NUMBER_BYTES));
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
