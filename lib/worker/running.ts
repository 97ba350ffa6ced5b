/** A worker with all its parts: starts them in order, answers for them, and comes to rest. */
import type { WorkerBackend } from '../backend/backend.js';
import type { Emissions } from '../commit/emissions.js';
import type { Configuration } from '../config/configuration.js';
import type { Executor } from '../executor/executor.js';
import type { Answer, Question } from '../ipc/messages.js';
import type { WorkerStatus } from '../ipc/status.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { Logger, RootLogger } from '../observability/logger.js';
import type { Metrics } from '../observability/metrics.js';
import { limitsOf } from '../pipeline/options.js';
import { Pipeline } from '../pipeline/pipeline.js';
import type { QueueDepth } from '../queue/queue.js';
import { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, type ErrorCode, messageOf } from '../runtime/errors.js';
import { type Service, startAll, stopAll } from '../runtime/service.js';
import type { Troubles } from '../runtime/troubles.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import type { Records } from '../store/records.js';
import type { Ownership } from '../store/store.js';
import { Upkeep } from '../upkeep/upkeep.js';
import type { Orders, WorkerProgram } from './life.js';
import { StoreStart } from './store-start.js';

export interface WorkerParts {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly index: number;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly backend: WorkerBackend;
  readonly engine: Engine;
  readonly modules: Service;
  readonly scheduler: Service;
  readonly time: TrustedTime;
}

/** What tells of a worker. */
export interface Telemetry {
  readonly log: RootLogger;
  readonly events: Events;
  readonly metrics: Metrics;
}

/** What runs tasks and makes new ones. */
export interface Engine {
  readonly records: Records;
  readonly executor: Executor;
  readonly storeTroubles: Troubles;
  readonly emissions: Emissions;
  /** Sends tasks as derived ones are sent; resolves when they are durable. */
  readonly submit: (tasks: readonly Task[]) => Promise<void>;
}

/** What leaving may take even when the deadline has passed. */
const LEAVE_MS = 1_000;
/** What broker and store may take to tell figures for the status. */
const LOOK_MS = 500;

/** What other workers would meet, too, and this one again. */
const STOPS_PROGRAM: ReadonlySet<ErrorCode> = new Set(['STORE_FAILED', 'TOO_MANY_RESTARTS']);

interface Consuming {
  readonly ownership: Ownership;
  readonly pipeline: Pipeline;
}

export class RunningWorker implements WorkerProgram {
  readonly log: Logger;
  readonly shutdownTimeMs: number;
  private readonly storeStart: StoreStart;
  private consuming: Consuming | null = null;
  /** Null before the first task. */
  private upkeep: Upkeep | null = null;
  private starting: Promise<unknown> = Promise.resolve();
  private stopping = false;
  private ready = false;
  /** Why the index is not ours any more. */
  private lost: string | null = null;
  private isReloading = false;
  private depth: QueueDepth = { normal: 0, priority: 0 };
  private outboxAgeMs = 0;
  private storeWarning: string | null = null;

  constructor(
    private readonly parts: WorkerParts,
    private readonly orders: Orders,
  ) {
    this.log = parts.telemetry.log;
    this.shutdownTimeMs = parts.configuration.shutdownTimeMs;
    const { backend, clock } = parts;
    const { events, log } = parts.telemetry;
    this.storeStart = new StoreStart(backend.store, clock, log);
    parts.backend.store.listen({
      lost: (why) => this.lose(why),
      trouble: (why) => this.storeTroubled(why),
      poolingUnknown: (why) => this.log.warn('whether a pooler shares the connections is not known', { why }),
    });
    events.on('suspect-calls', ({ entity, hook }) => this.orders.suspect(entity, hook));
    let isBlocked = false;
    parts.backend.writer.onObstacle((obstacle) => {
      if (obstacle !== null && !isBlocked) events.emit('writer-blocked', {});
      isBlocked = obstacle !== null;
    });
  }

  start(): Promise<{ readonly epoch: number }> {
    const starting = this.begin();
    this.starting = starting.catch(() => {});
    return starting;
  }

  /**
   * Lets a start that is under way end first: then everything is stopped the same way. One that waits for a broker, or stands by, ends
   * with its reader.
   */
  async stop(deadline: Deadline): Promise<{ readonly left: number }> {
    this.stopping = true;
    const { backend, modules, scheduler, clock } = this.parts;
    const { log, metrics } = this.parts.telemetry;
    const { reader, writer, store } = backend;
    if (!this.ready) {
      this.storeStart.stop();
      await deadline.allows(reader.stop(deadline));
    }
    await deadline.allows(this.starting);
    let left = 0;
    if (this.consuming) {
      await this.upkeep?.stop(deadline);
      ({ left } = await this.consuming.pipeline.drain({ scheduler, modules }, deadline));
    } else await stopAll([reader, writer, store, modules], deadline);
    await Deadline.in(Math.max(deadline.leftMs, LEAVE_MS), clock).allows(backend.leave());
    metrics.close();
    await deadline.allows(log.close());
    return { left };
  }

  rejected(error: unknown): void {
    this.parts.telemetry.events.emit('module-error', { module: null, hook: null, key: null, kind: 'unhandled', error });
  }

  async commitFinished(deadline: Deadline): Promise<void> {
    if (!this.consuming) return;
    await deadline.allows(this.consuming.pipeline.commitFinished('the worker crashes'));
  }

  absolve(): void {
    this.consuming?.pipeline.rest('the store failed');
    this.parts.backend.reader.absolve();
  }

  /** What broker and store do not tell in time is as it was known last. */
  async status(): Promise<WorkerStatus> {
    const { backend, telemetry, clock } = this.parts;
    const { reader } = backend;
    const deadline = Deadline.in(LOOK_MS, clock);
    await Promise.all([deadline.allows(this.lookAtDepth()), deadline.allows(this.lookAtOutbox())]);
    const { consuming } = this;
    const lanes = consuming?.pipeline.status();
    return {
      ...telemetry.metrics.snapshot(),
      epoch: consuming?.ownership.epoch ?? 0,
      lanes: {
        busy: lanes?.busy ?? 0,
        waiting: lanes?.waiting ?? 0,
        keys: lanes?.keys ?? 0,
        restarts: lanes?.restarts ?? 0,
      },
      window: lanes?.window ?? { ...reader.window, filledBy: null },
      queue: this.depth,
      outboxAgeMs: this.outboxAgeMs,
      storeAvailable: (lanes?.storeTrouble ?? null) === null,
      storeTrouble: lanes?.storeTrouble ?? null,
      storeWarning: lanes?.storeWarning ?? this.storeWarning,
      queueTrouble: reader.trouble ?? null,
      skipped: reader.skipped ?? [],
      waitsFor: consuming === null ? this.waitsFor() : null,
      lost: this.upkeep?.lost ?? [],
      services: this.upkeep?.status() ?? [],
      input: lanes?.input ?? { ignored: {}, future: {} },
    };
  }

  reloading(underWay: boolean): void {
    this.isReloading = underWay;
    this.consuming?.pipeline.reloading(underWay);
  }

  async ask(question: Question): Promise<Answer> {
    const { consuming } = this;
    const { index, backend } = this.parts;
    if (!consuming) return { ok: false, why: `the worker of index ${index} does not own it yet` };
    const { quarantine } = backend.store;
    const { action, task } = question;
    if (action === 'drop') return { ok: true, value: await quarantine.drop(index, task) };
    const value = await quarantine.retry(index, task);
    // Where there is an outbox, the task waits in it.
    if (value) consuming.pipeline.publish();
    return { ok: true, value };
  }

  /** What the start waits for, and why. */
  private waitsFor(): string | null {
    const broker = this.parts.backend.reader.trouble ?? null;
    return broker === null ? this.storeStart.trouble : `the broker: ${broker}`;
  }

  private async lookAtDepth(): Promise<void> {
    this.depth = await this.parts.backend.reader.depth().catch(() => this.depth);
  }

  private async lookAtOutbox(): Promise<void> {
    const age = this.consuming?.pipeline.outboxAge();
    this.outboxAgeMs = (await age?.catch(() => this.outboxAgeMs)) ?? 0;
  }

  private async begin(): Promise<{ readonly epoch: number }> {
    const { backend, modules, scheduler, engine } = this.parts;
    const { reader, writer } = backend;
    await startAll([reader, writer]);
    await this.storeStart.run();
    const ownership = await this.own();
    engine.records.clear();
    const pipeline = this.makePipeline(ownership);
    pipeline.reloading(this.isReloading);
    this.consuming = { ownership, pipeline };
    await modules.start();
    const upkeep = this.makeUpkeep(ownership, pipeline);
    await pipeline.start(this.orders.waiting);
    if (this.lost !== null) throw new ApplicationError('OWNERSHIP_LOST', this.lost);
    await scheduler.start();
    this.upkeep = upkeep;
    await upkeep.start();
    this.ready = true;
    return { epoch: ownership.epoch };
  }

  /** A worker whose primary was killed drains before it lets go of its index: its successor waits for that, and says so. */
  private own(): Promise<Ownership> {
    return this.parts.backend.own(() => this.stopping);
  }

  private makePipeline(ownership: Ownership): Pipeline {
    const { configuration, spec, backend, engine, clock, telemetry } = this.parts;
    const { records, executor, emissions, storeTroubles } = engine;
    return new Pipeline({
      ownership,
      placement: new Placement(configuration.numProcesses),
      delivery: configuration.delivery,
      limits: limitsOf(configuration),
      spec,
      backend,
      records,
      execute: (task, delivery) => executor.execute(task, delivery),
      emissions,
      storeTroubles,
      clock,
      events: telemetry.events,
      failed: (reason) => this.failed(reason),
    });
  }

  private storeTroubled(why: string | null): void {
    this.storeWarning = why;
    this.parts.telemetry.events.emit('store-trouble', { why });
  }

  private makeUpkeep(ownership: Ownership, pipeline: Pipeline): Upkeep {
    const { parts, orders } = this;
    const { executor, submit } = parts.engine;
    const { log, events } = parts.telemetry;
    return new Upkeep({
      ...parts,
      log,
      events,
      submit,
      ownership,
      pipeline,
      outgrown: (why, atOnce) => orders.restartWorker(why, atOnce),
      running: () => executor.running(),
    });
  }

  /** Nothing more is done for the index from this moment on: its new owner does it. */
  private lose(why: string): void {
    if (this.lost !== null || this.stopping) return;
    this.lost = why;
    const { engine, scheduler, index, telemetry } = this.parts;
    engine.emissions.end(new ApplicationError('OWNERSHIP_LOST', why));
    void scheduler.stop();
    void this.upkeep?.stop();
    const { consuming } = this;
    if (consuming !== null) {
      consuming.pipeline.abandon(why);
      telemetry.events.emit('ownership-lost', { index, epoch: consuming.ownership.epoch });
    }
    this.orders.standBy(why);
  }

  /** The store failed for good, or the program itself is at fault: it stops. All else ends this worker alone, as a crash that its primary counts. */
  private failed(reason: unknown): void {
    if (reason instanceof ApplicationError && reason.code === 'OWNERSHIP_LOST') {
      this.lose(reason.message);
      return;
    }
    const forAll = reason instanceof ApplicationError && STOPS_PROGRAM.has(reason.code);
    if (forAll) this.orders.stopProgram(messageOf(reason), 1);
    else this.orders.stopWorker(messageOf(reason));
  }
}
