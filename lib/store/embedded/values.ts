/** Values of the tables: JSON in UTF-8 through the model's own writer, so that integers of any size stay exact. */
import type { DataPoint } from '../../model/datapoint.js';
import { parseAnyJson, stringifyJson } from '../../model/json.js';
import type { HistoryRow, HistorySummary, RecordState } from '../../model/record.js';
import type { Instant } from '../../model/time.js';
import type { QuarantinedMessage, QuarantinedTask } from '../store.js';

type PointJson = readonly [t1: Instant, t2: Instant, v: unknown, c: number];
type SummaryJson = readonly [attr: string, count: number, newest: PointJson, lastArrived?: PointJson];

/** Maps are written as lists of pairs: an attribute may be called `__proto__`. */
interface RecordJson {
  readonly h: number;
  readonly i: number;
  readonly c: Instant;
  readonly u: Instant;
  readonly t: readonly (readonly [name: string, until: Instant])[];
  readonly p: readonly (readonly [attr: string, v: unknown, ts: Instant])[];
  readonly o: readonly SummaryJson[];
  readonly s: readonly SummaryJson[];
}

/** What is stored was within the bounds of a message when it came; what the program adds to it is small. */
const read = parseAnyJson;

/**
 * Texts of one commit. The value of a data-point goes into the record, its history and the raw data-points: it is turned into JSON
 * once. Instants and numbers need no escaping, so what stands around the values is put together by hand.
 */
export class Texts {
  private readonly values = new Map<object, string>();
  private readonly points = new Map<HistoryRow, string>();

  /** [t1, t2, v, c] */
  point(row: HistoryRow): string {
    let text = this.points.get(row);
    if (text === undefined) {
      const { t1, t2, v, c } = row;
      text = `["${t1}","${t2}",${this.value(v)},${c}]`;
      this.points.set(row, text);
    }
    return text;
  }

  /** A raw data-point. */
  raw({ etype, eid, attr, v, t1, t2, c, src }: DataPoint): string {
    const entity = `"etype":${JSON.stringify(etype)},"eid":${JSON.stringify(eid)},"attr":${JSON.stringify(attr)}`;
    const times = `"t1":${instantText(t1)},"t2":${instantText(t2)}`;
    return `{${entity},"v":${this.value(v)},${times},"c":${c},"src":${JSON.stringify(src)}}`;
  }

  record(state: RecordState): string {
    const tokens = listOf(state.ttlTokens, (until, name) => `${JSON.stringify(name)},"${until}"`);
    const plain = listOf(state.plain, ({ v, ts }, attr) => `${JSON.stringify(attr)},${this.value(v)},"${ts}"`);
    const head = `"h":${state.hash},"i":${state.incarnation},"c":"${state.created}","u":"${state.updated}"`;
    const summaries = `"o":[${this.summaries(state.observations)}],"s":[${this.summaries(state.timeseries)}]`;
    return `{${head},"t":[${tokens}],"p":[${plain}],${summaries}}`;
  }

  private summaries(summaries: ReadonlyMap<string, HistorySummary>): string {
    return listOf(summaries, ({ count, newest, lastArrived }, attr) => {
      const last = lastArrived === undefined ? '' : `,${this.point(lastArrived)}`;
      return `${JSON.stringify(attr)},${count},${this.point(newest)}${last}`;
    });
  }

  private value(v: unknown): string {
    if (typeof v !== 'object' || v === null) return stringifyJson(v);
    let text = this.values.get(v);
    if (text === undefined) {
      text = stringifyJson(v);
      this.values.set(v, text);
    }
    return text;
  }
}

/** Items of a list of lists. With forEach: iterating over a Map makes two objects for each entry. */
function listOf<Value>(map: ReadonlyMap<string, Value>, item: (value: Value, name: string) => string): string {
  let text = '';
  map.forEach((value, name) => {
    text += `${text === '' ? '' : ','}[${item(value, name)}]`;
  });
  return text;
}

function instantText(time: Instant | null): string {
  return time === null ? 'null' : `"${time}"`;
}

/** `bytes`: the state in a record's row. */
export function readRecord(etype: string, eid: string, bytes: Buffer): RecordState {
  const { h, i, c, u, t, p, o, s } = read(bytes) as RecordJson;
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

/** A list of points as JSON. */
export function readPoints(attr: string, bytes: Buffer): HistoryRow[] {
  return (read(bytes) as PointJson[]).map((point) => rowOf(attr, point));
}

/** Raw data-points of one commit, in one row. */
export function writeRawRow(points: readonly string[]): Buffer {
  return Buffer.from(`[${points.join()}]`, 'utf8');
}

/** The body may be anything, so it stands behind the JSON as it is. */
export function writeQuarantined(task: Omit<QuarantinedMessage, 'id' | 'index'>): Buffer {
  const { time, etype, eid, code, reason, body } = task;
  const head = Buffer.from(stringifyJson({ time, etype, eid, code, reason }), 'utf8');
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, body]);
}

export function readQuarantined(id: string, index: number, bytes: Buffer): QuarantinedTask {
  const bodyAt = 4 + bytes.readUInt32BE(0);
  const head = read(bytes.subarray(4, bodyAt)) as Omit<QuarantinedTask, 'id' | 'index'>;
  return { ...head, id, index };
}

/** A copy of its own. */
export function readQuarantinedBody(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(4 + bytes.readUInt32BE(0)));
}

function readSummary([attr, count, newest, lastArrived]: SummaryJson): readonly [string, HistorySummary] {
  const summary = { count, newest: rowOf(attr, newest) };
  return [attr, lastArrived === undefined ? summary : { ...summary, lastArrived: rowOf(attr, lastArrived) }];
}

function rowOf(attr: string, [t1, t2, v, c]: PointJson): HistoryRow {
  return { attr, t1, t2, v, c };
}
