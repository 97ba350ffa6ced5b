/** Modules, hooks and an executor for tests, over the test model, a clock that stands still and records in memory. */
import { Executor } from '../../lib/executor/executor.js';
import { defineModule } from '../../lib/hooks/define.js';
import type { LoadedModule } from '../../lib/hooks/loader.js';
import { register } from '../../lib/hooks/registration.js';
import type { Registry } from '../../lib/hooks/registry.js';
import { HookRunner } from '../../lib/hooks/run.js';
import { createTaskMaker } from '../../lib/hooks/task-maker.js';
import type { ModuleConfig, ModuleDefinition, Platform } from '../../lib/hooks/types.js';
import type { Problem } from '../../lib/model/problem.js';
import type { RecordState, RecordView, TaskResult } from '../../lib/model/record.js';
import type { ModelSpec } from '../../lib/model/spec.js';
import type { Task, UnsentTask } from '../../lib/model/task.js';
import { makeTask, parseTask, type TaskInput } from '../../lib/model/task-parse.js';
import type { EventMap, EventName } from '../../lib/observability/events.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { manualClock } from './clock.js';
import { capturingLogger, eventsLoggedTo } from './logger.js';
import { loadTestModel } from './model.js';

export const HOOK_TIMEOUT_MS = 30_000;

export function loaded(name: string, definition: object, config: ModuleConfig = {}): LoadedModule {
  return { name, file: `/modules/${name}.js`, module: defineModule(definition as ModuleDefinition), config };
}

export function platformOf(model: ModelSpec, index = 0): Platform {
  return { app: 'test', index, numProcesses: 4, model };
}

/** Registers definitions as the modules `first`, `second` ... */
export function registering(...definitions: readonly object[]): { registry: Registry | null; problems: Problem[] } {
  const spec = loadTestModel();
  const names = ['first', 'second', 'third'];
  const modules = definitions.map((definition, at) => loaded(names[at] ?? `module${at}`, definition));
  return register(modules, { spec, platform: platformOf(spec), log: capturingLogger(), nowMs: Date.UTC(2026, 0, 1) });
}

/** Records that answer at once for what was put into them, and by a promise for `slow` keys. */
export class MemoryRecords {
  readonly views = new Map<string, RecordView>();
  readonly puts: string[] = [];
  readonly slow = new Set<string>();
  /** Errors of the next reads. */
  readonly failures: unknown[] = [];

  newest(etype: string, eid: string, key = `${etype}:${eid}`): RecordView | Promise<RecordView> {
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    const view = this.views.get(key) ?? { state: null, lastIncarnation: 0 };
    return this.slow.has(key) ? Promise.resolve(view) : view;
  }

  put(key: string, view: RecordView): void {
    this.puts.push(key);
    this.views.set(key, view);
  }

  state(key: string): RecordState | null {
    return this.views.get(key)?.state ?? null;
  }
}

export interface BenchOptions {
  readonly modules?: readonly LoadedModule[];
  readonly maxInline?: number;
  readonly maxDepth?: number;
  readonly maxSets?: number;
}

/** Everything an executor needs, with what it did in the open. */
export function workbench(definitions: object | readonly object[], options: BenchOptions = {}) {
  const spec = loadTestModel();
  const log = capturingLogger();
  const clock = manualClock();
  const events = eventsLoggedTo(log);
  const watch = <N extends EventName>(name: N): EventMap[N][] => {
    const list: EventMap[N][] = [];
    events.on(name, (payload) => list.push(payload));
    return list;
  };
  const list = Array.isArray(definitions) ? (definitions as readonly object[]) : [definitions];
  const names = ['first', 'second', 'third'];
  const modules = options.modules ?? list.map((definition, at) => loaded(names[at] ?? `module${at}`, definition));
  const { registry, problems } = register(modules, { spec, platform: platformOf(spec), log, nowMs: clock.now() });
  if (registry === null) throw new Error(problems.map(({ key, sentence }) => `${key}: ${sentence}`).join('\n'));
  const maker = createTaskMaker(spec);
  const runner = new HookRunner({ maker, clock, events, hookTimeoutMs: HOOK_TIMEOUT_MS });
  const records = new MemoryRecords();
  const troubles = new Troubles();
  const executor = new Executor({
    spec,
    records,
    registry,
    runner,
    maker,
    troubles,
    clock,
    events,
    maxDepth: options.maxDepth ?? 1_000,
    maxSets: options.maxSets ?? 10_000,
    maxInline: options.maxInline ?? 0,
    slowTaskMs: 1_000,
  });
  const execute = (task: Task) => executor.execute(task, { id: 'delivery' });
  return {
    spec,
    log,
    clock,
    events,
    watch,
    registry,
    maker,
    runner,
    records,
    troubles,
    executor,
    task: (input: TaskInput) => makeTask(spec, input),
    execute,
    /** Executes what needs no waiting. */
    executeNow(task: Task): TaskResult {
      const result = execute(task);
      if (result instanceof Promise) throw new Error('the executor returned a promise');
      return result;
    },
    /** The derived tasks as their receiver reads them. */
    read: (tasks: readonly UnsentTask[]): Task[] => tasks.map(({ body }) => parseTask(body, spec)),
  };
}

/** A task of `ip:192.0.2.1` with a data-point of `hostname`. */
export function named(hostname: string, eid = '192.0.2.1'): TaskInput {
  return { etype: 'ip', eid, dataPoints: [{ attr: 'hostname', v: hostname }] };
}

/** A task of `ip:192.0.2.1` with an observation of `open_ports`. */
export function observed(ports: readonly number[], t1 = '2026-01-01T00:00:00Z', eid = '192.0.2.1'): TaskInput {
  return { etype: 'ip', eid, dataPoints: [{ attr: 'open_ports', v: ports, t1 }] };
}

/** Something that is resolved from outside. */
export function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Lets everything that is ready run: all promise callbacks there are, and those they make. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
