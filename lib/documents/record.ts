/**
 * A record as one JSON document: `{etype, eid, time_created, ttl_tokens, attributes}`, each attribute under its name. It is given in
 * pieces, because a history may be longer than a text can be.
 */
import type { AttributeSpec, HistoryParams } from '../model/attribute.js';
import { currentValue, reachOf } from '../model/current.js';
import type { EntitySpec } from '../model/entity.js';
import { stringifyJson } from '../model/json.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../model/record.js';
import { type Instant, laterBy } from '../model/time.js';
import type { HistoryRange, StoreReader } from '../store/store.js';

/** One attribute of a record: what the record keeps of it and, for observations, what holds at the moment. */
export type RecordAttribute =
  | { readonly type: 'plain'; readonly name: string; readonly value: PlainValue }
  | {
      readonly type: 'observations';
      readonly name: string;
      readonly summary: HistorySummary;
      readonly current: unknown;
      /** Whether a row says anything at the moment. */
      readonly valid: boolean;
      /** Since when no row says anything any more; null while one does, or one is still to come. */
      readonly expired: Instant | null;
    }
  | { readonly type: 'timeseries'; readonly name: string; readonly summary: HistorySummary };

/** The attributes that a record has, in the order of the model, those that the model has no more behind them. `only`: this one alone. */
export async function* attributesOf(
  state: RecordState,
  entity: EntitySpec,
  reader: StoreReader,
  now: Instant,
  only?: string,
): AsyncIterable<RecordAttribute> {
  const names = new Set([
    ...entity.attributes.keys(),
    ...state.plain.keys(),
    ...state.observations.keys(),
    ...state.timeseries.keys(),
  ]);
  for (const name of names) {
    if (only !== undefined && name !== only) continue;
    const plain = state.plain.get(name);
    if (plain !== undefined) yield { type: 'plain', name, value: plain };
    const observed = state.observations.get(name);
    if (observed !== undefined) {
      const attribute = entity.attributes.get(name);
      const current = await currentOf(state, observed, attribute, reader, now);
      const expired = attribute?.type === 'observations' ? expiredAt(observed, attribute.historyParams, now) : null;
      const valid = current !== null && (!Array.isArray(current) || current.length > 0 || !isMultiValue(attribute));
      yield { type: 'observations', name, summary: observed, current, valid, expired };
    }
    const chunks = state.timeseries.get(name);
    if (chunks !== undefined) yield { type: 'timeseries', name, summary: chunks };
  }
}

async function currentOf(
  { etype, eid }: RecordState,
  { newest }: HistorySummary,
  attribute: AttributeSpec | undefined,
  reader: StoreReader,
  now: Instant,
): Promise<unknown> {
  if (attribute?.type !== 'observations') return null;
  const reach = reachOf(now, attribute.historyParams);
  // No row ends later than the newest one: where it says nothing any more, no other does.
  const rows = newest.t2 < reach.from ? none() : reader.history(etype, eid, { attr: attribute.id, ...reach });
  return currentValue(rows, attribute, now);
}

async function* none(): AsyncIterable<HistoryRow> {}

function isMultiValue(attribute: AttributeSpec | undefined): boolean {
  return attribute?.type === 'observations' && attribute.multiValue;
}

/** No row ends later than the newest one. */
function expiredAt({ newest }: HistorySummary, params: HistoryParams, now: Instant): Instant | null {
  return newest.t2 < reachOf(now, params).from ? laterBy(newest.t2, params.postValidity) : null;
}

/** Which rows of a history are wanted: those of a range and, of these, the newest. */
export interface WantedHistory extends HistoryRange {
  readonly last?: number;
}

/** Rows of an attribute by t1. */
async function* historyOf(
  reader: StoreReader,
  { etype, eid }: RecordState,
  attr: string,
  { last, ...range }: WantedHistory,
): AsyncIterable<HistoryRow> {
  const rows = reader.history(etype, eid, { ...range, attr });
  yield* last === undefined ? rows : (await newestOf(rows, last)).rows;
}

/** The last ones of many, and how many there were before them; no more are held at a time. */
export async function newestOf<T>(rows: AsyncIterable<T>, most: number): Promise<{ rows: T[]; older: number }> {
  const ring: T[] = [];
  let seen = 0;
  for await (const row of rows) ring[seen++ % most] = row;
  const older = Math.max(0, seen - most);
  const begin = older === 0 ? 0 : seen % most;
  return { rows: [...ring.slice(begin), ...ring.slice(0, begin)], older };
}

/** What holds of a record at the moment: values of plain attributes and current ones of observations, null where none is valid. */
export async function valuesOf(attributes: AsyncIterable<RecordAttribute>): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>();
  for await (const attribute of attributes) {
    if (attribute.type === 'plain') values.set(attribute.name, attribute.value.v);
    if (attribute.type === 'observations') values.set(attribute.name, attribute.valid ? attribute.current : null);
  }
  return values;
}

/** The document in pieces. `wanted`: with this history; null without any. */
export async function* documentOf(
  state: RecordState,
  attributes: AsyncIterable<RecordAttribute>,
  reader: StoreReader,
  wanted: WantedHistory | null,
): AsyncIterable<string> {
  const { etype, eid, created, ttlTokens } = state;
  const head = { etype, eid, time_created: created, ttl_tokens: Object.fromEntries(ttlTokens) };
  yield `${stringifyJson(head).slice(0, -1)},"attributes":{`;
  let joint = '';
  for await (const attribute of attributes) {
    yield `${joint}${stringifyJson(attribute.name)}:`;
    joint = ',';
    if (attribute.type === 'plain') yield stringifyJson({ v: attribute.value.v, ts_last_update: attribute.value.ts });
    else yield* withHistory(state, attribute, reader, wanted);
  }
  yield '}}';
}

async function* withHistory(
  state: RecordState,
  attribute: Exclude<RecordAttribute, { readonly type: 'plain' }>,
  reader: StoreReader,
  wanted: WantedHistory | null,
): AsyncIterable<string> {
  const observed = attribute.type === 'observations';
  const summary = stringifyJson(summaryOf(attribute));
  if (wanted === null) {
    yield summary;
    return;
  }
  yield `${summary.slice(0, -1)},"history":[`;
  let joint = '';
  for await (const { t1, t2, v, c } of historyOf(reader, state, attribute.name, wanted)) {
    yield joint + stringifyJson(observed ? { t1, t2, v, c } : { t1, t2, v });
    joint = ',';
  }
  yield ']}';
}

function summaryOf(attribute: Exclude<RecordAttribute, { readonly type: 'plain' }>): object {
  const { count, newest } = attribute.summary;
  if (attribute.type === 'timeseries') return { count };
  const { t1, t2, v, c } = newest;
  return { count, current: attribute.current, newest: { t1, t2, v, c }, expired: attribute.expired };
}
