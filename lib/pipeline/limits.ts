/** The bounds of a pipeline, and where the configuration has them. */
import type { Configuration } from '../config/configuration.js';
import type { FutureLimit } from '../model/future.js';

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
