/**
 * Encodes the changes of a batch as rows of the tables, before the transaction begins, so that nothing in there can fail for what the
 * data are.
 */
import type { RecordView } from '../../model/record.js';
import type { TaskDigest } from '../../model/task-digest.js';
import { idOfAnother } from '../../model/task-id.js';
import { instantOfMs } from '../../model/time.js';
import type { Changes, RecordChange } from '../changes.js';
import type { BatchEntry } from '../store.js';
import { incarnationPrefix, recordKey } from './keys.js';
import type { StoredPoint } from './record-row.js';
import { Texts, writeQuarantined } from './values.js';

/** The last state of a record in a batch. */
export interface StateRow {
  readonly key: Buffer;
  readonly view: RecordView;
  /** The state as JSON; null where the record is absent. */
  readonly text: string | null;
  /** What the batch adds to the history of its incarnation. */
  readonly points: readonly StoredPoint[];
  /** The key of the last incarnation that ended; null for none. */
  readonly tombstone: Buffer | null;
}

/** An id, and the task that came under it. */
export interface InboxRow {
  readonly key: Buffer;
  readonly digest: TaskDigest;
}

/** `other`: the key where another message is there under the first one. */
export interface QuarantineRow {
  readonly key: Buffer;
  readonly other: Buffer;
  readonly value: Buffer;
}

export interface EncodedBatch {
  readonly inbox: readonly InboxRow[];
  readonly states: readonly StateRow[];
  /** Raw data-points, each as JSON. */
  readonly raw: readonly string[];
  readonly quarantine: readonly QuarantineRow[];
}

/** Worth nothing where it found entries guilty. */
export function encodeBatch(changes: Changes, nowMs: number): EncodedBatch {
  const texts = new Texts();
  const inbox: InboxRow[] = [];
  const states: StateRow[] = [];
  const raw: string[] = [];
  const quarantine: QuarantineRow[] = [];
  changes.each(changes.inbox, ({ delivery: { id, digest } }) => {
    inbox.push({ key: Buffer.from(id, 'utf8'), digest });
  });
  changes.each(changes.batch.entries, ({ result }) => {
    for (const point of result.raw) raw.push(texts.raw(point));
  });
  changes.each(changes.quarantined, (entry) => {
    quarantine.push(quarantineRow(entry, nowMs));
  });
  changes.eachRecord(
    (change) => states.push(stateRow(change, texts)),
    ({ record, history }) => {
      for (const row of history) texts.point(row);
      if (record?.state) texts.record(record.state);
    },
  );
  return { inbox, states, raw, quarantine };
}

function stateRow({ etype, eid, entries, view, ended }: RecordChange, texts: Texts): StateRow {
  const key = recordKey(etype, eid);
  const tombstone = ended > 0 ? incarnationPrefix(key, ended) : null;
  const { state } = view;
  const points: StoredPoint[] = [];
  if (state === null) return { key, view, text: null, points, tombstone };
  for (const { result } of entries) {
    if (result.record?.state?.incarnation !== state.incarnation) continue;
    for (const row of result.history) points.push({ attr: row.attr, json: texts.point(row) });
  }
  return { key, view, text: texts.record(state), points, tombstone };
}

function quarantineRow({ delivery, result }: BatchEntry, nowMs: number): QuarantineRow {
  const { etype, eid, reason } = result;
  const { id, digest, body } = delivery;
  const { code = '', sentence = '' } = reason ?? {};
  const value = writeQuarantined({ time: instantOfMs(nowMs), etype, eid, code, reason: sentence, body });
  return { key: Buffer.from(id, 'utf8'), other: Buffer.from(idOfAnother(id, digest), 'utf8'), value };
}
