/**
 * Lifecycle: starts the modules in the order of `enabled_modules` and stops them in reverse.
 *
 * A start that fails stops the program, since a module that is half there would process tasks wrongly without a word; a stop
 * that fails is logged, since by then everything is committed. Both have a time limit: a module must not keep the program.
 */
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';
import { LifeContext } from './context.js';
import type { RunningModule } from './hook.js';
import { endOf, isPromise } from './run.js';
import type { TaskMaker } from './task-maker.js';

export interface LifecycleOptions {
  readonly modules: readonly RunningModule[];
  readonly maker: TaskMaker;
  /** Sends a task from outside of hooks; resolves when it is committed. */
  readonly emit: (task: Task) => Promise<void>;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
  /** How long the start of a module may take, and its stop where no deadline is handed in. */
  readonly hookTimeoutMs: number;
}

interface StartedModule {
  readonly module: RunningModule;
  readonly context: LifeContext;
}

export class ModuleLifecycle implements Service {
  readonly name = 'modules';
  private readonly options: LifecycleOptions;
  private started: StartedModule[] = [];

  constructor(options: LifecycleOptions) {
    this.options = options;
  }

  /** @throws ApplicationError MODULE_START_FAILED naming the module; the modules that had started can be stopped then */
  async start(): Promise<void> {
    const { modules, maker, emit, clock, events, hookTimeoutMs } = this.options;
    for (const module of modules) {
      const startedAt = clock.monotonic();
      const context = new LifeContext(module, maker, emit);
      // Before it has started: what its start began must be stopped also when it failed half-way.
      this.started.push({ module, context });
      const failure = await this.call(module, 'start', context, hookTimeoutMs);
      if (failure !== null) {
        throw new ApplicationError('MODULE_START_FAILED', `Module ${module.name}: ${messageOf(failure)}`, {
          cause: failure,
        });
      }
      events.emit('module-started', { module: module.name, durationMs: clock.monotonic() - startedAt });
    }
  }

  async stop(deadline?: Deadline): Promise<void> {
    const { log, hookTimeoutMs } = this.options;
    const stopping = this.started.reverse();
    this.started = [];
    for (const { module, context } of stopping) {
      context.abort('the module has stopped');
      const failure = await this.call(module, 'stop', context, deadline?.leftMs ?? hookTimeoutMs);
      context.revoke('the module has stopped');
      if (failure !== null) log.error('a module did not stop cleanly', { module: module.name, error: failure });
    }
  }

  /** What went wrong, null for nothing. */
  private async call(
    module: RunningModule,
    which: 'start' | 'stop',
    context: LifeContext,
    limitMs: number,
  ): Promise<unknown> {
    const { clock } = this.options;
    try {
      const work: unknown = module[which]?.(context);
      if (!isPromise(work)) return null;
      const late = () => module.log.warn(`its ${which} function ended after its time limit`);
      const ended = await endOf(work, limitMs, clock, late);
      if (ended.kind === 'returned') return null;
      if (ended.kind === 'threw') return ended.error ?? new Error(`its ${which} function rejected`);
      context.revoke('the call did not end within its time limit');
      return new Error(`its ${which} function did not settle within ${Math.round(limitMs)} ms`);
    } catch (error) {
      return error ?? new Error(`its ${which} function threw`);
    }
  }
}
