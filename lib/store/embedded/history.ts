/**
 * History: rows of one attribute of one incarnation of a record. The newest stand in the row of the record (record-row.ts), all
 * others in chunks: several rows in one, under the earliest of their t1.
 *
 * A row is numbered by the count that the record keeps of its attribute, so it is known of each whether it stands in the record or in
 * a chunk, whenever it is looked at; and rows of equal times keep the order in which they came.
 */
import type { HistoryRow, RecordState } from '../../model/record.js';
import type { Instant } from '../../model/time.js';
import { firstNumber } from '../changes.js';
import type { HistoryRange } from '../store.js';
import { attributePrefix, chunkKey, INSTANT_BYTES, incarnationPrefix, readChunkKey } from './keys.js';
import { pointsByAttribute } from './record-row.js';
import { readPoints } from './values.js';

/** A record keeps about so many rows, or so many bytes of them, before they move into chunks. */
const RECENT_ROWS = 8;
const RECENT_BYTES = 1_024;
/** A chunk is closed at this size, so that reading a range does not read much else. */
const CHUNK_BYTES = 4_096;
/** Where t1 and t2 begin in `["t1","t2",v,c]`. */
const T1_AT = 2;
const T2_AT = T1_AT + INSTANT_BYTES + 3;

/** Key and value of a row in the table of history. */
export type ChunkRow = readonly [key: Buffer, value: Buffer];

/**
 * Whether the points move into chunks, now that `added` of them came. Each record has turns of its own: were it the number in the
 * row that decides, records that are written in turn would all move theirs in the same commit.
 */
export function isFull(state: RecordState, recent: Buffer, added: number): boolean {
  if (recent.length > RECENT_BYTES) return true;
  let count = state.hash >> 8;
  for (const summary of state.observations.values()) count += summary.count;
  for (const summary of state.timeseries.values()) count += summary.count;
  return Math.floor(count / RECENT_ROWS) > Math.floor((count - added) / RECENT_ROWS);
}

/** The chunks that hold these points, the newest of a record. `record`: its key. */
export function chunksOf(record: Buffer, state: RecordState, recent: Buffer): ChunkRow[] {
  const incarnation = incarnationPrefix(record, state.incarnation);
  const rows: ChunkRow[] = [];
  for (const [attr, points] of pointsByAttribute(recent)) {
    const prefix = attributePrefix(incarnation, attr);
    let number = firstNumber(state, attr, points.length);
    for (const chunk of cut(points)) {
      rows.push(chunkRow(prefix, number, chunk));
      number += chunk.length;
    }
  }
  return rows;
}

function* cut(points: readonly Buffer[]): Generator<readonly Buffer[]> {
  let chunk: Buffer[] = [];
  let bytes = 0;
  for (const point of points) {
    if (chunk.length > 0 && bytes + point.length > CHUNK_BYTES) {
      yield chunk;
      [chunk, bytes] = [[], 0];
    }
    chunk.push(point);
    bytes += point.length;
  }
  yield chunk;
}

/** Value: the latest t2, then the rows as a JSON list. */
function chunkRow(prefix: Buffer, number: number, points: readonly Buffer[]): ChunkRow {
  let [t1, t2] = [instantAt(points[0]!, T1_AT), instantAt(points[0]!, T2_AT)];
  for (const point of points) {
    const [from, to] = [instantAt(point, T1_AT), instantAt(point, T2_AT)];
    if (from < t1) t1 = from;
    if (to > t2) t2 = to;
  }
  const texts = points.map((point) => point.toString('utf8'));
  return [chunkKey(prefix, t1, number), Buffer.from(`${t2}[${texts.join()}]`, 'utf8')];
}

function instantAt(point: Buffer, at: number): Instant {
  return point.toString('latin1', at, at + INSTANT_BYTES) as Instant;
}

/** Rows that were read, with their numbers. */
interface Numbered {
  readonly number: number;
  readonly row: HistoryRow;
}

/** Some rows that belong together, not decoded before they are wanted. */
interface Part {
  /** The earliest t1 in it. */
  readonly from: Instant;
  /** The latest t2 in it. */
  readonly to: Instant;
  /** The number of its first row. */
  readonly number: number;
  rows(): HistoryRow[];
}

/**
 * Rows of an attribute that overlap the range, by t1. `stored`: chunks in the order of their keys, read while the record may go on;
 * what came into them since its row was read stands in `recent`, too.
 */
export function* historyOf(
  attr: string,
  state: RecordState,
  recent: readonly Buffer[],
  stored: Iterable<{ readonly key: Buffer; readonly value: Buffer }>,
  { from, to }: Pick<HistoryRange, 'from' | 'to'>,
): Generator<HistoryRow> {
  const end = firstNumber(state, attr, recent.length);
  const overlaps = (t1: Instant, t2: Instant) => (from === undefined || t2 >= from) && (to === undefined || t1 <= to);
  let open: Numbered[] = [];
  for (const part of parts(attr, end, recent, stored)) {
    if (!overlaps(part.from, part.to)) continue;
    // Nothing that is still to come begins earlier.
    const ready = open.findIndex(({ row }) => row.t1 >= part.from);
    for (const { row } of open.splice(0, ready < 0 ? open.length : ready)) yield row;
    for (const [at, row] of part.rows().entries()) {
      if (overlaps(row.t1, row.t2)) open.push({ number: part.number + at, row });
    }
    open = open.sort(byTime);
  }
  for (const { row } of open) yield row;
}

function byTime(one: Numbered, other: Numbered): number {
  if (one.row.t1 !== other.row.t1) return one.row.t1 < other.row.t1 ? -1 : 1;
  return one.number - other.number;
}

/** Chunks and the part that the record has, by the earliest t1 in them. */
function* parts(
  attr: string,
  end: number,
  recent: readonly Buffer[],
  stored: Iterable<{ readonly key: Buffer; readonly value: Buffer }>,
): Generator<Part> {
  let newest = recentPart(attr, end, recent);
  for (const { key, value } of stored) {
    const { t1, number } = readChunkKey(key);
    if (number >= end) continue;
    if (newest !== null && newest.from <= t1) {
      yield newest;
      newest = null;
    }
    const to = value.toString('latin1', 0, INSTANT_BYTES) as Instant;
    yield { from: t1, to, number, rows: () => readPoints(attr, value.subarray(INSTANT_BYTES)) };
  }
  if (newest !== null) yield newest;
}

function recentPart(attr: string, number: number, recent: readonly Buffer[]): Part | null {
  if (recent.length === 0) return null;
  const rows = recent.flatMap((point) => readPoints(attr, Buffer.concat([OPEN, point, CLOSE])));
  let [from, to] = [rows[0]!.t1, rows[0]!.t2];
  for (const { t1, t2 } of rows) {
    if (t1 < from) from = t1;
    if (t2 > to) to = t2;
  }
  return { from, to, number, rows: () => rows };
}

const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
