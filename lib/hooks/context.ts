/**
 * Contexts: what a call of module code may use, and only as long as the call lasts.
 *
 * One is made for every call, also of hooks that never look at it, so making it must cost next to nothing: what it offers comes
 * from getters of the class, and the abort signal exists once somebody asks for it. A revoked context throws and says why, so
 * that work which a hook left behind cannot act for a task that is over.
 */
import type { DataPoint } from '../model/datapoint.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../model/record.js';
import type { Task } from '../model/task.js';
import type { Instant } from '../model/time.js';
import type { Logger } from '../observability/logger.js';
import { entityRecord, freezeDeep } from './entity-record.js';
import type { Hook, RunningModule } from './hook.js';
import type { TaskMaker } from './task-maker.js';
import type {
  EntityRecord,
  MakeTask,
  Platform,
  PreviousValue,
  ScheduledContext,
  SetValue,
  StartContext,
  ValueContext,
} from './types.js';

/** Why a context was revoked, as the end of a sentence. */
export type Revoked = 'the call has ended' | 'the call did not end within its time limit' | 'the module has stopped';

const NO_POINTS: readonly DataPoint[] = Object.freeze([]);

abstract class Context {
  readonly #module: RunningModule;
  readonly #maker: TaskMaker;
  readonly #depth: number;
  #revoked: Revoked | null = null;
  #controller: AbortController | null = null;

  constructor(module: RunningModule, maker: TaskMaker, depth: number) {
    this.#module = module;
    this.#maker = maker;
    this.#depth = depth;
  }

  /** The data-points that the call set. */
  get points(): readonly DataPoint[] {
    return NO_POINTS;
  }

  get config(): unknown {
    return this.#module.config;
  }

  get platform(): Platform {
    return this.#module.platform;
  }

  get log(): Logger {
    return this.#module.log;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#revoked !== null && this.#revoked !== 'the call has ended') this.abort(this.#revoked);
    }
    return this.#controller.signal;
  }

  get task(): MakeTask {
    return (etype, eid, dataPoints, options) => {
      this.check('task');
      return this.#maker.make(this.#depth, etype, eid, dataPoints, options);
    };
  }

  /** Where an entity's own values can be set; elsewhere the call says so. */
  get set(): SetValue {
    return () => {
      throw new Error(
        `Module ${this.#module.name}: set() works in onEntityCreation, onNewPlain, onNewObservation and onNewTimeseriesChunk; this is ${this.place}.`,
      );
    };
  }

  /** From now on what the context offers throws. */
  revoke(why: Revoked): void {
    this.#revoked = why;
    if (why !== 'the call has ended') this.abort(why);
  }

  /** Tells the call to end, and lets it use its context meanwhile. */
  abort(why: Revoked): void {
    const name = why === 'the module has stopped' ? 'AbortError' : 'TimeoutError';
    this.#controller?.abort(new DOMException(`Module ${this.#module.name}: ${why}.`, name));
  }

  /** The name of the hook. */
  protected abstract get place(): string;

  protected check(what: string): void {
    if (this.#revoked === null) return;
    throw new Error(`Module ${this.#module.name}: ${what}() cannot be used any more, ${this.#revoked}.`);
  }
}

/** What a call is about, as it is at the time of the call. */
export interface Scene {
  readonly task: Pick<Task, 'etype' | 'eid'>;
  readonly state: RecordState | null;
  readonly now: Instant;
}

/** What a record held of an attribute before a data-point. */
export type Before = PlainValue | HistorySummary | undefined;

/** For a call about an entity. */
export class EntityContext extends Context implements ValueContext<unknown> {
  readonly #hook: Hook;
  readonly #maker: TaskMaker;
  readonly #scene: Scene;
  readonly #point: DataPoint | null;
  readonly #before: Before;
  #set: DataPoint[] | null = null;

  /** `point`: the data-point that the call is about, null for a whole task; `before`: what the record held before it. */
  constructor(hook: Hook, maker: TaskMaker, depth: number, scene: Scene, point: DataPoint | null, before: Before) {
    super(hook.module, maker, depth);
    this.#hook = hook;
    this.#maker = maker;
    this.#scene = scene;
    this.#point = point;
    this.#before = before;
  }

  override get points(): readonly DataPoint[] {
    return this.#set ?? NO_POINTS;
  }

  get record(): () => EntityRecord | null {
    return () => {
      this.check('record');
      const { state } = this.#scene;
      return state === null ? null : entityRecord(state);
    };
  }

  get previous(): PreviousValue | null {
    const before = this.#before;
    if (before === undefined) return null;
    return 'newest' in before ? historyValueOf(before.newest) : plainValueOf(before);
  }

  get lastArrived(): PreviousValue | null {
    const before = this.#before;
    if (before === undefined) return null;
    if (!('newest' in before)) return plainValueOf(before);
    return before.lastArrived === undefined ? null : historyValueOf(before.lastArrived);
  }

  override get set(): SetValue {
    if (this.#hook.returns !== 'tasks') return super.set;
    return (attr, v, options = {}) => {
      this.check('set');
      const { task, now } = this.#scene;
      const cause = this.#point ?? { t1: null, t2: null, c: 1 };
      this.#set ??= [];
      this.#set.push(this.#maker.ownPoint(task, { attr, v, ...options }, cause, now));
    };
  }

  protected get place(): string {
    return this.#hook.name;
  }
}

/** For one run of a scheduled job. */
export class JobContext extends Context implements ScheduledContext<unknown> {
  readonly #hook: Hook;

  constructor(
    hook: Hook,
    maker: TaskMaker,
    readonly due: Instant,
  ) {
    super(hook.module, maker, 0);
    this.#hook = hook;
  }

  protected get place(): string {
    return this.#hook.name;
  }
}

/** For the life of a module, from its start until it has stopped. */
export class LifeContext extends Context implements StartContext<unknown> {
  readonly #emit: StartContext['emit'];

  constructor(module: RunningModule, maker: TaskMaker, emit: StartContext['emit']) {
    super(module, maker, 0);
    this.#emit = async (task) => {
      this.check('emit');
      if (!maker.made(task)) throw new TypeError(`Module ${module.name}: emit() takes a task made with task().`);
      await emit(task);
    };
  }

  get emit(): StartContext['emit'] {
    return this.#emit;
  }

  protected get place(): string {
    return 'start or stop';
  }
}

function historyValueOf({ v, t1, t2, c }: HistoryRow): PreviousValue {
  return Object.freeze({ v: freezeDeep(v), t1, t2, c });
}

function plainValueOf({ v, ts }: PlainValue): PreviousValue {
  return Object.freeze({ v: freezeDeep(v), ts });
}
