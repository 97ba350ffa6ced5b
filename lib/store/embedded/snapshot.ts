/**
 * All records of all indexes as they were at one moment, in the order of their keys: the environments are walked side by side, a page at a
 * time.
 */
import type { Snapshot, SnapshotTable } from '../../embedded/snapshots.js';
import type { HistoryRow } from '../../model/record.js';
import type { SnapshotRecord } from '../store.js';
import { historyOf } from './history.js';
import { attributePrefix, behind, following, incarnationPrefix, readRecordKey } from './keys.js';
import { pointsByAttribute, recentOf, stateIn } from './record-row.js';
import { TABLE_NAMES } from './tables.js';
import { readRecord } from './values.js';

export const SNAPSHOT_TABLES = [TABLE_NAMES.records, TABLE_NAMES.history];
/** A row of a record may be as large as a message. */
const PAGE_ROWS = 50;

interface StoredRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The row of an index that comes next, and where it is. */
interface Walk {
  readonly rows: Iterator<StoredRow>;
  readonly history: SnapshotTable;
  next: StoredRow;
}

export async function* recordsIn(snapshots: readonly Snapshot[]): AsyncIterable<SnapshotRecord> {
  const walks = snapshots.flatMap(walkOf);
  for (;;) {
    const first = walks.reduce<Walk | null>(
      (least, walk) => (least === null || Buffer.compare(walk.next.key, least.next.key) < 0 ? walk : least),
      null,
    );
    if (first === null) return;
    yield recordOf(first.next, first.history);
    const { done, value } = first.rows.next();
    if (done === true) walks.splice(walks.indexOf(first), 1);
    else first.next = value;
  }
}

/** None where the index has no records. */
function walkOf(snapshot: Snapshot): Walk[] {
  const [records, history] = [snapshot.table(TABLE_NAMES.records), snapshot.table(TABLE_NAMES.history)];
  if (records === null || history === null) return [];
  const rows = rowsOf(records, Buffer.alloc(0));
  const { done, value: next } = rows.next();
  return done === true ? [] : [{ rows, history, next }];
}

function recordOf({ key, value }: StoredRow, table: SnapshotTable): SnapshotRecord {
  const { etype, eid } = readRecordKey(key);
  const state = readRecord(etype, eid, stateIn(value));
  const history = async function* (): AsyncIterable<HistoryRow> {
    const recent = pointsByAttribute(recentOf(value, state.incarnation));
    const incarnation = incarnationPrefix(key, state.incarnation);
    for (const attr of [...state.observations.keys(), ...state.timeseries.keys()].sort()) {
      const prefix = attributePrefix(incarnation, attr);
      yield* historyOf(attr, state, recent.get(attr) ?? [], rowsOf(table, prefix, behind(prefix)), {});
    }
  };
  return { state, history };
}

function* rowsOf(table: SnapshotTable, from: Buffer, end?: Buffer): Generator<StoredRow, undefined> {
  for (let start = from; ; ) {
    const rows = table.page({ start, ...(end !== undefined && { end }), limit: PAGE_ROWS });
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < PAGE_ROWS || last === undefined) return;
    start = following(last.key);
  }
}
