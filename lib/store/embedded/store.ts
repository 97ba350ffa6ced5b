/**
 * The embedded store of one index: tables in the environment of its process, which it shares with the queue. A commit is one
 * transaction of LMDB that holds everything: inbox, records, history, raw data-points, derived tasks in the outbox, quarantine, and
 * the cursors of the deliveries that are settled in it. Either all of it is on the disk or nothing is.
 *
 * A delete leaves a row with the last incarnation and a tombstone; the history behind it is removed later, in bounded steps (purge.ts).
 */
import type { Environment } from '../../embedded/env.js';
import { indexOfName } from '../../embedded/folder.js';
import type { Participant } from '../../embedded/participant.js';
import type { RecordState, RecordView } from '../../model/record.js';
import type { TaskDigest } from '../../model/task-digest.js';
import { newTaskId } from '../../model/task-id.js';
import { asNewChain } from '../../model/task-serialise.js';
import type { Instant } from '../../model/time.js';
import { Placement } from '../../routing/placement.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { TrustedTime } from '../../runtime/trusted-time.js';
import { Changes, refusalOfTwins } from '../changes.js';
import type {
  Batch,
  BatchEntry,
  CommitOutcome,
  Due,
  DueKind,
  Ownership,
  QuarantineDesk,
  Store,
  StoreEvents,
} from '../store.js';
import { type EncodedBatch, encodeBatch, type InboxRow, type QuarantineRow } from './encode-batch.js';
import { findExpired, noteExpiry } from './expiry.js';
import { chunksOf, isFull } from './history.js';
import { inboxValue, incarnationValue, readInboxDigest, readIncarnationValue, recordKey, storedKey } from './keys.js';
import { Purge } from './purge.js';
import { RecordRows, recentOf, type StoredPoint, stateIn } from './record-row.js';
import type { RetentionOptions } from './retention.js';
import { openTables, type Tables } from './tables.js';
import { readQuarantined, readQuarantinedBody, readRecord, writeRawRow } from './values.js';

const NOTHING = Buffer.alloc(0);

export interface EmbeddedStoreOptions extends Partial<RetentionOptions> {
  /** How long ids of senders are kept, who may send the same again. */
  readonly inboxRetentionMs: number;
  readonly clock?: Clock;
  /** What is old goes by it; without it, by the clock from now on. */
  readonly time?: TrustedTime;
}

export class EmbeddedStore implements Store {
  readonly name = 'embedded store';
  /** The commit itself puts derived tasks into their queues. */
  readonly outbox = null;
  readonly quarantine: QuarantineDesk;
  /** A task waits in the outbox of its sender until it is committed here. */
  readonly streams = null;
  private readonly environment: Environment;
  private readonly clock: Clock;
  private readonly purging: Purge;
  private readonly placement: Placement;
  private tables_: Tables | null = null;
  private readonly rows = new RecordRows();
  private rawNumber = 0;

  constructor(
    private readonly participant: Participant,
    options: EmbeddedStoreOptions,
  ) {
    this.environment = participant.environment;
    this.placement = new Placement(participant.folder.numProcesses);
    this.clock = options.clock ?? systemClock;
    const { inboxRetentionMs, rawRetentionMs = null, histories = [] } = options;
    const time = options.time ?? new TrustedTime(this.clock, this.clock.now());
    this.purging = new Purge(participant, { inboxRetentionMs, rawRetentionMs, histories }, this.clock, time);
    this.quarantine = {
      retry: async (_index, id) => this.retry(id),
      drop: async (_index, id) => this.takeQuarantined(id, () => {}),
    };
  }

  listen(events: Pick<StoreEvents, 'lost'>): void {
    this.environment.onLost((why) => events.lost(why));
  }

  async start(): Promise<void> {
    this.tables_ = openTables(this.environment);
  }

  async stop(): Promise<void> {
    this.tables_ = null;
  }

  async own(index: number): Promise<Ownership> {
    const own = this.ownIndex();
    if (index !== own) throw new Error(`this is the store of index ${own}, asked for was index ${index}`);
    return { index, epoch: this.environment.claim() };
  }

  async release(ownership: Ownership): Promise<void> {
    if (this.environment.epoch === ownership.epoch) this.environment.release();
  }

  /** A process that stands still lives, and is not succeeded. */
  holds(): boolean {
    return this.environment.isOwned;
  }

  async known(_index: number, ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>> {
    const { inbox } = this.tables;
    return this.environment.look(() => {
      const known = new Map<string, TaskDigest | null>();
      for (const id of ids) {
        const value = inbox.get(Buffer.from(id, 'utf8'));
        if (value !== undefined) known.set(id, readInboxDigest(value));
      }
      return known;
    });
  }

  async isEmpty(): Promise<boolean> {
    return this.environment.look(() => Array.from(this.tables.records.getKeys({ limit: 1 })).length === 0);
  }

  async load(keys: readonly (readonly [etype: string, eid: string])[]): Promise<readonly RecordView[]> {
    return this.environment.look(() => keys.map(([etype, eid]) => viewOf(this.tables, etype, eid)));
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    if (this.environment.epoch !== batch.ownership.epoch) return { kind: 'outdated' };
    const now = this.clock.now();
    const changes = new Changes(batch);
    const encoded = encodeBatch(changes, now);
    if (changes.guilty.size > 0) return { kind: 'unstorable', entries: changes.guilty };
    const refusal = refusalOfTwins(changes.inbox);
    if (refusal !== null) return refusal;
    try {
      this.environment.transaction(() => {
        this.writeInbox(encoded.inbox, now);
        this.write(encoded, now);
        for (const entry of changes.sending) this.enqueue(entry);
        for (const { delivery } of batch.entries) delivery.settle();
      });
    } catch (error) {
      if (error instanceof DoneBefore) return { kind: 'done-before', ids: error.ids };
      if (error instanceof ApplicationError && error.code === 'OWNERSHIP_LOST') return { kind: 'outdated' };
      throw error;
    }
    return { kind: 'stored' };
  }

  async purge(): Promise<boolean> {
    return this.environment.epoch > 0 && this.purging.step(this.tables);
  }

  async due({ etype }: DueKind, before: Instant, limit: number): Promise<Due> {
    if (this.environment.epoch === 0) return { records: [], more: false };
    return findExpired(this.environment, this.tables, etype, before, limit);
  }

  private get tables(): Tables {
    if (this.tables_ === null) throw new Error('the embedded store is not started');
    return this.tables_;
  }

  /** A task that was forwarded keeps the id of its sender, who may send the same to its index himself. */
  private enqueue({ delivery, result, sends = [] }: BatchEntry): void {
    this.participant.outbox.enqueue(sends, delivery.deduplicated || result.outcome !== 'forwarded');
  }

  private writeInbox(rows: readonly InboxRow[], now: number): void {
    const { inbox } = this.tables;
    const known = new Map<string, TaskDigest | null>();
    for (const { key, digest } of rows) {
      const value = inbox.doesExist(key) ? inbox.get(key) : undefined;
      if (value === undefined) inbox.putSync(key, inboxValue(now, digest));
      else known.set(key.toString('utf8'), readInboxDigest(value));
    }
    if (known.size > 0) throw new DoneBefore(known);
  }

  private write({ states, raw, quarantine }: EncodedBatch, now: number): void {
    const { tables } = this;
    const { records, absent, tombstones } = tables;
    for (const { key, view, text, points, tombstone } of states) {
      if (view.state === null) {
        records.removeSync(key);
        absent.putSync(key, incarnationValue(view.lastIncarnation));
      } else if (text !== null) {
        this.writeRecord(key, view.state, text, points);
        if (view.state.incarnation > 1) absent.removeSync(key);
      }
      if (tombstone !== null) tombstones.putSync(tombstone, NOTHING);
      noteExpiry(tables, key, view);
    }
    for (const row of quarantine) putAside(tables.quarantine, row);
    if (raw.length > 0) tables.raw.putSync(this.rawKey(now), writeRawRow(raw));
  }

  private writeRecord(key: Buffer, state: RecordState, text: string, points: readonly StoredPoint[]): void {
    const { records, history } = this.tables;
    const { incarnation } = state;
    const { row, pointsAt } = this.rows.make(incarnation, text, recentOf(records.get(key), incarnation), points);
    const recent = row.subarray(pointsAt);
    const full = isFull(state, recent, points.length);
    records.putSync(key, full ? row.subarray(0, pointsAt) : row);
    if (full) for (const [chunk, value] of chunksOf(key, state, recent)) history.putSync(chunk, value);
  }

  private rawKey(now: number): Buffer {
    return storedKey(now, this.environment.epoch, this.rawNumber++ % 2 ** 32);
  }

  /** To the priority queue of its own index: it never has to wait for room. What belongs elsewhere by now is forwarded from there. */
  private retry(id: string): boolean {
    return this.takeQuarantined(id, (value) => {
      const { etype, eid } = readQuarantined(id, 0, value);
      const key = etype === null || eid === null ? '' : `${etype}:${eid}`;
      const index = key === '' ? this.ownIndex() : this.placement.indexOf(key);
      this.participant.outbox.enqueue(
        [{ id: newTaskId(), key, index, priority: true, body: asNewChain(readQuarantinedBody(value)) }],
        true,
      );
    });
  }

  private takeQuarantined(id: string, andThen: (value: Buffer) => void): boolean {
    const { quarantine } = this.tables;
    const key = Buffer.from(id, 'utf8');
    return this.environment.transaction(() => {
      const value = quarantine.get(key);
      if (value === undefined) return false;
      quarantine.removeSync(key);
      andThen(value);
      return true;
    });
  }

  private ownIndex(): number {
    return indexOfName(this.environment.name) ?? 0;
  }
}

/** Thrown inside the transaction so that nothing of it stays. */
class DoneBefore extends Error {
  constructor(readonly ids: ReadonlyMap<string, TaskDigest | null>) {
    super('some of these ids are committed already');
  }
}

/** Where no ids are kept, or not any more, another message may be there under an id: neither is to go. */
function putAside(quarantine: Tables['quarantine'], { key, other, value }: QuarantineRow): void {
  const before = quarantine.get(key);
  const isAnother = before !== undefined && !readQuarantinedBody(before).equals(readQuarantinedBody(value));
  quarantine.putSync(isAnother ? other : key, value);
}

/** The committed state of a record. */
export function viewOf(tables: Tables, etype: string, eid: string): RecordView {
  const key = recordKey(etype, eid);
  const stored = tables.records.get(key);
  if (stored !== undefined) return { state: readRecord(etype, eid, stateIn(stored)) };
  const absent = tables.absent.get(key);
  return { state: null, lastIncarnation: absent === undefined ? 0 : readIncarnationValue(absent) };
}
