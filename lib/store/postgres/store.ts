/**
 * The PostgreSQL store of one worker. It has three connections: one that owns the index and commits, so that whoever can commit owns
 * and the other way round; one for what must not wait behind a commit (records, inbox, outbox); and one for upkeep, whose statements
 * may be long, made when it is needed.
 */
import type { RecordView } from '../../model/record.js';
import type { TaskDigest } from '../../model/task-digest.js';
import type { Instant } from '../../model/time.js';
import { Placement } from '../../routing/placement.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { TrustedTime } from '../../runtime/trusted-time.js';
import type { HistoryRetention } from '../history-retention.js';
import type { Batch, CommitOutcome, Due, DueKind, Ownership, QuarantineDesk, Store, StoreEvents } from '../store.js';
import { nameOf } from './client.js';
import { Commits } from './commits.js';
import { findExpired } from './expiry.js';
import { explained, startError, storeError, taskError } from './failures.js';
import { knownIds } from './inbox.js';
import { loadRecords } from './load.js';
import { holdPrefetch, openSchema, type StoreSettings } from './migrate.js';
import { PostgresOutbox } from './outbox.js';
import { Owner } from './owner.js';
import { Partitions } from './partitions.js';
import { Purge, type PurgeOptions } from './purge.js';
import { PostgresQuarantine } from './quarantine.js';
import { remedyFor } from './rights.js';
import { Session, STATEMENT_TIMEOUT_MS } from './session.js';
import { PostgresStreams } from './streams.js';

export interface PostgresStoreOptions extends StoreSettings {
  /** `processing_core.store.schema_owner`. */
  readonly schemaOwner?: string | null;
  /** `processing_core.store.url`. */
  readonly url: string;
  readonly app: string;
  /** How long ids of senders are kept, who may send the same again. */
  readonly inboxRetentionMs: number;
  /** Before which moment all that was put into the queue pair of the index is settled for good; null while unknown. */
  readonly redeliveryHorizon: () => Promise<number | null>;
  /** How long rows of history are kept, by attribute; forever where none is named. */
  readonly histories?: readonly HistoryRetention[];
  /** How long raw data-points are kept; forever where it is not given. */
  readonly rawRetentionMs?: number | null;
  /** An owner that has not renewed its right for so long can be replaced. */
  readonly leaseMs?: number;
  readonly statementTimeoutMs?: number;
  /** Of one commit. */
  readonly mostBytes?: number;
  readonly clock?: Clock;
  /** Where it is given, the clock of the server is believed from the beginning only where it agrees. */
  readonly time?: TrustedTime;
}

const LEASE_MS = 15_000;
/** The lease is renewed so many times before it passes. */
const RENEWALS = 5;
/** Between two questions whether the index is still owned, where the server does not answer. */
const ASK_AGAIN_MS = 500;
/**
 * A statement of the owner ends within this part of the lease. The connection that commits renews the lease, so one commit must not
 * outlast it; and a take-over waits for what upkeep is removing.
 */
const STATEMENT_PART = 2 / 3;

export class PostgresStore implements Store {
  readonly name: string;
  readonly outbox: PostgresOutbox;
  readonly quarantine: QuarantineDesk;
  readonly streams: PostgresStreams;
  private readonly clock: Clock;
  private readonly owner: Owner;
  private readonly writing: Session;
  private readonly reading: Session;
  private readonly upkeep: Session;
  private readonly commits: Commits;
  private readonly partitions: Partitions;
  private events: StoreEvents | null = null;
  private readonly leaseMs: number;
  /** By the server's clock, however often the index is taken. */
  private readonly trusted: TrustedTime;
  /** Of the index that was taken last. */
  private purging: Purge | null = null;
  private cancelRenewal = () => {};
  /** Whether the index is still owned, while that is asked. */
  private making: Promise<boolean> | null = null;
  private stopped = false;

  constructor(private readonly options: PostgresStoreOptions) {
    const { url, app, schemaOwner = null, numProcesses, statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options;
    this.name = nameOf(url);
    this.clock = options.clock ?? systemClock;
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.trusted = new TrustedTime(this.clock, options.time?.now());
    const owner = new Owner(this.clock, this.leaseMs / 1_000, options, (why) => this.events?.lost(why));
    this.owner = owner;
    const shared = { url, app, schemaOwner, clock: this.clock, statementTimeoutMs };
    const owners = { ...shared, statementTimeoutMs: Math.min(statementTimeoutMs, STATEMENT_PART * this.leaseMs) };
    this.writing = new Session({
      ...owners,
      purpose: 'commits',
      refusesPooling: true,
      poolingUnknown: (why) => this.events?.poolingUnknown?.(why),
      connected: (query, backend) => owner.connected(query, backend),
      lost: () => this.lost(),
    });
    this.reading = new Session({ ...shared, purpose: 'reads' });
    this.upkeep = new Session({ ...owners, purpose: 'upkeep' });
    this.outbox = new PostgresOutbox(this.reading, owner);
    this.partitions = new Partitions(this.reading, this.clock, (why) => this.events?.trouble(why));
    this.commits = new Commits(this.writing, owner, this.partitions, this.clock, options.mostBytes);
    this.streams = new PostgresStreams(this.upkeep);
    this.quarantine = new PostgresQuarantine(this.writing, owner, new Placement(numProcesses), () =>
      this.outbox.added(),
    );
  }

  listen(events: StoreEvents): void {
    this.events = events;
  }

  /** Connects, and makes the tables where there are none. */
  async start(): Promise<void> {
    this.stopped = false;
    await this.writing.start();
    await this.reading.start();
    await openSchema(this.reading, this.options);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelRenewal();
    const { owned } = this.owner;
    if (owned !== null) await this.release(owned);
    await this.writing.stop();
    await this.reading.stop();
    await this.upkeep.stop();
  }

  async own(index: number): Promise<Ownership> {
    const taking = this.writing.exclusive((query) => this.owner.take(query, index));
    const ownership = await explained(taking, startError);
    this.outbox.added();
    this.purging = new Purge(this.upkeep, this.purgeOptions(ownership));
    this.renewLater(this.leaseMs / RENEWALS);
    return ownership;
  }

  /** Where the server cannot be told, the lock goes with the connection and the rest with the lease. */
  async release(ownership: Ownership): Promise<void> {
    this.cancelRenewal();
    await this.writing.exclusive((query) => this.owner.release(query, ownership)).catch(() => {});
  }

  holdPrefetch(prefetch: number): Promise<void> {
    return explained(holdPrefetch(this.reading.query, this.reading.schema, prefetch), startError);
  }

  holds(): boolean | Promise<boolean> {
    if (this.owner.owned === null) return false;
    if (this.owner.isSure) return true;
    this.making ??= this.makeSure().finally(() => {
      this.making = null;
    });
    return this.making;
  }

  async known(index: number, ids: readonly string[]): Promise<ReadonlyMap<string, TaskDigest | null>> {
    if (ids.length === 0) return new Map();
    return explained(knownIds(this.reading.query, index, ids), (error) => this.withRemedy(storeError(error)));
  }

  async isEmpty(): Promise<boolean> {
    const [row] = await explained(this.reading.query('select from records limit 1'), storeError);
    return row === undefined;
  }

  async load(keys: readonly (readonly [etype: string, eid: string])[]): Promise<readonly RecordView[]> {
    if (keys.length === 0) return [];
    return explained(loadRecords(this.reading.query, keys), (error) => this.withRemedy(taskError(error)));
  }

  prepare(batch: Batch): void {
    this.commits.prepare(batch);
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    const outcome = await this.commits.commit(batch);
    if (outcome.kind === 'unavailable' && outcome.answers) {
      return { ...outcome, why: outcome.why + (await remedyFor(this.reading)) };
    }
    if (outcome.kind === 'stored' && batch.entries.some(({ sends = [] }) => sends.length > 0)) this.outbox.added();
    return outcome;
  }

  async purge(): Promise<boolean> {
    if (this.owner.owned === null || this.purging === null) return false;
    return explained(this.purging.step(), storeError);
  }

  async due({ etype }: DueKind, before: Instant, limit: number): Promise<Due> {
    const { owned } = this.owner;
    if (owned === null) return { records: [], more: false };
    const share = { ownership: owned, numProcesses: this.options.numProcesses };
    return explained(findExpired(this.upkeep, share, etype, before, limit), storeError);
  }

  /** The server says neither which right is missing nor, of a schema, that it is a right. */
  private async withRemedy(error: unknown): Promise<unknown> {
    if (!(error instanceof ApplicationError) || error.code !== 'STORE_REFUSED') return error;
    const { code, message, cause } = error;
    return new ApplicationError(code, message + (await remedyFor(this.reading)), { cause });
  }

  private purgeOptions(ownership: Ownership): PurgeOptions {
    const { inboxRetentionMs, redeliveryHorizon, histories = [], rawRetentionMs = null } = this.options;
    const { clock, trusted, partitions } = this;
    return { ownership, clock, trusted, partitions, inboxRetentionMs, redeliveryHorizon, histories, rawRetentionMs };
  }

  private async makeSure(): Promise<boolean> {
    while (this.owner.owned !== null && !this.owner.isSure && !this.stopped) {
      await this.writing.exclusive((query) => this.owner.renew(query)).catch(() => this.pause());
    }
    return this.owner.owned !== null && this.owner.isSure;
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => this.clock.after(ASK_AGAIN_MS, resolve));
  }

  private renewLater(delayMs: number): void {
    this.cancelRenewal();
    this.cancelRenewal = this.clock.after(delayMs, () => {
      this.writing
        .exclusive((query) => this.owner.renew(query))
        .catch(() => {})
        .finally(() => {
          if (this.owner.owned !== null) this.renewLater(this.leaseMs / RENEWALS);
        });
    });
  }

  /** The lock went with the connection; another process must not find the index free for long. */
  private lost(): void {
    this.owner.disconnected();
    if (this.owner.owned !== null) this.renewLater(0);
  }
}
