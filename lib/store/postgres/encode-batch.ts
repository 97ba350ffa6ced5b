/** Encodes the changes of a batch into the columns of the commit. Both kinds of points stand in the order in which they came. */
import type { DataPoint } from '../../model/datapoint.js';
import { type HistoryRow, latestToken, type RecordState, type TaskResult } from '../../model/record.js';
import type { OutgoingTask } from '../../model/task.js';
import { idOfAnother } from '../../model/task-id.js';
import { ALLOWED_TEXT, isStorable } from '../../model/text.js';
import { type Changes, firstNumber, type RecordChange } from '../changes.js';
import type { BatchEntry } from '../store.js';
import type { CommitRows } from './commit-statement.js';
import { inboxId } from './inbox.js';
import { StreamRows } from './streams.js';
import { type JsonWriter, readable } from './values.js';

/** Fills the columns, which are worth nothing where it found entries guilty. */
export function encodeBatch(changes: Changes, rows: CommitRows, json: JsonWriter): void {
  const streams = new StreamRows();
  const quarantined = new Set<string>();
  changes.each(changes.inbox, ({ delivery: { id, digest } }) => {
    rows.inbox.columns.id.addUuid(inboxId(id));
    rows.inbox.columns.digest.addLongOfBytes(digest);
  });
  changes.each(changes.batch.entries, ({ delivery, result }) => {
    streams.add(delivery);
    writePoints(result, rows, json);
  });
  changes.each(changes.quarantined, (entry) => writeQuarantine(entry, rows, quarantined));
  changes.each(changes.sending, ({ sends = [] }) => writeDerived(sends, rows));
  changes.eachRecord(
    (change) => writeRecord(change, rows, json),
    ({ record }) => {
      if (!record?.state) return;
      json.plain(record.state.plain);
      json.summaries(record.state.observations);
      json.summaries(record.state.timeseries);
    },
  );
  streams.write(rows);
  json.forget();
}

/** Rows of history, which are those of the state that follows, and accepted data-points. */
function writePoints({ history, raw, record }: TaskResult, rows: CommitRows, json: JsonWriter): void {
  const state = record?.state ?? null;
  const numbers = state === null || history.length === 0 ? NO_NUMBERS : firstNumbers(history, state);
  let at = 0;
  for (const point of raw) {
    if (point.src !== null && !isStorable(point.src))
      throw new RangeError(`the source of a data-point of ${point.attr} is not ${ALLOWED_TEXT}`);
    const row = history[at];
    if (state !== null && row !== undefined && isOf(row, point, state)) {
      const { columns } = rows.observed;
      writeHistory(row, state, numbers, columns);
      columns.src.addTextOrNull(point.src);
      columns.v.addText(json.value(row.v));
      at++;
    } else writeRaw(point, rows, json);
  }
  if (state === null) return;
  for (; at < history.length; at++) {
    const { columns } = rows.history;
    const row = history[at]!;
    writeHistory(row, state, numbers, columns);
    columns.v.addJsonb(json.value(row.v));
  }
}

const NO_NUMBERS: Map<string, number> = new Map();

/** Of the next row of each attribute. */
function firstNumbers(history: readonly HistoryRow[], state: RecordState): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const { attr } of history) numbers.set(attr, (numbers.get(attr) ?? 0) + 1);
  numbers.forEach((rows, attr) => {
    numbers.set(attr, firstNumber(state, attr, rows));
  });
  return numbers;
}

/** Whether a row of history is this data-point as it was accepted. */
function isOf(row: HistoryRow, { etype, eid, attr, v, t1, t2, c }: DataPoint, state: RecordState): boolean {
  const same = row.v === v && row.attr === attr && row.t1 === t1 && row.t2 === t2 && row.c === c;
  return same && state.eid === eid && state.etype === etype;
}

/** All but the value. */
function writeHistory(
  row: HistoryRow,
  state: RecordState,
  numbers: Map<string, number>,
  columns: Omit<CommitRows['history']['columns'], 'v'>,
): void {
  const number = numbers.get(row.attr) ?? 0;
  numbers.set(row.attr, number + 1);
  columns.etype.addText(state.etype);
  columns.eid.addText(state.eid);
  columns.attr.addText(row.attr);
  columns.incarnation.addInt4(state.incarnation);
  columns.n.addInt8(number);
  columns.t1.addInstant(row.t1);
  columns.t2.addInstant(row.t2);
  columns.c.addFloat8(row.c);
}

function writeRaw({ etype, eid, attr, v, t1, t2, c, src }: DataPoint, rows: CommitRows, json: JsonWriter): void {
  const { columns } = rows.raw;
  columns.etype.addText(etype);
  columns.eid.addText(eid);
  columns.attr.addText(attr);
  columns.t1.addInstantOrNull(t1);
  columns.t2.addInstantOrNull(t2);
  columns.c.addFloat8(c);
  columns.src.addTextOrNull(src);
  columns.v.addText(json.value(v));
}

function writeRecord({ etype, eid, view, ended }: RecordChange, rows: CommitRows, json: JsonWriter): void {
  if (view.state !== null) writeState(view.state, rows, json);
  else {
    rows.deleted.columns.etype.addText(etype);
    rows.deleted.columns.eid.addText(eid);
  }
  if (ended === 0) return;
  const { columns } = rows.tombstones;
  columns.etype.addText(etype);
  columns.eid.addText(eid);
  columns.incarnation.addInt4(ended);
}

function writeState(state: RecordState, { records: { columns } }: CommitRows, json: JsonWriter): void {
  const { ttlTokens, plain, observations, timeseries } = state;
  columns.etype.addText(state.etype);
  columns.eid.addText(state.eid);
  columns.hash.addInt4(state.hash);
  columns.incarnation.addInt4(state.incarnation);
  columns.created.addInstant(state.created);
  columns.updated.addInstant(state.updated);
  columns.expiring.addInstantOrNull(latestToken(state));
  if (ttlTokens.size > 0) columns.ttl.addJsonb(json.ttl(ttlTokens));
  else columns.ttl.addNull();
  if (plain.size > 0) columns.plain.addJsonb(json.plain(plain));
  else columns.plain.addNull();
  if (observations.size > 0) columns.observations.addJsonb(json.summaries(observations));
  else columns.observations.addNull();
  if (timeseries.size > 0) columns.timeseries.addJsonb(json.summaries(timeseries));
  else columns.timeseries.addNull();
}

function writeDerived(sends: readonly OutgoingTask[], { outbox: { columns } }: CommitRows): void {
  for (const { id, index, key, priority, body, forwarded = false } of sends) {
    columns.id.addText(id);
    columns.destination.addInt4(index);
    columns.key.addText(key);
    columns.priority.addBoolean(priority);
    columns.body.addBytes(body);
    columns.forwarded.addBoolean(forwarded);
  }
}

/** What cannot be stored is put aside here in the end: of what it quotes, letters that are not text are replaced. */
function writeQuarantine(
  { delivery, result }: BatchEntry,
  { quarantine: { columns } }: CommitRows,
  written: Set<string>,
): void {
  const { etype, eid, reason } = result;
  const id = readable(delivery.id);
  const other = idOfAnother(id, delivery.digest);
  // Where no ids are kept, the same message may come twice in one batch, and another one under its id.
  if (written.has(other)) return;
  const isFirst = !written.has(id);
  written.add(id);
  written.add(other);
  const named = etype !== null && eid !== null && isStorable(etype) && isStorable(eid);
  columns.id.addText(id);
  columns.other.addText(other);
  columns.first.addBoolean(isFirst);
  columns.etype.addTextOrNull(named ? etype : null);
  columns.eid.addTextOrNull(named ? eid : null);
  columns.code.addText(reason?.code ?? '');
  columns.reason.addText(readable(reason?.sentence ?? ''));
  columns.body.addBytes(delivery.body);
}
