/**
 * Flow: the way of a task through a worker, from its delivery to its acknowledgement. The stages do not know each other: each hands the same
 * Work back to the flow, which hands it on. From top to bottom:
 *
 *   delivered   by the reader; the intake reads it and leaves out what is done already
 *   arrived     it waits in the lane of its key, or has its result already (quarantine, another index)
 *   starting    a lane may run it; where tasks are acknowledged before they run, it leaves its queue now
 *   run         the executor takes it through the hooks
 *   finished    its result waits for the commit that it shares with others
 *   stored      its commit is durable, and the store has settled its delivery; its derived tasks are in the outbox
 *
 * Where a delivery is settled: store (commits) -> queue/delivery -> queue/reader -> the source of its queue, which acknowledges or deletes it.
 * What is executed is handed in by worker/running: executor/executor.
 *
 * And back: `discarded` and `broken` works and those of a commit that was `sortedOut` wait in their lane again.
 */
import { quarantinedResult } from '../commit/aside.js';
import { type AfterCommit, Committer } from '../commit/committer.js';
import { OutboxPublisher } from '../commit/outbox.js';
import { tellCommitted } from '../commit/outcomes.js';
import type { Sorted } from '../commit/sort-out.js';
import { ExecutionError } from '../executor/executor.js';
import { Distributor, type Gate, type Runner } from '../lanes/distributor.js';
import type { Delivery } from '../model/delivery.js';
import type { InputCounts } from '../model/input-remarks.js';
import type { TaskResult } from '../model/record.js';
import { type DoneWork, isRepeatable, type LaneWork } from '../model/work.js';
import { PairOrder } from '../queue/pair.js';
import { isStoreFailure } from '../runtime/errors.js';
import { systemRandom } from '../runtime/random.js';
import { type Acknowledging, AFTER_ITS_COMMIT, BeforeItRuns } from './acknowledging.js';
import { Duplicates } from './duplicates.js';
import { type AfterIntake, Intake } from './intake.js';
import { isExhausted, LaneRestarts } from './lane-restarts.js';
import { MessageReader } from './message-reader.js';
import type { PipelineOptions } from './options.js';

/** Tasks that one turn of the event loop may run: heartbeats and sockets come in between. */
const TASKS_PER_TURN = 256;

export class Flow implements AfterIntake, Gate, Runner, AfterCommit {
  readonly lanes: Distributor;
  readonly committer: Committer;
  readonly outbox: OutboxPublisher;
  readonly intake: Intake;
  readonly restarts: LaneRestarts;
  private readonly messages: MessageReader;
  private readonly duplicates: Duplicates;
  private readonly acknowledging: Acknowledging;
  /** The store is asked whether the index is still ours. */
  private asking = false;
  private resting = false;

  constructor(
    private readonly options: PipelineOptions,
    private readonly onStoreDown: () => void,
    private readonly failed: (reason: unknown) => void,
  ) {
    const {
      ownership,
      placement,
      delivery,
      spec,
      backend,
      records,
      limits,
      clock,
      random = systemRandom,
      events,
    } = options;
    const { reader, writer, store } = backend;
    const { index } = ownership;
    const inbox = delivery === 'effectively-once';
    const { threads, maxAttempts, future, messageBytes: messageBytesLimit } = limits;
    const troubles = options.storeTroubles;

    const reads = { index, placement, spec, inbox, messageBytesLimit, maxAttempts, future, clock, events };
    this.messages = new MessageReader(reads);
    this.duplicates = new Duplicates({ inbox, messages: this.messages, reader, clock, random, events, failed });
    const { messages, duplicates } = this;
    const asks = { index, inbox, store, troubles };
    this.intake = new Intake({ ...asks, messages, duplicates, after: this, clock, events, failed });
    this.lanes = new Distributor({
      threads,
      tasksPerTurn: TASKS_PER_TURN,
      // What is to be executed again may no longer be in the window where tasks are acknowledged before they run.
      waitingLimit: reader.window.tasksLimit + threads,
      order: new PairOrder(limits.normalEvery),
      gate: this,
      runner: this,
      clock,
    });
    this.restarts = new LaneRestarts(limits, failed);
    this.acknowledging =
      delivery === 'at-most-once' ? new BeforeItRuns({ limits, reader, duplicates, events, failed }) : AFTER_ITS_COMMIT;
    const commits = { store, ownership, inbox, placement, random, limits: limits.commit, records, reader, troubles };
    this.committer = new Committer({ ...commits, after: this, clock, events });
    const { outbox } = store;
    this.outbox = new OutboxPublisher({ outbox, index, placement, writer, batch: limits.outboxBatch, clock, events });
  }

  delivered(delivery: Delivery): void {
    const { priority, redelivered, body } = delivery;
    const { events } = this.options;
    if (events.hears('task-received')) events.emit('task-received', { bytes: body.length, priority, redelivered });
    this.intake.take(delivery);
  }

  arrived(work: LaneWork | DoneWork): void {
    if (isRepeatable(work)) {
      this.options.records.prefetch(work.task.etype, work.task.eid, work.task.key);
      this.lanes.push(work);
    } else this.committer.add(work);
  }

  starting(works: readonly LaneWork[]): void {
    this.acknowledging.starting(works);
  }

  run(work: LaneWork): TaskResult | null | Promise<TaskResult> {
    const { limits, events } = this.options;
    const { delivery, task } = work;
    if (isExhausted(work, limits)) return exhausted(work, limits.maxAttempts);
    if (!this.acknowledging.allows(work)) return null;
    delivery.started();
    const { id, attempts } = delivery;
    if (events.hears('task-started')) events.emit('task-started', { id, key: task.key });
    if (attempts > 0) events.emit('task-tried-again', { id, key: task.key, attempts });
    return this.options.execute(task, delivery);
  }

  finished(work: LaneWork, result: TaskResult | null): void {
    const { delivery, task } = work;
    delivery.ended();
    if (delivery.attempts > 0) this.options.events.emit('suspect-calls', { entity: task.key, hook: null });
    if (result !== null) this.committer.add(work.finish(result));
  }

  stored(works: readonly DoneWork[]): void {
    let sent = 0;
    for (const { task, result, sends, durable } of works) {
      if (task !== null && result.record !== undefined) this.options.records.committed(task.key);
      sent += sends.length;
      durable?.();
    }
    // What was emitted has its delivery still to come.
    this.duplicates.done(works.filter(({ isDelivered }) => isDelivered));
    tellCommitted(works, this.options.events);
    if (sent > 0) this.outbox.wake();
    this.lanes.wake();
  }

  /** What the execution left behind was made from a state that is void. */
  discarded(work: LaneWork): void {
    work.delivery.ended();
    this.options.records.reset(work.task.key);
  }

  /** The attempt is stored before anything else: it must outlive this worker. */
  broken(work: LaneWork, thrown: unknown, restarts: number): void {
    const { delivery, task } = work;
    const { events } = this.options;
    const { hook = null, cause: error = thrown } = thrown instanceof ExecutionError ? thrown : {};
    delivery.ended();
    try {
      delivery.broke();
    } catch (reason) {
      this.failed(reason);
    }
    const { id, attempts } = delivery;
    events.emit('lane-broken', { id, key: task.key, hook, attempts, restarts, error });
    this.restarts.broke(work, { hook, error });
  }

  /** The store failed for good, and for all: whatever waits for it stays as it is. */
  isBlameless(thrown: unknown): boolean {
    const reason = thrown instanceof ExecutionError ? thrown.cause : thrown;
    if (!isStoreFailure(reason)) return false;
    this.failed(reason);
    return true;
  }

  sortedOut({ known, others, rewound }: Sorted): void {
    for (const { delivery } of others) this.duplicates.another(delivery);
    for (const [key, works] of rewound) {
      this.options.records.reset(key);
      this.lanes.rewind(key, works);
    }
    this.duplicates.done(known);
    this.duplicates.known(known.map(({ delivery }) => delivery));
  }

  admits(busy: number): boolean {
    return this.owns() && this.acknowledging.admits(busy + this.committer.open);
  }

  isCareful(): boolean {
    return this.restarts.isNearLimit;
  }

  idle(): void {
    this.committer.hurry();
  }

  storeDown(): void {
    this.onStoreDown();
  }

  /** What waits for its commit would wait forever, and whatever stops would wait for that. */
  commitsFailed(reason: unknown): void {
    this.options.emissions.end(reason);
    this.failed(reason);
  }

  /** For good: what arrives is set aside, and nothing more is started. */
  rest(why: string): void {
    if (this.resting) return;
    this.resting = true;
    this.options.backend.reader.pause();
    this.lanes.halt();
    this.options.events.emit('reader-paused', { why });
  }

  get isResting(): boolean {
    return this.resting;
  }

  /** What was emitted may come in between: no delivery is to blame for that. */
  async alone(): Promise<boolean> {
    while (!this.lanes.isEmpty || this.committer.open > 0) {
      await this.lanes.emptied();
      await this.committer.flushed();
      if (this.committer.isStopped) return false;
    }
    return true;
  }

  /**
   * Resolves when nothing runs and all results are committed. A commit that is refused puts back tasks; those that have left their queue
   * are run again.
   */
  async atRest(): Promise<void> {
    do {
      await this.lanes.quiet();
      await this.committer.flushed();
    } while (!this.lanes.isQuiet);
  }

  /** What runs, is to run though it has left its queue, or is not committed. */
  unfinished(): readonly (LaneWork | DoneWork)[] {
    return [...this.lanes.running(), ...this.lanes.waitingAcked(), ...this.committer.unfinished()];
  }

  /** What the input held that somebody should know of. */
  get input(): InputCounts {
    return this.messages.input;
  }

  /** Whether the index is still ours for sure. Where that must be asked, nothing starts meanwhile. */
  private owns(): boolean {
    const owns = this.options.backend.store.holds();
    if (owns instanceof Promise && !this.asking) {
      this.asking = true;
      void owns.then(() => {
        this.asking = false;
        this.lanes.wake();
      });
    }
    return owns === true;
  }
}

function exhausted({ delivery, task }: LaneWork, maxAttempts: number): TaskResult {
  const sentence = `${task.key}: the task broke its lane or its process ${delivery.attempts} times; allowed are ${maxAttempts} (quarantine.max_attempts).`;
  return quarantinedResult({ code: 'ATTEMPTS_EXHAUSTED', sentence }, task);
}
