/**
 * Lines of an export: JSON objects, one per line. The first says what the file is; each record is followed by the rows of its history; the last
 * counts them, so that a file that was cut off is seen as such.
 *
 *   {"format":"dp3-cluster export","version":1}
 *   {"etype","eid","time_created","time_updated","ttl_tokens":{},"plain":{ATTR:{"v","ts_last_update"}},
 *    "observations":{ATTR:{"count","rows","newest":{"t1","t2","v","c"}}},"timeseries":{...}}
 *   {"etype","eid","attr","t1","t2","v","c"}
 *   {"records":1,"rows":1}
 *
 * `rows` follow of an attribute; `count` is how many came, some of which may have been too old to be kept. Names are sorted, so that the
 * same content is the same text, whichever store it comes from. Incarnations are not part of it: they count how often an entity was created
 * in one store.
 */
import { stringifyJson } from '../model/json.js';
import type { HistoryRow, HistorySummary, RecordState } from '../model/record.js';

export const FORMAT = 'dp3-cluster export';
export const FORMAT_VERSION = 1;

export function firstLine(): string {
  return stringifyJson({ format: FORMAT, version: FORMAT_VERSION });
}

/** `rows`: by attribute, how many follow. */
export function recordLine(state: RecordState, rows: ReadonlyMap<string, number>): string {
  const summaryOf = ({ count, newest, lastArrived }: HistorySummary) => ({
    count,
    rows: rows.get(newest.attr) ?? 0,
    newest: withoutName(newest),
    ...(lastArrived && { last_arrived: withoutName(lastArrived) }),
  });
  const { etype, eid, created, updated, ttlTokens, plain, observations, timeseries } = state;
  return stringifyJson({
    etype,
    eid,
    time_created: created,
    time_updated: updated,
    ttl_tokens: sorted(ttlTokens, (until) => until),
    plain: sorted(plain, ({ v, ts }) => ({ v, ts_last_update: ts })),
    observations: sorted(observations, summaryOf),
    timeseries: sorted(timeseries, summaryOf),
  });
}

export function rowLine(
  { etype, eid }: Pick<RecordState, 'etype' | 'eid'>,
  { attr, t1, t2, v, c }: HistoryRow,
): string {
  return stringifyJson({ etype, eid, attr, t1, t2, v, c });
}

export function lastLine(records: number, rows: number): string {
  return stringifyJson({ records, rows });
}

function withoutName({ t1, t2, v, c }: HistoryRow): object {
  return { t1, t2, v, c };
}

function sorted<T>(values: ReadonlyMap<string, T>, show: (value: T) => unknown): object {
  const names = [...values.keys()].sort();
  // Without a prototype, `__proto__` is a name like any other.
  const object: Record<string, unknown> = Object.create(null);
  for (const name of names) object[name] = show(values.get(name) as T);
  return object;
}
