/**
 * The worker put together: the one place that knows all parts of the data path and in which order they start.
 *
 *   configuration and modules are read -> a data folder is joined, once the index has no other owner that lives
 *   -> the queue's reader and writer and the store connect and are checked
 *   -> ownership of the index is taken -> modules start -> the pipeline publishes what was left and consumes -> jobs and upkeep
 *
 * Modules start after ownership was taken, since what they emit is written as the owner of the index.
 */
import type { WorkerBackend } from '../backend/backend.js';
import { backendOf } from '../backend/open.js';
import { Emissions } from '../commit/emissions.js';
import type { Configuration } from '../config/configuration.js';
import { requireConfiguration } from '../config/load.js';
import { Executor } from '../executor/executor.js';
import { jobsOf } from '../hooks/jobs.js';
import { ModuleLifecycle } from '../hooks/lifecycle.js';
import type { Registry } from '../hooks/registry.js';
import { HookRunner } from '../hooks/run.js';
import { createTaskMaker } from '../hooks/task-maker.js';
import type { Assignment } from '../ipc/messages.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { unsentTask } from '../model/task-serialise.js';
import { logEvents } from '../observability/event-log.js';
import { createEvents, type Events } from '../observability/events.js';
import { createLogger, makeLogger, type RootLogger } from '../observability/logger.js';
import { collectMetrics } from '../observability/metrics.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import { Troubles } from '../runtime/troubles.js';
import { TrustedTime } from '../runtime/trusted-time.js';
import { Scheduler } from '../scheduler/scheduler.js';
import { Records } from '../store/records.js';
import type { Importing, Orders, WorkerProgram } from './life.js';
import { loadRegistry } from './registry.js';
import { RunningWorker, type WorkerParts } from './running.js';

/** Reads the configuration, loads the modules and makes every part. Throws CONFIG_INVALID, MODULE_INVALID, and what opening a backend throws. */
export async function assembleWorker(
  assignment: Assignment,
  orders: Orders,
  importing: Importing,
): Promise<WorkerProgram> {
  const clock = systemClock;
  // At once: what is read and waited for here takes its time.
  const time = new TrustedTime(clock, assignment.trustedMs ?? clock.now());
  const { configuration, spec } = requireConfiguration(assignment.config);
  const { index } = assignment;
  if (index >= configuration.numProcesses) {
    const sentence = `index ${index} must be less than worker_processes, which is ${configuration.numProcesses}`;
    throw new ApplicationError('CONFIG_INVALID', sentence);
  }
  const root = openLog(configuration, index);
  const registry = await loadRegistry({ configuration, spec, index, log: root, importing });
  const events = createEvents((name, error) => root.error('a listener failed', { event: name, error }));
  logEvents(events, root, clock);
  const place = { spec, index, clock, time, log: root, waiting: orders.waiting };
  const backend = await (await backendOf(configuration)).openWorker(place);
  return new RunningWorker(
    makeParts({ configuration, spec, index, clock, time, events, root, registry, backend }),
    orders,
  );
}

/** Reads and loads all of that and makes nothing. Throws as `assembleWorker` would, and RESTART_NEEDED. */
export async function rehearseWorker({ config, index }: Assignment, importing: Importing): Promise<void> {
  const { configuration, spec } = requireConfiguration(config);
  const log = makeLogger(() => {}, 'error', {});
  await loadRegistry({ configuration, spec, index, log, importing });
  await (await backendOf(configuration)).rehearse();
}

function openLog(configuration: Configuration, index: number): RootLogger {
  const { level, format, file, maxBytes, maxFiles } = configuration.logging;
  const path = file === null ? null : `${file}.worker-${index}`;
  return createLogger({
    level,
    format,
    fields: { index },
    ...(path !== null && { file: { path, maxBytes, maxFiles } }),
  });
}

interface Given {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly index: number;
  readonly clock: Clock;
  readonly time: TrustedTime;
  readonly events: Events;
  readonly root: RootLogger;
  readonly registry: Registry;
  readonly backend: WorkerBackend;
}

function makeParts({ configuration, spec, index, clock, time, events, root, registry, backend }: Given): WorkerParts {
  const { hookTimeoutMs, cache, maxChainDepth: maxDepth, maxSets, message } = configuration;
  const log = root;
  const metrics = collectMetrics(events, clock);
  const { store } = backend;
  const emissions = new Emissions();
  const records = new Records(store, { bytes: cache.bytes });
  const maker = createTaskMaker(spec, message.bytes);
  const runner = new HookRunner({ maker, clock, events, hookTimeoutMs });
  const submit = (tasks: readonly Task[]) => emissions.send(tasks.map((task) => unsentTask(task, spec, true)));
  const storeTroubles = new Troubles();
  const executor = new Executor({
    spec,
    maxInline: configuration.maxInlineGeneratedTasks,
    slowTaskMs: configuration.slowTaskMs,
    maxDepth,
    maxSets,
    records,
    registry,
    runner,
    maker,
    troubles: storeTroubles,
    clock,
    events,
  });
  const modules = new ModuleLifecycle({
    modules: registry.modules,
    maker,
    emit: (task) => submit([task]),
    clock,
    events,
    log,
    hookTimeoutMs,
  });
  const jobs = jobsOf(registry.scheduled, { index, runner, maker });
  const { misfireGraceMs } = configuration.scheduler;
  const owns = () => store.holds();
  const scheduler = new Scheduler({ jobs, submit, owns, misfireGraceMs, clock, events });
  return {
    configuration,
    spec,
    index,
    telemetry: { log, events, metrics },
    clock,
    backend,
    engine: { records, executor, storeTroubles, emissions, submit },
    modules,
    scheduler,
    time,
  };
}
