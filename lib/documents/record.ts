/**
 * A record as one JSON document: `{etype, eid, time_created, ttl_tokens, attributes}`, each attribute under its name. It is given in
 * pieces, because a history may be longer than a text can be.
 */
import type { AttributeSpec } from '../model/attribute.js';
import { currentValue, reachOf } from '../model/current.js';
import type { EntitySpec } from '../model/entity.js';
import { stringifyJson } from '../model/json.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../model/record.js';
import type { Instant } from '../model/time.js';
import type { HistoryRange, StoreReader } from '../store/store.js';

/** One attribute of a record: what the record keeps of it and, for observations, what holds at the moment. */
export type RecordAttribute =
  | { readonly type: 'plain'; readonly name: string; readonly value: PlainValue }
  | {
      readonly type: 'observations';
      readonly name: string;
      readonly summary: HistorySummary;
      readonly current: unknown;
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
      const current = await currentOf(state, observed, entity.attributes.get(name), reader, now);
      yield { type: 'observations', name, summary: observed, current };
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

/** The document in pieces. `range`: with the history of this range; null without any. */
export async function* documentOf(
  state: RecordState,
  attributes: AsyncIterable<RecordAttribute>,
  reader: StoreReader,
  range: HistoryRange | null,
): AsyncIterable<string> {
  const { etype, eid, created, ttlTokens } = state;
  const head = { etype, eid, time_created: created, ttl_tokens: Object.fromEntries(ttlTokens) };
  yield `${stringifyJson(head).slice(0, -1)},"attributes":{`;
  let joint = '';
  for await (const attribute of attributes) {
    yield `${joint}${stringifyJson(attribute.name)}:`;
    joint = ',';
    if (attribute.type === 'plain') yield stringifyJson({ v: attribute.value.v, ts_last_update: attribute.value.ts });
    else yield* withHistory(state, attribute, reader, range);
  }
  yield '}}';
}

async function* withHistory(
  { etype, eid }: RecordState,
  attribute: Exclude<RecordAttribute, { readonly type: 'plain' }>,
  reader: StoreReader,
  range: HistoryRange | null,
): AsyncIterable<string> {
  const { count } = attribute.summary;
  const observed = attribute.type === 'observations';
  const summary = stringifyJson(observed ? { count, current: attribute.current } : { count });
  if (range === null) {
    yield summary;
    return;
  }
  yield `${summary.slice(0, -1)},"history":[`;
  let joint = '';
  for await (const { t1, t2, v, c } of reader.history(etype, eid, { ...range, attr: attribute.name })) {
    yield joint + stringifyJson(observed ? { t1, t2, v, c } : { t1, t2, v });
    joint = ',';
  }
  yield ']}';
}
