/**
 * Store: owners, records, history, raw data-points, inbox, outbox and quarantine of an application. Small interfaces, adapters
 * opened by lib/backend; the worker's side (Store) is used by the owner of an index alone, the reader's side by anyone.
 */
import type { Delivery } from '../model/delivery.js';
import type { HistoryRow, RecordState, RecordView, TaskResult } from '../model/record.js';
import type { OutgoingTask } from '../model/task.js';
import type { TaskDigest } from '../model/task-digest.js';
import type { Instant } from '../model/time.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';

/** Whoever only reads came before the first worker: `where` is the folder or schema. */
export class NoDataYet extends ApplicationError {
  constructor(where: string) {
    super('STORE_FAILED', `there is no data in ${where} yet`);
  }
}

/** The right to commit for an index; each take-over raises the epoch. */
export interface Ownership {
  readonly index: number;
  readonly epoch: number;
}

export interface BatchEntry {
  readonly delivery: Delivery;
  readonly result: TaskResult;
  /** To be sent once it is stored; absent where there is none. */
  readonly sends?: readonly OutgoingTask[];
}

/** Results in commit order; several of one key follow each other in the key's order, the last record state counts. */
export interface Batch {
  readonly ownership: Ownership;
  readonly entries: readonly BatchEntry[];
  /** Whether ids go into the inbox (effectively-once); deliveries that are `once` never need it. */
  readonly inbox: boolean;
}

/** `stored`: committed and every delivery settled. All else: nothing was stored and nothing settled. */
export type CommitOutcome =
  | { readonly kind: 'stored' }
  /**
   * These ids were committed before, each with the digest that was kept, null for none. What has the same is done; another task is to be
   * committed under another id. The rest of their keys is executed again from fresh records (rules.md: a repeat changes nothing).
   */
  | { readonly kind: 'done-before'; readonly ids: ReadonlyMap<string, TaskDigest | null> }
  /** These entries can never be stored (rules.md: a bad task harms only itself). */
  | { readonly kind: 'unstorable'; readonly entries: ReadonlyMap<BatchEntry, string> }
  /** It is refused as a whole, and the store cannot tell over which of its entries: they are to be committed in smaller batches. */
  | { readonly kind: 'refused'; readonly why: string }
  /** A passing reason: the same batch again later. `answers`: the store is there, and this is why it does not commit. */
  | { readonly kind: 'unavailable'; readonly why: string; readonly answers?: boolean }
  /** Another process took over: stop. */
  | { readonly kind: 'outdated' };

/** What a store tells by itself. */
export interface StoreEvents {
  /** An ownership is lost, though it was not released; told once, and why. */
  lost(why: string): void;
  /** What will keep it from storing one day, for whoever may help; null once that is over. */
  trouble(why: string | null): void;
  /** At the start: whether a pooler lends its connections to others, too, could not be found out. */
  poolingUnknown?(why: string): void;
}

export interface Store extends Service {
  listen(events: StoreEvents): void;
  /** Takes the index: epoch + 1. Throws OWNED_ELSEWHERE while a living process of this machine owns it (embedded). */
  own(index: number): Promise<Ownership>;
  release(ownership: Ownership): Promise<void>;
  /**
   * Whether nobody else can own by now what this store has taken last. Known at once as a rule; after a time without a sign of it (a lost
   * connection, a process that stood still) it is asked, however long the store does not answer. Cheap; for whatever acts on its own.
   */
  holds(): boolean | Promise<boolean>;
  /**
   * Before quorum queues are consumed: keeps the largest prefetch that they were consumed with. Throws STORE_MISMATCH for a smaller one.
   * Absent where there is no broker.
   */
  holdPrefetch?(prefetch: number): Promise<void>;
  /** Which of these ids are committed already, and the digests of their tasks; null where none was kept. */
  known(index: number, ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>>;
  /** Whether there is no record; of its index alone where each has tables of its own. */
  isEmpty(): Promise<boolean>;
  /** Newest committed state of each key, given as [etype, eid], in the order asked. */
  load(keys: readonly (readonly [etype: string, eid: string])[]): Promise<readonly RecordView[]>;
  /**
   * This batch is to be committed after the one under way: what can be made ready for it is. Nobody need call it, and nothing follows
   * from it where another batch is committed instead. Absent where a commit never leaves the event loop.
   */
  prepare?(batch: Batch): void;
  commit(batch: Batch): Promise<CommitOutcome>;
  /**
   * Removes a bounded amount of what nobody can ask for any more (histories of deleted records, old inbox ids); for idle moments. True
   * while more is left.
   */
  purge(): Promise<boolean>;
  /**
   * Of the index that is owned: what is due of a kind before a time, by when it was due. One bounded step: at most `limit` rows are looked at.
   * What is named is named again until a commit has changed it. Nothing where no index is owned.
   */
  due(kind: DueKind, before: Instant, limit: number): Promise<Due>;
  /** Derived tasks committed and not yet published; null where the commit itself puts them into their queues. */
  readonly outbox: Outbox | null;
  readonly quarantine: QuarantineDesk;
  /** Which tasks of senders are missing; null where no broker lies between, so that none can be. */
  readonly streams: StreamDesk | null;
}

/** `expiry`: records of an entity type, once the last of their TTL tokens has passed. */
export interface DueKind {
  readonly kind: 'expiry';
  readonly etype: string;
}

export interface DueRecord {
  readonly eid: string;
  /** Since when. */
  readonly until: Instant;
}

export interface Due {
  readonly records: readonly DueRecord[];
  /** Whether more may be due than were looked at. */
  readonly more: boolean;
}

export interface Outbox {
  /** The oldest rows in commit order. */
  next(index: number, limit: number): Promise<readonly OutgoingTask[]>;
  published(index: number, ids: readonly string[]): Promise<void>;
  /** How many rows there are. Reads all of them. */
  count(index: number): Promise<number>;
  /** Milliseconds since the oldest row was committed, 0 when empty. */
  age(index: number): Promise<number>;
}

/** Positions of a stream that are not committed, though a later message says that they were in the queue. */
export interface MissingTasks {
  readonly stream: string;
  /** As the store writes them. */
  readonly positions: string;
}

/** Tasks of a stream that never arrived: how many, the first and the last position. */
export interface LostTasks {
  readonly stream: string;
  readonly tasks: number;
  readonly from: number;
  readonly to: number;
}

/** What an owner asks of the streams of its senders. All throw STORE_UNAVAILABLE and STORE_REFUSED. */
export interface StreamDesk {
  /** What is missing and was not told as lost. `sinceMs`: all that came to be missing in this time is among it; null for all times. */
  missing(ownership: Ownership, sinceMs: number | null): Promise<readonly MissingTasks[]>;
  /** Keeps as lost what of these is still missing, and returns it. It is lost no more once it is committed. */
  lose(ownership: Ownership, missing: readonly MissingTasks[]): Promise<readonly LostTasks[]>;
  /** What is lost, the newest first; of the `known` streams that are kept also those that have lost nothing any more. */
  lost(ownership: Ownership, known: readonly string[]): Promise<readonly LostTasks[]>;
}

export interface QuarantinedTask {
  readonly id: string;
  readonly index: number;
  readonly time: Instant;
  readonly etype: string | null;
  readonly eid: string | null;
  readonly code: string;
  readonly reason: string;
}

/** The same with the message that it came in. */
export interface QuarantinedMessage extends QuarantinedTask {
  readonly body: Buffer;
}

/** What an operator does with quarantined tasks; run by the owner of their index. */
export interface QuarantineDesk {
  /** Gives the task a new id and sends it to its own queue pair, in the transaction that removes it. False if there is none. */
  retry(index: number, id: string): Promise<boolean>;
  drop(index: number, id: string): Promise<boolean>;
}

export interface HistoryRange {
  readonly attr?: string;
  readonly from?: Instant;
  readonly to?: Instant;
  readonly limit?: number;
}

/** A record with its history, as both were at one moment. */
export interface SnapshotRecord {
  readonly state: RecordState;
  /** By attribute and t1. */
  history(): AsyncIterable<HistoryRow>;
}

export interface ListedRecord {
  readonly eid: string;
  readonly updated: Instant;
}

/** Reading for people and programs; sees what is committed, never goes through the workers. */
export interface StoreReader extends Service {
  get(etype: string, eid: string): Promise<RecordView>;
  /** Rows of the record's incarnation that overlap the range, by attribute and t1. */
  history(etype: string, eid: string, range: HistoryRange): AsyncIterable<HistoryRow>;
  /**
   * All records as they were at one moment, by the bytes of entity type and id; memory does not grow with them. The store cannot remove
   * what is old until `use` has ended.
   */
  snapshot<T>(use: (records: AsyncIterable<SnapshotRecord>) => Promise<T>): Promise<T>;
  list(etype: string, page: { readonly after?: string; readonly limit: number }): Promise<readonly ListedRecord[]>;
  /** Without their messages, each of which may be large. */
  quarantined(): AsyncIterable<QuarantinedTask>;
  /** The message of one of them, as it came; null where it is in quarantine no more. */
  quarantinedMessage(index: number, id: string): Promise<Buffer | null>;
  /** How many records of an entity type there are, exactly. */
  count(etype: string): Promise<number>;
  counts(): Promise<{ readonly records: number; readonly quarantined: number }>;
}
