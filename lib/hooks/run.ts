/**
 * Running a hook: calls one function of a module and says as data what it came to. Whatever module code does - throw, reject,
 * never settle, return nonsense - the task goes on.
 *
 * Most hooks return at once: for them there is no promise, no timer and no signal. One that returns a promise gets the time
 * limit; when that has passed its signal fires, its context is revoked, and it counts as failed. What it still does outside
 * cannot be stopped and may overlap the next task of the entity. Refused: a promise for every call (it costs more than the
 * rest of a task), ending a hook by ending its process (it would take all other tasks with it).
 */
import type { DataPoint } from '../model/datapoint.js';
import type { Task } from '../model/task.js';
import { describe } from '../model/value-error.js';
import type { Events, HookFailure } from '../observability/events.js';
import type { Clock } from '../runtime/clock.js';
import type { Hook, HookResult, Subject } from './hook.js';
import type { TaskMaker } from './task-maker.js';

export interface HookRunnerOptions {
  readonly maker: TaskMaker;
  readonly clock: Clock;
  readonly events: Events;
  /** How long an asynchronous hook may take. */
  readonly hookTimeoutMs: number;
}

/** The context of a call: what the call wrote with it, and how it is taken back. */
interface CallContext {
  /** Data-points of the entity itself. */
  readonly points: readonly DataPoint[];
  revoke(why: 'the call has ended' | 'the call did not end within its time limit'): void;
}

const NO_TASKS: readonly Task[] = Object.freeze([]);
const NO_POINTS: readonly DataPoint[] = Object.freeze([]);
const NOTHING: HookResult = Object.freeze({ status: 'ok', tasks: NO_TASKS, points: NO_POINTS });
const DENIED: HookResult = Object.freeze({ status: 'denied' });

/** How a promise ended, seen from a time limit. */
export type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'timed-out' };

/** Resolves when `work` settles or the limit has passed, never rejects; `late` is told when `work` settles after that. */
export function endOf(work: PromiseLike<unknown>, limitMs: number, clock: Clock, late: () => void): Promise<Ended> {
  return new Promise((resolve) => {
    let open = true;
    const cancel = clock.after(
      limitMs,
      () => {
        open = false;
        resolve({ kind: 'timed-out' });
      },
      true,
    );
    const settled = (ended: Ended) => {
      if (!open) return late();
      cancel();
      resolve(ended);
    };
    // Through a promise of our own: what a module returns may only look like one.
    Promise.resolve(work).then(
      (value) => settled({ kind: 'returned', value }),
      (error: unknown) => settled({ kind: 'threw', error }),
    );
  });
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

/** Calls hooks, within the time limit. One for a worker. */
export class HookRunner {
  private readonly maker: TaskMaker;
  private readonly clock: Clock;
  private readonly events: Events;
  private readonly hookTimeoutMs: number;

  constructor(options: HookRunnerOptions) {
    this.maker = options.maker;
    this.clock = options.clock;
    this.events = options.events;
    this.hookTimeoutMs = options.hookTimeoutMs;
  }

  /** One call. Never throws or rejects; at once where the hook returned at once. The context is revoked when it has ended. */
  run(hook: Hook, context: CallContext, eid: string, subject: Subject): HookResult | Promise<HookResult> {
    const startedAt = this.clock.monotonic();
    let value: unknown;
    try {
      value = hook.invoke(context, eid, subject);
      if (isPromise(value)) return this.await(hook, context, subject, value, startedAt);
    } catch (error) {
      context.revoke('the call has ended');
      return this.failed(hook, subject, startedAt, 'threw', error);
    }
    context.revoke('the call has ended');
    return this.returned(hook, context, subject, startedAt, value);
  }

  private async await(
    hook: Hook,
    context: CallContext,
    subject: Subject,
    work: PromiseLike<unknown>,
    startedAt: number,
  ) {
    const late = () => {
      const durationMs = this.clock.monotonic() - startedAt;
      this.events.emit('hook-late', { module: hook.module.name, hook: hook.name, key: keyOf(subject), durationMs });
    };
    const ended = await endOf(work, this.hookTimeoutMs, this.clock, late);
    if (ended.kind === 'timed-out') {
      context.revoke('the call did not end within its time limit');
      const error = new Error(`${hook.name} did not settle within ${this.hookTimeoutMs} ms`);
      return this.failed(hook, subject, startedAt, 'timed-out', error);
    }
    context.revoke('the call has ended');
    if (ended.kind === 'threw') return this.failed(hook, subject, startedAt, 'threw', ended.error);
    return this.returned(hook, context, subject, startedAt, ended.value);
  }

  private returned(hook: Hook, context: CallContext, subject: Subject, startedAt: number, value: unknown): HookResult {
    if (hook.returns === 'decision') {
      if (typeof value !== 'boolean') return this.badReturn(hook, subject, startedAt, value, 'true or false');
      return this.called(hook, startedAt, value ? NOTHING : DENIED);
    }
    if (hook.returns === 'nothing') {
      // Other values of such hooks harm nobody; a list means tasks that would be lost without a word.
      if (Array.isArray(value)) return this.badReturn(hook, subject, startedAt, value, 'nothing');
      return this.called(hook, startedAt, NOTHING);
    }
    const tasks = value === undefined || value === null ? NO_TASKS : this.tasksOf(value);
    if (tasks === null)
      return this.badReturn(hook, subject, startedAt, value, 'a list of tasks made with task(), or nothing');
    const { points } = context;
    const isNothing = tasks.length === 0 && points.length === 0;
    return this.called(hook, startedAt, isNothing ? NOTHING : { status: 'ok', tasks, points });
  }

  /** A copy: the module may keep its list and change it. Null for anything but a list of tasks that were checked. */
  private tasksOf(value: unknown): readonly Task[] | null {
    try {
      if (!Array.isArray(value)) return null;
      const tasks: readonly unknown[] = Array.from(value);
      return tasks.every((task) => this.maker.made(task)) ? (tasks as readonly Task[]) : null;
    } catch {
      return null;
    }
  }

  private badReturn(hook: Hook, subject: Subject, startedAt: number, value: unknown, allowed: string): HookResult {
    const error = new TypeError(`${hook.name} returned ${describeSafely(value)}, allowed is ${allowed}`);
    return this.failed(hook, subject, startedAt, 'bad-return', error);
  }

  private failed(hook: Hook, subject: Subject, startedAt: number, failure: HookFailure, error: unknown): HookResult {
    const { module, name } = hook;
    const key = keyOf(subject);
    this.events.emit('module-error', { module: module.name, hook: name, key, kind: failure, error });
    return this.called(hook, startedAt, { status: 'failed', failure, error });
  }

  private called(hook: Hook, startedAt: number, result: HookResult): HookResult {
    if (this.events.hears('hook-called')) {
      this.events.emit('hook-called', {
        module: hook.module.name,
        hook: hook.name,
        durationMs: this.clock.monotonic() - startedAt,
        tasks: result.status === 'ok' ? result.tasks.length : 0,
        allowed: hook.returns === 'decision' && result.status !== 'failed' ? result.status === 'ok' : null,
      });
    }
    return result;
  }
}

function keyOf(subject: Subject): string | null {
  if (subject === null) return null;
  return 'key' in subject ? subject.key : `${subject.etype}:${subject.eid}`;
}

/** What a module returned may throw when it is looked at. */
function describeSafely(value: unknown): string {
  try {
    return describe(value);
  } catch {
    return 'a value that cannot be read';
  }
}
