/**
 * Values of the tables: states of records as JSON, by attribute, so that people can ask for them with SQL; and the way back. Numbers
 * keep every digit (stringifyDecimal), texts come from the server unparsed.
 */
import { parseAnyJson, stringifyDecimal } from '../../model/json.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../../model/record.js';
import { isStorable } from '../../model/text.js';
import type { Instant } from '../../model/time.js';
import type { Row } from './session.js';

/** Columns of `records` as `readRecord` takes them; `r` names the table. */
export const RECORD_COLUMNS =
  'r.hash, r.incarnation, r.created, r.updated, r.ttl, r.plain, r.observations, r.timeseries';
export const RECORD_COLUMN_COUNT = 8;

/** Names are few and come again with every row. Long ones are those of TTL tokens, which nobody keeps. */
const NAMES_KEPT = 4_096;
const KEPT_CHARACTERS = 255;

/**
 * Writes values as JSON. Of a data-point the same value goes to its history, its record and the raw rows: the last one is kept. Maps
 * are read by forEach: iterating over one makes two objects for each entry.
 */
export class JsonWriter {
  private readonly names = new Map<string, string>();
  private lastValue: unknown;
  private lastText = 'null';

  value(value: unknown): string {
    if (value === this.lastValue && value !== undefined) return this.lastText;
    const text = stringifyDecimal(value);
    this.lastValue = value;
    this.lastText = text;
    return text;
  }

  /** Forgets the last value: what it was must not be changed meanwhile, nor be held. */
  forget(): void {
    this.lastValue = undefined;
  }

  ttl(tokens: ReadonlyMap<string, Instant>): string {
    let text = '';
    tokens.forEach((until, name) => {
      text += `${this.next(text, name)}"${until}"`;
    });
    return `${text}}`;
  }

  plain(values: ReadonlyMap<string, PlainValue>): string {
    let text = '';
    values.forEach(({ v, ts }, attr) => {
      text += `${this.next(text, attr)}{"v":${this.value(v)},"ts":"${ts}"}`;
    });
    return `${text}}`;
  }

  summaries(summaries: ReadonlyMap<string, HistorySummary>): string {
    let text = '';
    summaries.forEach(({ count, newest, lastArrived }, attr) => {
      const last = lastArrived === undefined ? '' : `,"last":{${this.row(lastArrived)}}`;
      text += `${this.next(text, attr)}{"count":${count},${this.row(newest)}${last}}`;
    });
    return `${text}}`;
  }

  private row({ t1, t2, v, c }: HistoryRow): string {
    return `"t1":"${t1}","t2":"${t2}","c":${c},"v":${this.value(v)}`;
  }

  private next(before: string, name: string): string {
    return `${before === '' ? '{' : ','}${this.nameText(name)}:`;
  }

  private nameText(name: string): string {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    if (name.length > KEPT_CHARACTERS) return JSON.stringify(name);
    if (this.names.size >= NAMES_KEPT) this.names.clear();
    const text = JSON.stringify(name);
    this.names.set(name, text);
    return text;
  }
}

/** What the server has of a record, columns from `RECORD_COLUMNS`. */
export function readRecord(etype: string, eid: string, columns: Row): RecordState {
  const [hash, incarnation, created, updated, ttl, plain, observations, timeseries] = columns;
  return {
    etype,
    eid,
    hash: Number(hash),
    incarnation: Number(incarnation),
    created: readInstant(created ?? ''),
    updated: readInstant(updated ?? ''),
    ttlTokens: mapOf<Instant, Instant>(ttl, (_, until) => until),
    plain: mapOf<PlainValue, PlainValue>(plain, (_, { v, ts }) => ({ v, ts })),
    observations: mapOf(observations, readSummary),
    timeseries: mapOf(timeseries, readSummary),
  };
}

/** A value of a jsonb or json column. What is stored was within the bounds of a message when it came. */
export function readJson(text: string): unknown {
  return parseAnyJson(text);
}

/** A timestamptz as a session writes it: `2026-01-01 00:00:00.5+00`. */
export function readInstant(text: string): Instant {
  const fraction = text.charAt(19) === '.' ? text.slice(20, text.indexOf('+', 20)) : '';
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.padEnd(6, '0')}Z` as Instant;
}

/** Bytes as a session writes them: `\x00ff`. */
export function readBytes(text: string): Buffer {
  return Buffer.from(text.slice(2), 'hex');
}

/** Text for a person that quotes what was sent, and so may hold what no store takes. */
export function readable(text: string): string {
  return isStorable(text) ? text : Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\ufffd');
}

type StoredRow = Omit<HistoryRow, 'attr'>;

interface StoredSummary extends StoredRow {
  readonly count: number;
  readonly last?: StoredRow;
}

function readSummary(attr: string, stored: StoredSummary): HistorySummary {
  const { count, last } = stored;
  const summary = { count, newest: rowOf(attr, stored) };
  return last === undefined ? summary : { ...summary, lastArrived: rowOf(attr, last) };
}

function rowOf(attr: string, { t1, t2, v, c }: StoredRow): HistoryRow {
  return { attr, t1, t2, v, c };
}

/** A column that holds an object, as a map: its keys may be `__proto__`. */
function mapOf<Stored, Value>(
  text: string | null | undefined,
  read: (name: string, stored: Stored) => Value,
): ReadonlyMap<string, Value> {
  const map = new Map<string, Value>();
  if (text === null || text === undefined) return map;
  const object = readJson(text) as Record<string, Stored>;
  for (const [name, stored] of Object.entries(object)) map.set(name, read(name, stored));
  return map;
}
