/** Values of the tables: JSON in UTF-8 through the model's own writer, so that integers of any size stay exact. */
import type { DataPoint } from '../../model/datapoint.js';
import { parseJson, stringifyJson } from '../../model/json.js';
import type { HistoryRow, HistorySummary, RecordState } from '../../model/record.js';
import type { Instant } from '../../model/time.js';
import type { QuarantinedTask } from '../store.js';

type Point = readonly [t1: Instant, t2: Instant, v: unknown, c: number];
type Summary = readonly [attr: string, count: number, newest: Point];

/** Maps are written as lists of pairs: an attribute may be called `__proto__`. */
interface StoredRecord {
  readonly h: number;
  readonly i: number;
  readonly c: Instant;
  readonly u: Instant;
  readonly t: readonly (readonly [name: string, until: Instant])[];
  readonly p: readonly (readonly [attr: string, v: unknown, ts: Instant])[];
  readonly o: readonly Summary[];
  readonly s: readonly Summary[];
}

const bytesOf = (value: unknown) => Buffer.from(stringifyJson(value), 'utf8');

/** What is stored was within the bounds of a message when it came; what the program adds to it is small. */
const read = (bytes: Buffer) => parseJson(bytes, Number.POSITIVE_INFINITY);

export function writeRecord(state: RecordState): Buffer {
  const stored: StoredRecord = {
    h: state.hash,
    i: state.incarnation,
    c: state.created,
    u: state.updated,
    t: [...state.ttlTokens],
    p: Array.from(state.plain, ([attr, { v, ts }]) => [attr, v, ts]),
    o: Array.from(state.observations, summaryOf),
    s: Array.from(state.timeseries, summaryOf),
  };
  return bytesOf(stored);
}

export function readRecord(etype: string, eid: string, bytes: Buffer): RecordState {
  const { h, i, c, u, t, p, o, s } = read(bytes) as StoredRecord;
  return {
    etype,
    eid,
    hash: h,
    incarnation: i,
    created: c,
    updated: u,
    ttlTokens: new Map(t),
    plain: new Map(p.map(([attr, v, ts]) => [attr, { v, ts }])),
    observations: new Map(o.map(readSummary)),
    timeseries: new Map(s.map(readSummary)),
  };
}

export function writePoint({ t1, t2, v, c }: HistoryRow): Buffer {
  return bytesOf([t1, t2, v, c]);
}

export function readPoint(attr: string, bytes: Buffer): HistoryRow {
  return rowOf(attr, read(bytes) as Point);
}

/** A raw data-point as JSON. */
export function writeRaw(point: DataPoint): string {
  return stringifyJson(point);
}

/** Raw data-points of one commit, in one row. */
export function writeRawRow(points: readonly string[]): Buffer {
  return Buffer.from(`[${points.join()}]`, 'utf8');
}

/** The body may be anything, so it stands behind the JSON as it is. */
export function writeQuarantined(task: Omit<QuarantinedTask, 'id' | 'index'>): Buffer {
  const { time, etype, eid, code, reason, body } = task;
  const head = bytesOf({ time, etype, eid, code, reason });
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, body]);
}

export function readQuarantined(id: string, index: number, bytes: Buffer): QuarantinedTask {
  const bodyAt = 4 + bytes.readUInt32BE(0);
  const head = read(bytes.subarray(4, bodyAt)) as Omit<QuarantinedTask, 'id' | 'index' | 'body'>;
  return { ...head, id, index, body: Buffer.from(bytes.subarray(bodyAt)) };
}

function summaryOf([attr, { count, newest }]: readonly [string, HistorySummary]): Summary {
  return [attr, count, [newest.t1, newest.t2, newest.v, newest.c]];
}

function readSummary([attr, count, newest]: Summary): readonly [string, HistorySummary] {
  return [attr, { count, newest: rowOf(attr, newest) }];
}

function rowOf(attr: string, [t1, t2, v, c]: Point): HistoryRow {
  return { attr, t1, t2, v, c };
}
