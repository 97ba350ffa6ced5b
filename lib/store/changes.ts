/**
 * Changes: what a batch does to a store, as data, made once and the same for every store. An adapter only encodes them.
 *
 * States of an entity fold to the last one. What an incarnation leaves behind when it ends is removed later: its number goes to the
 * tombstones. Whoever cannot be stored is named: a fault in an encoder blames the entry that brought it, not the whole batch.
 */
import { MAX_NAME_BYTES } from '../model/entity.js';
import { MAX_ID_BYTES } from '../model/entity-id.js';
import type { RecordState, RecordView, TaskResult } from '../model/record.js';
import { ALLOWED_TEXT, isStorable } from '../model/text.js';
import { messageOf } from '../runtime/errors.js';
import type { Batch, BatchEntry, CommitOutcome } from './store.js';

/** What a batch does to one record. */
export interface RecordChange {
  readonly etype: string;
  readonly eid: string;
  /** What changed it, in order. */
  readonly entries: BatchEntry[];
  /** As the last of them left it. */
  view: RecordView;
  /** The last incarnation that ended, 0 for none. */
  ended: number;
}

export class Changes {
  /** Those whose ids the inbox keeps. */
  readonly inbox: readonly BatchEntry[];
  readonly records: RecordChange[] = [];
  readonly quarantined: readonly BatchEntry[];
  /** Those whose results hold tasks to be sent on. */
  readonly sending: readonly BatchEntry[];
  /** Why each of these cannot be stored, as far as that is known without asking a server. */
  readonly guilty = new Map<BatchEntry, string>();
  /** By entity type and id: joining them to one key would cost more than all that is encoded of the key. */
  private readonly byType = new Map<string, Map<string, RecordChange>>();

  constructor(readonly batch: Batch) {
    const { entries } = batch;
    this.inbox = entriesForInbox(batch);
    this.quarantined = entries.filter(({ result }) => result.reason !== undefined);
    this.sending = entries.filter(({ sends = [] }) => sends.length > 0);
    this.each(entries, (entry) => this.fold(entry));
  }

  /** What is thrown says of the entry why it cannot be stored. */
  each(entries: readonly BatchEntry[], encode: (entry: BatchEntry) => void): void {
    for (const entry of entries) {
      try {
        encode(entry);
      } catch (error) {
        this.guilty.set(entry, messageOf(error));
      }
    }
  }

  /**
   * The same for each record. A state is handed from task to task: the first result that cannot be encoded is to blame, not the last.
   * `attempt` throws for one that cannot.
   */
  eachRecord(encode: (change: RecordChange) => void, attempt: (result: TaskResult) => void): void {
    for (const change of this.records) {
      try {
        encode(change);
      } catch (error) {
        const { entries } = change;
        const first = entries.find(({ result }) => throws(() => attempt(result))) ?? entries.at(-1);
        if (first !== undefined) this.guilty.set(first, messageOf(error));
      }
    }
  }

  private fold(entry: BatchEntry): void {
    const { etype, eid, record, ended = 0 } = entry.result;
    if (record === undefined || etype === null || eid === null) return;
    let changes = this.byType.get(etype);
    if (changes === undefined) {
      changes = new Map();
      this.byType.set(etype, changes);
    }
    const change = changes.get(eid);
    if (change === undefined) {
      refuseAsKey(etype, eid);
      const first = { etype, eid, entries: [entry], view: record, ended };
      changes.set(eid, first);
      this.records.push(first);
    } else {
      change.entries.push(entry);
      change.view = record;
      if (ended > change.ended) change.ended = ended;
    }
  }
}

export function entriesForInbox({ entries, inbox }: Batch): readonly BatchEntry[] {
  if (!inbox) return [];
  return entries.filter(({ delivery, result }) => !delivery.deduplicated && result.reason?.withoutId !== true);
}

/** Were the second of two deliveries with one id taken for committed before, both would be settled and neither stored. */
export function refusalOfTwins(inbox: readonly BatchEntry[]): CommitOutcome | null {
  const ids = new Set(inbox.map(({ delivery }) => delivery.id));
  return ids.size === inbox.length ? null : { kind: 'refused', why: 'a batch holds two deliveries of the same id' };
}

/** The number of the first of so many rows of history, the last ones of their attribute, by the count that the record keeps. */
export function firstNumber({ observations, timeseries }: RecordState, attr: string, rows: number): number {
  const summary = observations.get(attr) ?? timeseries.get(attr);
  return summary === undefined ? 0 : summary.count - rows;
}

/** @throws RangeError where no key can be made of the texts */
function refuseAsKey(etype: string, eid: string): void {
  if (isKey(etype, MAX_NAME_BYTES) && isKey(eid, MAX_ID_BYTES)) return;
  const given = `${etype}:${eid}`.slice(0, 100);
  const allowed = `${ALLOWED_TEXT}, of at most ${MAX_NAME_BYTES} bytes and ${MAX_ID_BYTES} bytes`;
  throw new RangeError(`Entity ${given} cannot be a key; allowed are a type and an id of ${allowed}.`);
}

function isKey(text: string, maxBytes: number): boolean {
  return isStorable(text) && (3 * text.length <= maxBytes || Buffer.byteLength(text) <= maxBytes);
}

function throws(work: () => void): boolean {
  try {
    work();
    return false;
  } catch {
    return true;
  }
}
