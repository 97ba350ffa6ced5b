/**
 * Rows of a batch: everything that its results put into the store, encoded before the transaction begins, so that nothing in there
 * can fail for what the data are. States of one key fold to the last one; each delete leaves a grave for its history.
 */
import type { HistoryRow, RecordView, TaskResult } from '../../model/record.js';
import type { OutgoingTask } from '../../model/task.js';
import { instantOfMs } from '../../model/time.js';
import { messageOf } from '../../runtime/errors.js';
import type { Batch, BatchEntry } from '../store.js';
import { attributePrefix, historyKey, incarnationPrefix, recordKey } from './keys.js';
import { writePoint, writeQuarantined, writeRaw, writeRecord } from './values.js';

type Row = readonly [key: Buffer, value: Buffer];

/** The last state of a record in a batch; absent where it was deleted. */
interface LastState {
  readonly key: Buffer;
  readonly view: RecordView;
}

export interface Rows {
  readonly ids: readonly string[];
  readonly states: ReadonlyMap<string, LastState & { readonly value: Buffer | null }>;
  readonly graves: readonly Row[];
  readonly history: readonly Row[];
  /** Null when there are none. */
  readonly raw: Buffer | null;
  readonly quarantine: readonly Row[];
  readonly derived: readonly OutgoingTask[];
}

const NOTHING = Buffer.alloc(0);

/** The rows, or by guilty entry why its data can not be stored. */
export function rowsOf(batch: Batch, nowMs: number): Rows | ReadonlyMap<BatchEntry, string> {
  const guilty = new Map<BatchEntry, string>();
  const ids: string[] = [];
  const last = new Map<string, LastState & { readonly entry: BatchEntry }>();
  const graves: Row[] = [];
  const history: Row[] = [];
  const raw: unknown[] = [];
  const quarantine: Row[] = [];
  const derived: OutgoingTask[] = [];
  for (const entry of batch.entries) {
    const { delivery, result } = entry;
    try {
      if (batch.inbox && !delivery.once) ids.push(delivery.id);
      const { etype, eid, record } = result;
      if (record !== undefined && etype !== null && eid !== null) {
        const key = recordKey(etype, eid);
        last.set(`${etype}:${eid}`, { key, view: record, entry });
        if (record.state === null) graves.push([incarnationPrefix(key, record.lastIncarnation), NOTHING]);
        else history.push(...historyRows(key, record.state.incarnation, result));
      }
      if (result.reason) quarantine.push(quarantineRow(entry, nowMs));
      for (const point of result.raw) raw.push(point);
      for (const task of result.derived) derived.push(task);
    } catch (error) {
      guilty.set(entry, messageOf(error));
    }
  }
  const states = new Map<string, LastState & { readonly value: Buffer | null }>();
  for (const [name, { key, view, entry }] of last) {
    try {
      states.set(name, { key, view, value: view.state && writeRecord(view.state) });
    } catch (error) {
      guilty.set(entry, messageOf(error));
    }
  }
  if (guilty.size > 0) return guilty;
  return { ids, states, graves, history, raw: raw.length > 0 ? writeRaw(raw) : null, quarantine, derived };
}

/** Numbered by the record's own count: the rows of a result are the last ones of their attribute. */
function historyRows(key: Buffer, incarnation: number, { record, history }: TaskResult): Row[] {
  if (history.length === 0 || !record?.state) return [];
  const { observations, timeseries } = record.state;
  const left = new Map<string, number>();
  for (const { attr } of history) left.set(attr, (left.get(attr) ?? 0) + 1);
  const incarnationKey = incarnationPrefix(key, incarnation);
  return history.map((row: HistoryRow) => {
    const count = (observations.get(row.attr) ?? timeseries.get(row.attr))?.count ?? 0;
    const behind = left.get(row.attr) ?? 1;
    left.set(row.attr, behind - 1);
    return [historyKey(attributePrefix(incarnationKey, row.attr), row.t1, count - behind), writePoint(row)];
  });
}

function quarantineRow({ delivery, result }: BatchEntry, nowMs: number): Row {
  const { etype, eid, reason } = result;
  const value = writeQuarantined({
    time: instantOfMs(nowMs),
    etype,
    eid,
    code: reason?.code ?? '',
    reason: reason?.sentence ?? '',
    body: delivery.body,
  });
  return [Buffer.from(delivery.id, 'utf8'), value];
}
