/**
 * All records as they were at one moment: one transaction that sees what was committed when it began. Histories of small records are read
 * together, a page of records at a time, those of others alone.
 */
import type { HistoryRow, RecordState } from '../../model/record.js';
import type { SnapshotRecord } from '../store.js';
import { readPart } from './history.js';
import type { Query, Row } from './session.js';
import { RECORD_COLUMNS, readInstant, readJson, readRecord } from './values.js';

const PAGE_RECORDS = 100;
/** A record with at most so many rows of history is a small one. */
const SMALL_ROWS = 50;

/** A client that writes to a slow reader says nothing for long, and is not to be cut off for it. */
export const BEGIN_SNAPSHOT = `set transaction isolation level repeatable read, read only;
  set local idle_in_transaction_session_timeout = 0`;

const RECORDS = `select r.etype, r.eid, ${RECORD_COLUMNS} from records r
  where (r.etype, r.eid) > ($1, $2) order by r.etype, r.eid limit $3`;
/** Of the history_range index, a record at a time. */
const HISTORIES = `select u.place, h.attr, h.t1, h.n, h.t2, h.c, h.v
  from unnest($1::text[], $2::text[], $3::integer[]) with ordinality as u(etype, eid, incarnation, place)
  cross join lateral (select attr, t1, n, t2, c, v from history
    where etype = u.etype and eid = u.eid and incarnation = u.incarnation offset 0) h`;

export async function* recordsAsOfNow(query: Query): AsyncIterable<SnapshotRecord> {
  let [etype, eid] = ['', ''];
  for (;;) {
    const rows = await query(RECORDS, [etype, eid, PAGE_RECORDS]);
    const states = rows.map(([type, id, ...columns]) => readRecord(type ?? '', id ?? '', columns));
    const histories = await historiesOf(query, states.filter(isSmall));
    for (const state of states) {
      const known = histories.get(state);
      yield { state, history: () => (known === undefined ? historyOf(query, state) : listed(known)) };
    }
    const last = states.at(-1);
    if (states.length < PAGE_RECORDS || last === undefined) return;
    ({ etype, eid } = last);
  }
}

/** Counted are also those that were too old since. */
function isSmall({ observations, timeseries }: RecordState): boolean {
  let rows = 0;
  for (const { count } of [...observations.values(), ...timeseries.values()]) rows += count;
  return rows <= SMALL_ROWS;
}

function attributesOf({ observations, timeseries }: RecordState): string[] {
  return [...observations.keys(), ...timeseries.keys()].sort();
}

async function* historyOf(query: Query, state: RecordState): AsyncIterable<HistoryRow> {
  const { etype, eid, incarnation } = state;
  for (const attr of attributesOf(state)) {
    yield* readPart(query, { etype, eid, attr, incarnation }, 'all', {}, Number.POSITIVE_INFINITY);
  }
}

/** Rows with their place among those of their record. */
interface Placed {
  readonly attribute: number;
  readonly n: number;
  readonly row: HistoryRow;
}

async function historiesOf(
  query: Query,
  states: readonly RecordState[],
): Promise<ReadonlyMap<RecordState, readonly HistoryRow[]>> {
  const keys = [states.map(({ etype }) => etype), states.map(({ eid }) => eid)];
  const rows = await query(HISTORIES, [...keys, states.map(({ incarnation }) => incarnation)]);
  const placed = states.map((): Placed[] => []);
  for (const [place, ...columns] of rows) {
    const at = Number(place) - 1;
    placed[at]?.push(placedRow(columns, attributesOf(states[at] as RecordState)));
  }
  return new Map(
    states.map((state, at) => {
      const found = (placed[at] ?? []).filter(({ attribute }) => attribute >= 0).sort(inOrder);
      return [state, found.map(({ row }) => row)];
    }),
  );
}

function placedRow([name, t1, n, t2, c, v]: Row, attributes: readonly string[]): Placed {
  const attr = name ?? '';
  const times = { t1: readInstant(t1 ?? ''), t2: readInstant(t2 ?? '') };
  return {
    attribute: attributes.indexOf(attr),
    n: Number(n),
    row: { attr, ...times, v: readJson(v ?? 'null'), c: Number(c) },
  };
}

function inOrder(one: Placed, other: Placed): number {
  if (one.attribute !== other.attribute) return one.attribute - other.attribute;
  if (one.row.t1 !== other.row.t1) return one.row.t1 < other.row.t1 ? -1 : 1;
  return one.n - other.n;
}

async function* listed(rows: readonly HistoryRow[]): AsyncIterable<HistoryRow> {
  yield* rows;
}
