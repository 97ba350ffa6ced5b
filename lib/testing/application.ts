/**
 * An application in memory, for tests of its modules: its configuration, its model, its modules and the executor of the workers, in the
 * test's own process, without queue and store.
 *
 * What a worker leaves to chance is an error here: a hook that throws or returns nonsense costs its tasks in a worker, and fails the
 * test. Tasks are taken one at a time, derived ones right after their cause, so that a test always sees the same. Refused: a fake
 * context for single hooks (a test would pass with tasks that the model does not allow).
 */
import type { Configuration } from '../config/configuration.js';
import { requireConfiguration } from '../config/load.js';
import { Executor } from '../executor/executor.js';
import { entityRecord } from '../hooks/entity-record.js';
import { jobsOf, type ModuleJob } from '../hooks/jobs.js';
import { ModuleLifecycle } from '../hooks/lifecycle.js';
import type { Registry } from '../hooks/registry.js';
import { HookRunner } from '../hooks/run.js';
import { createTaskMaker, type TaskMaker } from '../hooks/task-maker.js';
import type { EntityId, EntityRecord, EntityType, MakeTask, Task } from '../hooks/types.js';
import type { Outcome, RecordView } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import { parseTask } from '../model/task-parse.js';
import { instantOfMs } from '../model/time.js';
import { createEvents, type EventMap } from '../observability/events.js';
import { type Logger, makeLogger } from '../observability/logger.js';
import { systemClock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import { Troubles } from '../runtime/troubles.js';
import { loadRegistry } from '../worker/registry.js';

export interface TestApplicationOptions {
  /** The configuration folder; `config` of the working folder where it is not given. */
  readonly config?: string;
  /** The environment; `test` where it is not given. */
  readonly env?: string;
}

/** A task that was executed, and how it ended. */
export interface ExecutedTask {
  readonly task: Task;
  readonly outcome: Outcome;
}

/** What one call of `process` or `runJobs` may set off: a module whose tasks make tasks forever is told so. */
const MOST_TASKS = 100_000;
const NOTHING: RecordView = Object.freeze({ state: null, lastIncarnation: 0 });

/** Reads and checks all that a start would, and starts the modules. @throws with every mistake of configuration and modules */
export async function openApplication(options: TestApplicationOptions = {}): Promise<TestApplication> {
  const { config: dir = 'config', env = 'test' } = options;
  const { configuration, spec } = requireConfiguration({ dir, env });
  const registry = await loadRegistry({ configuration, spec, index: 0, log: silent() });
  const application = new TestApplication(configuration, spec, registry);
  await application.start();
  return application;
}

function silent(): Logger {
  return makeLogger(() => {}, 'error', {});
}

export class TestApplication {
  private readonly events = createEvents();
  private readonly maker: TaskMaker;
  private readonly executor: Executor;
  private readonly modules: ModuleLifecycle;
  private readonly jobs: readonly ModuleJob[];
  private readonly records = new Map<string, RecordView>();
  /** Errors of hooks since the last task. */
  private readonly failures: EventMap['module-error'][] = [];
  /** What is being done: one thing at a time. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    configuration: Configuration,
    private readonly spec: ModelSpec,
    registry: Registry,
  ) {
    const { events, failures } = this;
    const { hookTimeoutMs, maxChainDepth, maxInlineGeneratedTasks, maxSets } = configuration;
    const { slowTaskMs, message } = configuration;
    const [clock, log] = [systemClock, silent()];
    events.on('module-error', (failure) => failures.push(failure));
    const maker = createTaskMaker(spec, message.bytes);
    const runner = new HookRunner({ maker, clock, events, hookTimeoutMs });
    this.maker = maker;
    this.jobs = jobsOf(registry.scheduled, { index: 0, runner, maker });
    this.executor = new Executor({
      spec,
      maxInline: maxInlineGeneratedTasks,
      maxDepth: maxChainDepth,
      maxSets,
      slowTaskMs,
      records: {
        newest: (_etype, _eid, key = '') => this.records.get(key) ?? NOTHING,
        put: (key, view) => void this.records.set(key, view),
      },
      registry,
      runner,
      maker,
      troubles: new Troubles(),
      clock,
      events,
    });
    const emit = async (task: Task) => void (await this.process(task));
    this.modules = new ModuleLifecycle({ modules: registry.modules, maker, emit, clock, events, log, hookTimeoutMs });
  }

  start(): Promise<void> {
    return this.modules.start();
  }

  /** A task as hooks make it, checked at once against the model. */
  readonly task: MakeTask = (etype, eid, dataPoints, options) => this.maker.make(0, etype, eid, dataPoints, options);

  /**
   * Executes the task and every task derived from it; all of them in order, with how they ended. Rejects where a hook failed, and where
   * a worker would put a task into quarantine.
   */
  process(task: Task): Promise<readonly ExecutedTask[]> {
    return this.oneAtATime(() => this.execute([task]));
  }

  /** Runs the scheduled jobs of a module once, as if they were due now, and executes their tasks. */
  runJobs(module: string): Promise<readonly ExecutedTask[]> {
    const jobs = this.jobs.filter((job) => job.module === module);
    if (jobs.length === 0) throw new Error(`the module ${module} has no scheduled jobs`);
    return this.oneAtATime(async () => {
      const tasks: Task[] = [];
      for (const job of jobs) tasks.push(...(await job.run(instantOfMs(systemClock.now()))));
      this.throwFailure();
      return this.execute(tasks);
    });
  }

  /** The record of an entity as hooks see it, null where there is none. */
  record<E extends EntityType>(etype: E, eid: EntityId<E>): EntityRecord<E> | null {
    const entity = this.spec.entity(etype);
    if (entity === undefined) throw new Error(`there is no entity type ${etype}`);
    const state = this.records.get(`${etype}:${entity.canonicalId(eid)}`)?.state ?? null;
    return state === null ? null : (entityRecord(state) as EntityRecord<E>);
  }

  /** Stops the modules. */
  async close(): Promise<void> {
    await this.last;
    await this.modules.stop();
  }

  private oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => {});
    return done;
  }

  private async execute(tasks: readonly Task[]): Promise<ExecutedTask[]> {
    const waiting = [...tasks];
    const executed: ExecutedTask[] = [];
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      if (executed.length >= MOST_TASKS) throw new Error(`more than ${MOST_TASKS} tasks came of ${tasks[0]?.key}`);
      const { outcome, derived, reason } = await this.executor.execute(task, { id: task.key });
      this.throwFailure();
      if (reason !== undefined) throw new Error(`${task.key} would go to quarantine: ${reason.sentence}`);
      executed.push({ task, outcome });
      waiting.push(...derived.map(({ body }) => parseTask(body, this.spec)));
    }
    return executed;
  }

  private throwFailure(): void {
    const [failure] = this.failures.splice(0);
    if (failure === undefined) return;
    const { module, hook, key, error } = failure;
    const about = key === null ? '' : ` (${key})`;
    throw new Error(`module ${module}, ${hook}${about}: ${messageOf(error)}`, { cause: error });
  }
}
