/**
 * Upkeep: what a worker does again and again beside its tasks, as one table. It begins when the worker consumes, and ends before it drains. Jobs of
 * modules are the scheduler's.
 */
import type { WorkerBackend } from '../backend/backend.js';
import type { Configuration } from '../config/configuration.js';
import type { RunningTask } from '../executor/executor.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import { Periodic, type PeriodicStatus, type PeriodicWork } from '../runtime/periodic.js';
import { type Service, startAll } from '../runtime/service.js';
import type { TrustedTime } from '../runtime/trusted-time.js';
import type { LostTasks, Ownership } from '../store/store.js';
import { LossSearch } from './lost-tasks.js';
import { purge } from './purge.js';
import { sweeper } from './sweeper.js';
import { type MemoryLimit, watchdogs } from './watchdog.js';

export interface UpkeepOptions {
  readonly ownership: Ownership;
  readonly pipeline: Pick<Pipeline, 'status' | 'revive'>;
  readonly backend: Pick<WorkerBackend, 'reader' | 'store'>;
  readonly configuration: Pick<Configuration, 'delivery' | 'hangTimeoutMs' | 'maxMemoryBytes' | 'ttl' | 'watchdog'>;
  readonly spec: ModelSpec;
  readonly running: () => readonly RunningTask[];
  /** The process has more memory than is allowed; `atOnce`: it had before its first task. Called once. */
  readonly outgrown: (why: string, atOnce: boolean) => void;
  /** Sends tasks as derived ones are sent; resolves when they are durable. */
  readonly submit: (tasks: readonly Task[]) => Promise<void>;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly events: Events;
  readonly log: Logger;
}

/** A task is lost that was missing for so long. */
const LOST_AFTER_MS = 60_000;

/** To be made before the first task. */
export class Upkeep implements Service {
  readonly name = 'upkeep';
  private readonly losses: LossSearch | null;
  private readonly services: readonly Periodic[];

  constructor(options: UpkeepOptions) {
    this.losses = lossSearch(options);
    this.services = table(options, this.losses).map((work) => new Periodic(work, options.clock));
  }

  start(): Promise<void> {
    return startAll(this.services);
  }

  /** None begins a run from now on, also where that of another one is still to end. */
  async stop(deadline?: Deadline): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop(deadline)));
  }

  status(): readonly PeriodicStatus[] {
    return this.services.map((service) => service.status());
  }

  /** Tasks that were lost between broker and worker, as far as it is known. */
  get lost(): readonly LostTasks[] {
    return this.losses?.known ?? [];
  }
}

/** Everything that is done periodically. */
function table(options: UpkeepOptions, losses: LossSearch | null): readonly PeriodicWork[] {
  const { backend, configuration, spec, clock, log } = options;
  const { store } = backend;
  const { hangTimeoutMs, ttl, watchdog } = configuration;
  const mortal = [...spec.entities.values()].filter(({ lifetime }) => lifetime.type === 'ttl');
  const sweep = { ...options, store, intervalMs: ttl.sweepIntervalMs };
  return [
    ...mortal.map(({ id: etype }) => sweeper({ ...sweep, etype })),
    ...(losses === null ? [] : [losses]),
    ...watchdogs({ ...options, hangTimeoutMs, intervalMs: watchdog.intervalMs, memory: memoryLimit(options) }),
    purge({ store, everyMs: watchdog.intervalMs, clock, log }),
  ];
}

/** Of tasks that leave their queue before they are committed, nobody can say where they were lost. */
function lossSearch({ ownership, backend, configuration, clock, events, log }: UpkeepOptions): LossSearch | null {
  const { reader, store } = backend;
  const { streams } = store;
  if (streams === null || configuration.delivery === 'at-most-once') return null;
  return new LossSearch({ ownership, streams, reader, intervalMs: LOST_AFTER_MS, clock, events, log });
}

/** What a worker begins with is not its tasks'. */
function memoryLimit({ configuration, outgrown, log }: UpkeepOptions): MemoryLimit {
  const bytes = () => process.memoryUsage.rss();
  const { maxMemoryBytes: limitBytes } = configuration;
  const baselineBytes = bytes();
  if (limitBytes !== null && baselineBytes > limitBytes) {
    log.warn('max_memory is less than a worker begins with', { bytes: baselineBytes, allowed: limitBytes });
  }
  return { bytes, baselineBytes, limitBytes, outgrown };
}
