/** What a pipeline is made of, its bounds, and where the configuration has them. */
import type { Emissions } from '../commit/emissions.js';
import type { Configuration } from '../config/configuration.js';
import type { Delivery } from '../model/delivery.js';
import type { FutureLimit } from '../model/future.js';
import type { TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { TaskReader, TaskWriter } from '../queue/queue.js';
import type { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import type { Random } from '../runtime/random.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Records } from '../store/records.js';
import type { Ownership, Store } from '../store/store.js';

export interface PipelineOptions {
  readonly ownership: Ownership;
  readonly placement: Placement;
  readonly delivery: 'effectively-once' | 'at-least-once' | 'at-most-once';
  readonly limits: PipelineLimits;
  readonly spec: ModelSpec;
  /** Stopped by a drain. */
  readonly backend: PipelineBackend;
  readonly records: Records;
  /** Tasks that no delivery has brought. */
  readonly emissions: Emissions;
  /** Why work waits for the store; the executor tells it, too. */
  readonly storeTroubles: Troubles;
  readonly clock: Clock;
  /** Where ids are drawn from; without, those of the system. */
  readonly random?: Random;
  readonly events: Events;
  execute(task: Task, delivery: Delivery): TaskResult | Promise<TaskResult>;
  /** This worker cannot go on; called once. */
  failed(reason: unknown): void;
}

export interface PipelineBackend {
  readonly reader: TaskReader;
  readonly writer: TaskWriter;
  readonly store: Store;
}

export interface PipelineLimits {
  readonly threads: number;
  /** Where both wait, at least one task in this many is a normal one. */
  readonly normalEvery: number;
  readonly commit: { readonly tasks: number; readonly bytes: number; readonly ageMs: number };
  readonly outboxBatch: number;
  readonly messageBytes: number;
  readonly future: FutureLimit;
  /** A task that broke its lane or its process this often goes to quarantine. */
  readonly maxAttempts: number;
  /** Lane restarts after which the worker stops. */
  readonly maxRestarts: number;
}

export function limitsOf(configuration: Configuration): PipelineLimits {
  const { workerThreads, normalEvery, commit, outbox, message, datapoint, quarantine, watchdog } = configuration;
  return {
    threads: workerThreads,
    normalEvery,
    commit,
    outboxBatch: outbox.tasks,
    messageBytes: message.bytes,
    future: datapoint,
    maxAttempts: quarantine.maxAttempts,
    maxRestarts: watchdog.maxRestarts,
  };
}
