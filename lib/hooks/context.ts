/**
 * Contexts: what a call of module code may use, and only as long as the call lasts.
 *
 * One is made for every call, also of hooks that never look at it, so making it must cost next to nothing: what it offers comes
 * from getters of the class, and the abort signal exists once somebody asks for it. A revoked context throws and says why, so
 * that work which a hook left behind can not act for a task that is over.
 */
import type { RecordState } from '../model/record.js';
import type { Instant } from '../model/time.js';
import type { Logger } from '../observability/logger.js';
import { entityRecord } from './entity-record.js';
import type { RunningModule } from './hook.js';
import type { TaskMaker } from './task-maker.js';
import type { EntityRecord, HookContext, MakeTask, Platform, ScheduledContext, StartContext } from './types.js';

/** Why a context was revoked, as the end of a sentence. */
export type Revoked = 'the call has ended' | 'the call did not end within its time limit' | 'the module has stopped';

class Context {
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

  protected check(what: string): void {
    if (this.#revoked === null) return;
    throw new Error(`Module ${this.#module.name}: ${what}() can not be used any more, ${this.#revoked}.`);
  }
}

/** For a call about an entity, whose record is the state at the time of the call. */
export class EntityContext extends Context implements HookContext<unknown> {
  readonly #state: RecordState | null;

  constructor(module: RunningModule, maker: TaskMaker, depth: number, state: RecordState | null) {
    super(module, maker, depth);
    this.#state = state;
  }

  get record(): () => EntityRecord | null {
    return () => {
      this.check('record');
      return this.#state === null ? null : entityRecord(this.#state);
    };
  }
}

/** For one run of a scheduled job. */
export class JobContext extends Context implements ScheduledContext<unknown> {
  constructor(
    module: RunningModule,
    maker: TaskMaker,
    readonly due: Instant,
  ) {
    super(module, maker, 0);
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
}
