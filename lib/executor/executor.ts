/**
 * Executor: takes one task through the steps to its result. The result is data: nothing is stored, sent or acknowledged here.
 *
 * Where no step has to wait, the result is there at once and no promise was made; the new state is in the records before that,
 * so that the next task of the entity sees it. Whatever module code does ends in the result; what is thrown here is an error
 * of ours, after which nothing has changed. Refused: a class for each step, a generator (both were slower than a list of functions).
 */
import type { TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { type Instant, instantOfMs } from '../model/time.js';
import { messageOf } from '../runtime/errors.js';
import { Chain, type ExecutedDelivery } from './chain.js';
import { nextInline } from './followups.js';
import { FIRST_STEP_INLINE, STEPS, type Tools } from './steps.js';

export interface ExecutorOptions extends Tools {
  readonly spec: ModelSpec;
  /** `max_inline_generated_tasks`: how many derived tasks of the same entity one delivered task may execute at once. */
  readonly maxInline: number;
  /** Tasks that take longer are told as slow (DP3: one second). */
  readonly slowTaskMs: number;
}

/** A task that waits for something, for the watchdog. */
export interface RunningTask {
  readonly id: string;
  readonly key: string;
  readonly runningMs: number;
  /** `module hook` that runs or ran last; null before the first. */
  readonly hook: string | null;
}

/** A task could not be executed; `cause` says why. */
export class ExecutionError extends Error {
  override readonly name = 'ExecutionError';

  constructor(
    /** That ran or ran last; null where none did. */
    readonly hook: string | null,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

export class Executor {
  private readonly options: ExecutorOptions;
  /** Those that wait; a task that ends without waiting is never seen by anyone. */
  private readonly waiting = new Set<Chain>();
  private nowMs = Number.NaN;
  private now: Instant | null = null;

  constructor(options: ExecutorOptions) {
    this.options = options;
  }

  /**
   * Executes the task of a delivery and puts the new state into the records. Two tasks of one key must not be executed at the
   * same time: that is the lanes' duty. Throws or rejects, with an ExecutionError, for errors of the program or of the store alone.
   */
  execute(task: Task, delivery: ExecutedDelivery): TaskResult | Promise<TaskResult> {
    const { spec, clock } = this.options;
    const entity = spec.entity(task.etype);
    if (entity === undefined) throw new Error(`the task ${delivery.id} is of the unknown entity type ${task.etype}`);
    const chain = new Chain(task, delivery, entity, this.instant(), clock.monotonic(), this.options);
    try {
      const waiting = this.advance(chain);
      return waiting === null ? this.finish(chain) : this.wait(chain, waiting);
    } catch (error) {
      throw new ExecutionError(chain.hookName, error);
    }
  }

  /** The tasks that wait for a hook or for the store. */
  running(): RunningTask[] {
    const now = this.options.clock.monotonic();
    return Array.from(this.waiting, ({ delivery, task, startedAt, hookName: hook }) => ({
      id: delivery.id,
      key: task.key,
      runningMs: now - startedAt,
      hook,
    }));
  }

  /** Goes on until a step has to wait, which is returned, or until everything is done: null. */
  private advance(chain: Chain): Promise<void> | null {
    const { spec, maxDepth } = this.options;
    for (;;) {
      while (chain.step < STEPS.length && chain.outcome === null) {
        const waiting = STEPS[chain.step++]?.(this.options, chain);
        if (waiting !== undefined) return waiting;
      }
      chain.outcomeOfFirst ??= chain.outcome ?? 'applied';
      if (chain.reason !== null) return null;
      if (!nextInline(chain, spec, maxDepth)) return null;
      chain.step = FIRST_STEP_INLINE;
    }
  }

  private async wait(chain: Chain, first: Promise<void>): Promise<TaskResult> {
    this.waiting.add(chain);
    try {
      for (let waiting: Promise<void> | null = first; waiting !== null; waiting = this.advance(chain)) await waiting;
      return this.finish(chain);
    } catch (error) {
      throw new ExecutionError(chain.hookName, error);
    } finally {
      this.waiting.delete(chain);
    }
  }

  private finish(chain: Chain): TaskResult {
    const { records, clock, events, slowTaskMs } = this.options;
    const result = chain.result();
    const { key } = chain.task;
    if (result.record !== undefined) records.put(key, result.record);
    const durationMs = clock.monotonic() - chain.startedAt;
    if (events.hears('task-executed')) events.emit('task-executed', { key, outcome: result.outcome, durationMs });
    if (durationMs > slowTaskMs) events.emit('task-slow', { key, durationMs, created: chain.created });
    return result;
  }

  /** The present time; made into text once a millisecond. */
  private instant(): Instant {
    const nowMs = this.options.clock.now();
    if (this.now === null || nowMs !== this.nowMs) {
      this.now = instantOfMs(nowMs);
      this.nowMs = nowMs;
    }
    return this.now;
  }
}
