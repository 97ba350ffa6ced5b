/**
 * Rows of a batch: everything that its results put into the store, encoded before the transaction begins, so that nothing in there
 * can fail for what the data are. States of one key fold to the last one; each delete leaves a grave for its history.
 */
import type { RecordView } from '../../model/record.js';
import type { OutgoingTask } from '../../model/task.js';
import type { TaskDigest } from '../../model/task-digest.js';
import { idOfAnother } from '../../model/task-id.js';
import { instantOfMs } from '../../model/time.js';
import { messageOf } from '../../runtime/errors.js';
import type { Batch, BatchEntry } from '../store.js';
import { incarnationPrefix, recordKeyToWrite } from './keys.js';
import type { StoredPoint } from './record-row.js';
import { Texts, writeQuarantined } from './values.js';

type Row = readonly [key: Buffer, value: Buffer];

/** The last state of a record in a batch. */
export interface StateRow {
  readonly key: Buffer;
  readonly view: RecordView;
  /** The state as JSON; null where the record is absent. */
  readonly text: string | null;
  /** What the batch adds to the history of its incarnation. */
  readonly points: readonly StoredPoint[];
}

/** An id, and the task that came under it. */
export type InboxRow = readonly [id: string, digest: TaskDigest];

/** `other`: the key where another message is there under the first one. */
export interface QuarantineRow {
  readonly key: Buffer;
  readonly other: Buffer;
  readonly value: Buffer;
}

export interface Rows {
  readonly ids: readonly InboxRow[];
  readonly states: readonly StateRow[];
  readonly graves: readonly Row[];
  /** Raw data-points, each as JSON. */
  readonly raw: readonly string[];
  readonly quarantine: readonly QuarantineRow[];
  readonly derived: readonly OutgoingTask[];
  /** Tasks that keep the id of their sender, who may send the same to its index himself. */
  readonly forwarded: readonly OutgoingTask[];
}

const NOTHING = Buffer.alloc(0);

/** The rows, or by guilty entry why its data can not be stored. */
export function rowsOf(batch: Batch, nowMs: number): Rows | ReadonlyMap<BatchEntry, string> {
  const guilty = new Map<BatchEntry, string>();
  const texts = new Texts();
  const ids: InboxRow[] = [];
  const changes = new Map<string, Change>();
  const graves: Row[] = [];
  const raw: string[] = [];
  const quarantine: QuarantineRow[] = [];
  const derived: OutgoingTask[] = [];
  const forwarded: OutgoingTask[] = [];
  for (const entry of batch.entries) {
    const { delivery, result } = entry;
    try {
      if (batch.inbox && !delivery.deduplicated && result.reason?.withoutId !== true)
        ids.push([delivery.id, delivery.digest]);
      if (result.record !== undefined) fold(changes, graves, entry, texts);
      if (result.reason) quarantine.push(quarantineRow(entry, nowMs));
      for (const point of result.raw) raw.push(texts.raw(point));
      const own = delivery.deduplicated || result.outcome !== 'forwarded';
      for (const task of result.derived) (own ? derived : forwarded).push(task);
    } catch (error) {
      guilty.set(entry, messageOf(error));
    }
  }
  const states: StateRow[] = [];
  for (const { key, last, view, points } of changes.values()) {
    try {
      states.push({ key, view, points, text: view.state && texts.record(view.state) });
    } catch (error) {
      guilty.set(firstGuilty(batch, last) ?? last, messageOf(error));
    }
  }
  if (guilty.size > 0) return guilty;
  return { ids, states, graves, raw, quarantine, derived, forwarded };
}

/** What a batch does to one record. */
interface Change {
  readonly key: Buffer;
  /** The entry that left it as it is. */
  last: BatchEntry;
  view: RecordView;
  /** Of the incarnation that `view` has. */
  points: StoredPoint[];
}

function fold(changes: Map<string, Change>, graves: Row[], entry: BatchEntry, texts: Texts): void {
  const { etype, eid, record, history } = entry.result;
  if (etype === null || eid === null || record === undefined) return;
  const name = `${etype}\0${eid}`;
  let change = changes.get(name);
  if (change === undefined) {
    change = { key: recordKeyToWrite(etype, eid), last: entry, view: record, points: [] };
    changes.set(name, change);
  } else if (change.view.state?.incarnation !== record.state?.incarnation) change.points = [];
  change.last = entry;
  change.view = record;
  const dead = lastDead(record);
  if (dead > 0) graves.push([incarnationPrefix(change.key, dead), NOTHING]);
  if (record.state !== null) for (const row of history) change.points.push({ attr: row.attr, json: texts.point(row) });
}

/** A state is handed from task to task: the first that can not be stored is to blame, not the last. */
function firstGuilty({ entries }: Batch, { result }: BatchEntry): BatchEntry | undefined {
  return entries.find((entry) => {
    if (entry.result.etype !== result.etype || entry.result.eid !== result.eid) return false;
    try {
      recordKeyToWrite(entry.result.etype ?? '', entry.result.eid ?? '');
      if (entry.result.record?.state) new Texts().record(entry.result.record.state);
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

function quarantineRow({ delivery, result }: BatchEntry, nowMs: number): QuarantineRow {
  const { etype, eid, reason } = result;
  const value = writeQuarantined({
    time: instantOfMs(nowMs),
    etype,
    eid,
    code: reason?.code ?? '',
    reason: reason?.sentence ?? '',
    body: delivery.body,
  });
  const { id, digest } = delivery;
  return { key: Buffer.from(id, 'utf8'), other: Buffer.from(idOfAnother(id, digest), 'utf8'), value };
}
