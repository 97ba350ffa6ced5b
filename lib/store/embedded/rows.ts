/**
 * Rows of a batch: everything that its results put into the store, encoded before the transaction begins, so that nothing in there
 * can fail for what the data are. States of one key fold to the last one; each delete leaves a grave for its history.
 */
import type { RecordView, TaskResult } from '../../model/record.js';
import type { OutgoingTask } from '../../model/task.js';
import { instantOfMs } from '../../model/time.js';
import { messageOf } from '../../runtime/errors.js';
import type { Batch, BatchEntry } from '../store.js';
import { attributePrefix, historyKey, incarnationPrefix, recordKeyToWrite } from './keys.js';
import { writePoint, writeQuarantined, writeRaw, writeRecord } from './values.js';

type Row = readonly [key: Buffer, value: Buffer];

/** The last state of a record in a batch. */
export interface StateRow {
  readonly key: Buffer;
  readonly view: RecordView;
  /** Null where the record is absent. */
  readonly value: Buffer | null;
}

export interface Rows {
  readonly ids: readonly string[];
  readonly states: readonly StateRow[];
  readonly graves: readonly Row[];
  readonly history: readonly Row[];
  /** Raw data-points, each as JSON. */
  readonly raw: readonly string[];
  readonly quarantine: readonly Row[];
  readonly derived: readonly OutgoingTask[];
  /** Tasks that keep the id of their sender, who may send the same to its index himself. */
  readonly forwarded: readonly OutgoingTask[];
}

const NOTHING = Buffer.alloc(0);

/** The rows, or by guilty entry why its data can not be stored. */
export function rowsOf(batch: Batch, nowMs: number): Rows | ReadonlyMap<BatchEntry, string> {
  const guilty = new Map<BatchEntry, string>();
  const ids: string[] = [];
  const lastByKey = new Map<string, BatchEntry>();
  const graves: Row[] = [];
  const history: Row[] = [];
  const raw: string[] = [];
  const quarantine: Row[] = [];
  const derived: OutgoingTask[] = [];
  const forwarded: OutgoingTask[] = [];
  for (const entry of batch.entries) {
    const { delivery, result } = entry;
    try {
      if (batch.inbox && !delivery.once) ids.push(delivery.id);
      const { etype, eid, record } = result;
      if (record !== undefined && etype !== null && eid !== null) {
        const key = recordKeyToWrite(etype, eid);
        lastByKey.set(`${etype}\0${eid}`, entry);
        const dead = lastDead(record);
        if (dead > 0) graves.push([incarnationPrefix(key, dead), NOTHING]);
        for (const row of historyRows(key, result)) history.push(row);
      }
      if (result.reason) quarantine.push(quarantineRow(entry, nowMs));
      for (const point of result.raw) raw.push(writeRaw(point));
      const own = delivery.once || result.outcome !== 'forwarded';
      for (const task of result.derived) (own ? derived : forwarded).push(task);
    } catch (error) {
      guilty.set(entry, messageOf(error));
    }
  }
  const states: StateRow[] = [];
  for (const last of lastByKey.values()) {
    try {
      states.push(stateRow(last.result));
    } catch (error) {
      guilty.set(firstGuilty(batch, last) ?? last, messageOf(error));
    }
  }
  if (guilty.size > 0) return guilty;
  return { ids, states, graves, history, raw, quarantine, derived, forwarded };
}

function stateRow({ etype, eid, record }: TaskResult): StateRow {
  const view = record ?? { state: null, lastIncarnation: 0 };
  return { key: recordKeyToWrite(etype ?? '', eid ?? ''), view, value: view.state && writeRecord(view.state) };
}

/** A state is handed from task to task: the first that can not be stored is to blame, not the last. */
function firstGuilty({ entries }: Batch, { result }: BatchEntry): BatchEntry | undefined {
  return entries.find((entry) => {
    if (entry.result.etype !== result.etype || entry.result.eid !== result.eid) return false;
    try {
      stateRow(entry.result);
      return false;
    } catch {
      return true;
    }
  });
}

/** The last incarnation that this result may have ended, 0 for none. A record as young as its last change may follow one that it ended. */
function lastDead(view: RecordView): number {
  if (view.state === null) return view.lastIncarnation;
  return view.state.created === view.state.updated ? view.state.incarnation - 1 : 0;
}

/** Numbered by the record's own count: the rows of a result are the last ones of their attribute. */
function historyRows(key: Buffer, { record, history }: TaskResult): Row[] {
  if (history.length === 0 || !record?.state) return [];
  const { incarnation, observations, timeseries } = record.state;
  const prefix = incarnationPrefix(key, incarnation);
  const attributes = new Map<string, { readonly prefix: Buffer; next: number }>();
  for (const { attr } of history) {
    const attribute = attributes.get(attr);
    if (attribute !== undefined) attribute.next -= 1;
    else {
      const count = (observations.get(attr) ?? timeseries.get(attr))?.count ?? 0;
      attributes.set(attr, { prefix: attributePrefix(prefix, attr), next: count - 1 });
    }
  }
  return history.map((row) => {
    const attribute = attributes.get(row.attr) ?? { prefix: attributePrefix(prefix, row.attr), next: 0 };
    return [historyKey(attribute.prefix, row.t1, attribute.next++), writePoint(row)];
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
