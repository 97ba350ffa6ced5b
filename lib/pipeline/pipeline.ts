/**
 * Pipeline: the data path of one worker. Deliveries of the reader go through the intake into the lanes, their results into commits,
 * derived tasks from the outbox to their queues:
 *
 *   reader -> intake -> lanes -> executor -> committer -> store (settles the deliveries)
 *                                                      -> outbox -> writer
 *
 * It is made for one ownership of an index and ends with it. How it comes to rest is in drain.ts.
 */
import { Committer, LONG_AWAY_MS } from '../commit/committer.js';
import { type Entry, isDelivered, quarantinedResult } from '../commit/entry.js';
import { OutboxPublisher } from '../commit/outbox.js';
import { tellCommitted } from '../commit/outcomes.js';
import { ExecutionError } from '../executor/executor.js';
import { Distributor, type LanesStatus } from '../lanes/distributor.js';
import type { Work } from '../lanes/work.js';
import type { Delivery } from '../model/delivery.js';
import type { TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import { PairOrder } from '../queue/pair.js';
import type { TaskReader, TaskWriter } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, isStoreFailure, messageOf } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Records } from '../store/records.js';
import type { Ownership, Store } from '../store/store.js';
import { AtMostOnce } from './at-most-once.js';
import { Intake } from './intake.js';
import { LaneRestarts } from './lane-restarts.js';
import type { PipelineLimits } from './limits.js';

/** Tasks that one turn of the event loop may run: heartbeats and sockets come in between. */
const TASKS_PER_TURN = 256;

export interface PipelineOptions {
  readonly ownership: Ownership;
  readonly numProcesses: number;
  readonly delivery: 'effectively-once' | 'at-least-once' | 'at-most-once';
  readonly spec: ModelSpec;
  readonly reader: TaskReader;
  readonly writer: TaskWriter;
  readonly store: Store;
  readonly records: Records;
  readonly execute: (task: Task, delivery: Delivery) => TaskResult | Promise<TaskResult>;
  readonly limits: PipelineLimits;
  /** Why work waits for the store; the executor tells it, too. */
  readonly storeTroubles: Troubles;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
  /** Nothing is committed any more, also where something else has failed before; called once. */
  commitsFailed(reason: unknown): void;
  /** This worker can not go on; called once. */
  failed(reason: unknown): void;
}

export interface PipelineStatus extends LanesStatus {
  readonly uncommitted: number;
  /** What work waits for; null where none does. */
  readonly storeTrouble: string | null;
  /** What the store cannot do with some tasks; null where there are none. */
  readonly storeWarning: string | null;
}

export class Pipeline {
  readonly reader: TaskReader;
  readonly intake: Intake;
  readonly lanes: Distributor<TaskResult | null>;
  readonly committer: Committer<Work>;
  readonly outbox: OutboxPublisher;
  /** Where tasks are acknowledged before they run. */
  private readonly first: AtMostOnce | null;
  private failure: unknown = null;
  private readonly restarts: LaneRestarts;
  /** Set for good: no lane is to start anything any more. */
  private resting = false;
  /** The store is asked whether the index is still ours. */
  private asking = false;
  /** Since when the reader has no connection, or has given its deliveries back, and why. */
  private interrupted: { readonly since: number; readonly by: 'connection' | 'store' } | null = null;

  constructor(private readonly options: PipelineOptions) {
    const { ownership, store, events, clock, log, limits, delivery, storeTroubles: troubles } = options;
    const { index } = ownership;
    const inbox = delivery === 'effectively-once';
    const failed = (reason: unknown) => this.fail(reason);
    this.restarts = new LaneRestarts(limits, failed);
    this.reader = options.reader;
    this.intake = new Intake({
      index,
      numProcesses: options.numProcesses,
      spec: options.spec,
      inbox,
      messageBytesLimit: limits.messageBytes,
      maxAttempts: limits.maxAttempts,
      future: limits.future,
      store,
      troubles,
      clock,
      events,
      log,
      run: (work) => {
        options.records.prefetch(work.task.etype, work.task.eid, work.task.key);
        this.lanes.push(work);
      },
      commit: (entry) => this.committer.add(entry),
      alone: () => this.alone(),
      settle: (deliveries) => this.reader.settle(deliveries),
      failed,
    });
    this.lanes = this.makeLanes();
    this.committer = new Committer({
      store,
      ownership,
      inbox,
      limits: limits.commit,
      reader: options.reader,
      recordBytes: (key) => this.options.records.bytesOf(key),
      troubles,
      clock,
      events,
      log,
      committed: (entries) => this.committed(entries),
      known: (entries) => this.known(entries),
      another: (delivery) => this.intake.another(delivery),
      rewind: (key, works) => {
        options.records.reset(key);
        this.lanes.rewind(key, works);
      },
      away: () => this.requeueAll(),
      failed: (reason) => {
        options.commitsFailed(reason);
        this.fail(reason);
      },
    });
    const uncommitted = () => this.committer.open;
    const left = (works: readonly Work[]) => this.intake.done(works);
    const { threads, outboxBatch: batch } = limits;
    const { reader } = this;
    this.first =
      delivery === 'at-most-once' ? new AtMostOnce({ reader, threads, log, uncommitted, left, failed }) : null;
    this.outbox = new OutboxPublisher({
      outbox: store.outbox,
      index,
      writer: options.writer,
      batch,
      clock,
      events,
      log,
    });
  }

  /** Publishes what a predecessor left, then consumes; `waiting` is told why it can not yet. */
  async start(waiting: (why: string) => void = () => {}): Promise<void> {
    await this.outbox.start();
    let starting = true;
    await this.reader.consume({
      onDelivery: (delivery) => this.intake.take(delivery),
      onLost: () => this.lost(),
      onRestored: () => this.restored(),
      onQuorum: async (prefetch) => this.options.store.holdPrefetch?.(prefetch),
      onStandby: (why) => starting && waiting(why),
      onFailed: (reason) => this.fail(reason),
    });
    starting = false;
  }

  /** Sets lanes going that stand still, which counts as a restart; true if there were any. */
  revive(): boolean {
    const revived = this.lanes.revive();
    if (revived) this.restarts.add(null);
    return revived;
  }

  /** The first step of coming to rest: what arrives is set aside, and nothing more is started. */
  rest(why: string): void {
    if (this.resting) return;
    this.resting = true;
    this.reader.pause();
    this.lanes.halt();
    this.options.events.emit('reader-paused', { why });
  }

  /** The index is another's: nothing is committed or published any more. */
  abandon(why: string): void {
    this.rest(why);
    this.lanes.stop();
    this.committer.stop();
    void this.outbox.stop();
  }

  status(): PipelineStatus {
    const { open: uncommitted, warning: storeWarning } = this.committer;
    const { why: storeTrouble } = this.options.storeTroubles;
    return { ...this.lanes.status(), uncommitted, storeTrouble, storeWarning };
  }

  private makeLanes(): Distributor<TaskResult | null> {
    const { limits, reader } = this.options;
    return new Distributor({
      threads: limits.threads,
      tasksPerTurn: TASKS_PER_TURN,
      // What is to be executed again may no longer be in the window where tasks are acknowledged before they run.
      waitingLimit: reader.window.tasksLimit + limits.threads,
      order: new PairOrder(limits.normalEvery),
      starting: (works) => this.first?.leave(works.filter((work) => !this.isExhausted(work))),
      process: (work) => this.process(work),
      done: (work, result) => this.done(work, result),
      discarded: (work) => this.discarded(work),
      broken: (work, error) => this.broken(work, error),
      isCareful: () => this.restarts.isNearLimit,
      isBlameless: (error) => this.isBlameless(error),
      admits: (busy) => this.owns() && (this.first?.admits(busy) ?? true),
      idle: () => this.committer.hurry(),
    });
  }

  /** Before the broker takes back what is not acknowledged, the reader returns it in order; it consumes again once `lost` has ended. */
  private requeueAll(): void {
    const { clock, events, log } = this.options;
    const why = `the store has not answered for ${LONG_AWAY_MS / 1_000} s`;
    log.warn('deliveries go back to the queue until the store answers', { why });
    this.interrupted ??= { since: clock.monotonic(), by: 'store' };
    events.emit('reader-paused', { why });
    this.reader.requeueAll();
  }

  /** Rule 7: every open delivery is void; what has finished is committed, since its redelivery will be known. */
  private async lost(): Promise<void> {
    const { clock, events } = this.options;
    if (this.interrupted === null) events.emit('reader-lost', { why: 'the connection of the reader is gone' });
    this.interrupted ??= { since: clock.monotonic(), by: 'connection' };
    this.lanes.halt();
    this.intake.clear();
    this.lanes.clear();
    await this.lanes.quiet();
    await this.committer.flushed();
    // A commit that was refused may have put tasks back: their deliveries are void, too.
    if (this.first === null) this.committer.forgetWithheld();
    this.lanes.clear();
    this.intake.clear();
  }

  private restored(): void {
    const { clock, events } = this.options;
    if (this.interrupted !== null) {
      const lostMs = clock.monotonic() - this.interrupted.since;
      if (this.interrupted.by === 'store') events.emit('reader-resumed', { pausedMs: lostMs });
      else events.emit('reader-restored', { lostMs });
    }
    this.interrupted = null;
    if (!this.resting) this.lanes.resume();
  }

  /** What was emitted may come in between: no delivery is to blame for that. */
  private async alone(): Promise<boolean> {
    while (!this.lanes.isEmpty || this.committer.open > 0) {
      await this.lanes.emptied();
      await this.committer.flushed();
      if (this.committer.isStopped) return false;
    }
    return true;
  }

  /** Whether the index is still ours for sure. Where that must be asked, nothing starts meanwhile. */
  private owns(): boolean {
    const owns = this.options.store.holds();
    if (owns instanceof Promise && !this.asking) {
      this.asking = true;
      void owns.then(() => {
        this.asking = false;
        this.lanes.wake();
      });
    }
    return owns === true;
  }

  private isExhausted({ delivery }: Work): boolean {
    return delivery.attempts >= this.options.limits.maxAttempts;
  }

  private process(work: Work): TaskResult | null | Promise<TaskResult> {
    const { delivery, task } = work;
    const { limits, events } = this.options;
    if (this.isExhausted(work)) {
      const sentence = `${task.key}: the task broke its lane or its process ${delivery.attempts} times; allowed are ${limits.maxAttempts} (quarantine.max_attempts).`;
      return quarantinedResult({ code: 'ATTEMPTS_EXHAUSTED', sentence }, task);
    }
    if (this.first !== null && !work.acknowledged) return null;
    delivery.started();
    if (events.hears('task-started')) events.emit('task-started', { id: delivery.id, key: task.key });
    return this.options.execute(task, delivery);
  }

  private done(work: Work, result: TaskResult | null): void {
    work.delivery.ended();
    if (result === null) return;
    this.committer.add({ delivery: work.delivery, result, key: work.task.key, again: work });
  }

  /** What its execution left behind was made from a state that is void. */
  private discarded(work: Work): void {
    work.delivery.ended();
    this.options.records.reset(work.task.key);
  }

  /** The attempt is stored before anything else: it must outlive this worker. */
  private broken(work: Work, thrown: unknown): boolean {
    const { delivery, task } = work;
    const { events, log } = this.options;
    const { hook = null, cause: error = thrown } = thrown instanceof ExecutionError ? thrown : {};
    delivery.ended();
    try {
      delivery.broke();
    } catch (reason) {
      this.fail(reason);
    }
    const { id, attempts } = delivery;
    const { restarts } = this.lanes.status();
    events.emit('lane-broken', { id, key: task.key, error, restarts });
    log.error('a lane broke and was restarted', { id, entity: task.key, hook, attempts, restarts, error });
    if (this.isExhausted(work)) this.restarts.forget();
    else this.restarts.add({ entity: task.key, hook, error });
    return true;
  }

  /** The store failed for good, and for all: whatever waits for it stays as it is. */
  private isBlameless(thrown: unknown): boolean {
    const reason = thrown instanceof ExecutionError ? thrown.cause : thrown;
    if (!isStoreFailure(reason)) return false;
    this.fail(reason);
    return true;
  }

  private committed(entries: readonly Entry<Work>[]): void {
    let derived = 0;
    for (const { key, result, durable } of entries) {
      if (key !== null && result.record !== undefined) this.options.records.committed(key);
      derived += result.derived.length;
      durable?.();
    }
    // What was emitted has its delivery still to come.
    this.intake.done(entries.filter(isDelivered));
    tellCommitted(entries, this.options);
    if (derived > 0) this.outbox.wake();
    this.lanes.wake();
  }

  private known(entries: readonly Entry<Work>[]): void {
    this.intake.done(entries);
    this.intake.known(entries.map(({ delivery }) => delivery));
  }

  private fail(reason: unknown): void {
    if (this.failure !== null) return;
    this.failure = reason ?? new Error('unknown');
    if (reason instanceof ApplicationError && reason.code === 'OWNERSHIP_LOST') {
      this.options.failed(reason);
      return;
    }
    this.rest('the worker can not go on');
    if (isStoreFailure(reason)) this.lanes.stop();
    this.options.log.error('the worker can not go on', { reason: messageOf(reason), error: reason });
    this.options.failed(reason);
  }
}
