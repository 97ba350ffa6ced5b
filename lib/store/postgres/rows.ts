/**
 * Rows of a batch: everything that its results put into the tables, written into the columns of the commit. States of one key fold to
 * the last one; each delete leaves a grave for its history. What the client can tell to be unstorable is found here, entry by entry.
 */

import type { DataPoint } from '../../model/datapoint.js';
import { MAX_NAME_BYTES } from '../../model/entity.js';
import { MAX_ID_BYTES } from '../../model/entity-id.js';
import type { HistoryRow, RecordState, RecordView, TaskResult } from '../../model/record.js';
import { idOfAnother } from '../../model/task-id.js';
import { ALLOWED_TEXT, isStorable } from '../../model/text.js';
import type { Instant } from '../../model/time.js';
import { messageOf } from '../../runtime/errors.js';
import type { Batch, BatchEntry } from '../store.js';
import { inboxId } from './inbox-id.js';
import type { Parts } from './parts.js';
import { StreamRows } from './streams.js';
import { type JsonWriter, readable } from './values.js';

/** What a batch leaves of one entity. */
interface Left {
  /** The last that changed it. */
  last: BatchEntry;
  /** The last incarnation that ended in it, 0 for none. */
  dead: number;
}

/** By entity type and id: joining them to one key would cost more than all that is written of the entity's key. */
class Entities {
  private readonly types = new Map<string, Map<string, Left>>();

  add(etype: string, eid: string, entry: BatchEntry, dead: number): void {
    let entities = this.types.get(etype);
    if (entities === undefined) {
      entities = new Map();
      this.types.set(etype, entities);
    }
    const left = entities.get(eid);
    if (left === undefined) entities.set(eid, { last: entry, dead });
    else {
      left.last = entry;
      if (dead > left.dead) left.dead = dead;
    }
  }

  forEach(use: (etype: string, eid: string, left: Left) => void): void {
    for (const [etype, entities] of this.types) for (const [eid, left] of entities) use(etype, eid, left);
  }
}

/** Fills the columns. Null when all could be written, else by guilty entry why its data can not be stored. */
export function writeRows(
  { entries, inbox }: Pick<Batch, 'entries' | 'inbox'>,
  parts: Parts,
  json: JsonWriter,
): ReadonlyMap<BatchEntry, string> | null {
  const guilty = new Map<BatchEntry, string>();
  const entities = new Entities();
  const quarantined = new Set<string>();
  const streams = new StreamRows();
  for (const entry of entries) {
    try {
      const { delivery } = entry;
      if (inbox && !delivery.deduplicated && entry.result.reason?.withoutId !== true) {
        parts.inbox.columns.id.addUuid(inboxId(delivery.id));
        parts.inbox.columns.digest.addLongOfBytes(delivery.digest);
      }
      streams.add(delivery);
      writeRecordRows(entry, parts, json, entities);
      if (entry.result.reason !== undefined) writeQuarantine(entry, parts, quarantined);
      writeDerived(entry.result, parts);
    } catch (error) {
      guilty.set(entry, messageOf(error));
    }
  }
  entities.forEach((etype, eid, { last, dead }) => {
    try {
      writeState(last.result, parts, json);
    } catch (error) {
      guilty.set(firstGuilty(entries, last, json) ?? last, messageOf(error));
    }
    if (dead === 0) return;
    const { columns } = parts.graves;
    columns.etype.addText(etype);
    columns.eid.addText(eid);
    columns.incarnation.addInt4(dead);
  });
  streams.write(parts);
  json.forget();
  return guilty.size > 0 ? guilty : null;
}

function writeRecordRows(entry: BatchEntry, parts: Parts, json: JsonWriter, entities: Entities): void {
  const { etype, eid, record } = entry.result;
  const state = record?.state ?? null;
  if (record !== undefined && etype !== null && eid !== null) {
    checkKey(etype, eid);
    entities.add(etype, eid, entry, lastDead(record));
  }
  writePoints(entry.result, state, parts, json);
}

/** The last incarnation that this result may have ended, 0 for none. A record as young as its last change may follow one that it ended. */
function lastDead(view: RecordView): number {
  if (view.state === null) return view.lastIncarnation;
  return view.state.created === view.state.updated ? view.state.incarnation - 1 : 0;
}

/** Rows of history, which are those of the state that follows, and accepted data-points. Both are in the order in which the points came. */
function writePoints({ history, raw }: TaskResult, state: RecordState | null, parts: Parts, json: JsonWriter): void {
  const numbers = state === null ? NO_NUMBERS : firstNumbers(history, state);
  let at = 0;
  for (const point of raw) {
    if (point.src !== null && !isStorable(point.src))
      throw new RangeError(`the source of a data-point of ${point.attr} is not ${ALLOWED_TEXT}`);
    const row = history[at];
    if (state !== null && row !== undefined && isOf(row, point, state)) {
      const { columns } = parts.observed;
      writeHistory(row, state, numbers, columns);
      columns.src.addTextOrNull(point.src);
      columns.v.addText(json.value(row.v));
      at++;
    } else writeRaw(point, parts, json);
  }
  if (state === null) return;
  for (; at < history.length; at++) {
    const { columns } = parts.history;
    const row = history[at]!;
    writeHistory(row, state, numbers, columns);
    columns.v.addJsonb(json.value(row.v));
  }
}

const NO_NUMBERS: Map<string, number> = new Map();

/** Of the next row of each attribute, by the record's own count: the rows of a result are the last ones of their attribute. */
function firstNumbers(history: readonly HistoryRow[], { observations, timeseries }: RecordState): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const { attr } of history) numbers.set(attr, (numbers.get(attr) ?? 0) + 1);
  numbers.forEach((rows, attr) => {
    const { count } = observations.get(attr) ?? timeseries.get(attr) ?? { count: rows };
    numbers.set(attr, count - rows);
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
  columns: Omit<Parts['history']['columns'], 'v'>,
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

function writeState({ etype, eid, record }: TaskResult, { records, deleted }: Parts, json: JsonWriter): void {
  const state = record?.state ?? null;
  if (state === null) {
    deleted.columns.etype.addText(etype ?? '');
    deleted.columns.eid.addText(eid ?? '');
    return;
  }
  const { columns } = records;
  const { ttlTokens, plain, observations, timeseries } = state;
  columns.etype.addText(state.etype);
  columns.eid.addText(state.eid);
  columns.hash.addInt4(state.hash);
  columns.incarnation.addInt4(state.incarnation);
  columns.created.addInstant(state.created);
  columns.updated.addInstant(state.updated);
  columns.expiring.addInstantOrNull(latestToken(ttlTokens));
  if (ttlTokens.size > 0) columns.ttl.addJsonb(json.ttl(ttlTokens));
  else columns.ttl.addNull();
  if (plain.size > 0) columns.plain.addJsonb(json.plain(plain));
  else columns.plain.addNull();
  if (observations.size > 0) columns.observations.addJsonb(json.summaries(observations));
  else columns.observations.addNull();
  if (timeseries.size > 0) columns.timeseries.addJsonb(json.summaries(timeseries));
  else columns.timeseries.addNull();
}

function latestToken(tokens: ReadonlyMap<string, Instant>): Instant | null {
  let latest: Instant | null = null;
  for (const until of tokens.values()) if (latest === null || latest < until) latest = until;
  return latest;
}

function writeRaw({ etype, eid, attr, v, t1, t2, c, src }: DataPoint, parts: Parts, json: JsonWriter): void {
  const { columns } = parts.raw;
  columns.etype.addText(etype);
  columns.eid.addText(eid);
  columns.attr.addText(attr);
  columns.t1.addInstantOrNull(t1);
  columns.t2.addInstantOrNull(t2);
  columns.c.addFloat8(c);
  columns.src.addTextOrNull(src);
  columns.v.addText(json.value(v));
}

function writeDerived({ derived }: TaskResult, parts: Parts): void {
  const { columns } = parts.outbox;
  for (const { id, index, key, priority, body, forwarded = false } of derived) {
    columns.id.addText(id);
    columns.destination.addInt4(index);
    columns.key.addText(key);
    columns.priority.addBoolean(priority);
    columns.body.addBytes(body);
    columns.forwarded.addBoolean(forwarded);
  }
}

/** What can not be stored is put aside here in the end: of what it quotes, letters that are not text are replaced. */
function writeQuarantine({ delivery, result }: BatchEntry, parts: Parts, written: Set<string>): void {
  const { columns } = parts.quarantine;
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

/** A state is handed from task to task: the first that can not be stored is to blame, not the last. */
function firstGuilty(entries: readonly BatchEntry[], { result }: BatchEntry, json: JsonWriter): BatchEntry | undefined {
  return entries.find((entry) => {
    const { etype, eid, record } = entry.result;
    if (etype !== result.etype || eid !== result.eid || !record?.state) return false;
    try {
      json.plain(record.state.plain);
      json.summaries(record.state.observations);
      json.summaries(record.state.timeseries);
      return false;
    } catch {
      return true;
    }
  });
}

function checkKey(etype: string, eid: string): void {
  if (isKey(etype, MAX_NAME_BYTES) && isKey(eid, MAX_ID_BYTES)) return;
  const given = `${etype}:${eid}`.slice(0, 100);
  const allowed = `${ALLOWED_TEXT}, of at most ${MAX_NAME_BYTES} bytes and ${MAX_ID_BYTES} bytes`;
  throw new RangeError(`Entity ${given} can not be a key; allowed are a type and an id of ${allowed}.`);
}

function isKey(text: string, maxBytes: number): boolean {
  return isStorable(text) && (3 * text.length <= maxBytes || Buffer.byteLength(text) <= maxBytes);
}
