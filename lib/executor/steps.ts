/**
 * Steps: how one task is processed, in DP3's order. Each step works on the chain and returns nothing, or a promise where it has
 * to wait; a step that sets an outcome is the last one.
 */
import { type Before, EntityContext } from '../hooks/context.js';
import type { Hook, HookResult } from '../hooks/hook.js';
import type { Registry } from '../hooks/registry.js';
import type { HookRunner } from '../hooks/run.js';
import type { TaskMaker } from '../hooks/task-maker.js';
import type { DataPoint } from '../model/datapoint.js';
import type { RecordView } from '../model/record.js';
import type { Task } from '../model/task.js';
import type { Events } from '../observability/events.js';
import { hashOf } from '../routing/hash.js';
import { steps as pauses } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Records } from '../store/records.js';
import type { Chain } from './chain.js';
import { baseToken, dataToken, isExpired } from './lifetime.js';
import { newState, RecordDraft } from './state.js';

/** What the steps use. */
export interface Tools {
  readonly records: Pick<Records, 'newest' | 'put'>;
  readonly registry: Registry;
  readonly runner: HookRunner;
  readonly maker: TaskMaker;
  /** Told why a lane waits for the store. */
  readonly troubles: Pick<Troubles, 'waits' | 'goesOn'>;
  readonly clock: Clock;
  readonly events: Events;
  /** A longer chain of derived tasks, or of values that hooks set, goes to quarantine. */
  readonly maxDepth: number;
  readonly maxSets: number;
}

/** What a step waits for; nothing where it is done. */
type Waiting = Promise<void> | undefined;

export type Step = (tools: Tools, chain: Chain) => Waiting;

/** The record is read first: start hooks may look at it, too. */
export const STEPS: readonly Step[] = [
  checkDepth,
  readRecord,
  runStartHooks,
  deleteRecord,
  allowCreation,
  createRecord,
  runCreationHooks,
  mergeTokens,
  takeDataPoints,
];

/** Inline tasks begin here: their record is known. */
export const FIRST_STEP_INLINE = STEPS.indexOf(runStartHooks);

function checkDepth({ maxDepth }: Tools, chain: Chain): undefined {
  const { depth } = chain.task;
  if (depth <= maxDepth) return;
  chain.quarantine({
    code: 'CHAIN_TOO_DEEP',
    sentence: `This task is derived over ${depth} steps from the first one of its chain, allowed are at most ${maxDepth} (max_chain_depth).`,
  });
}

function readRecord({ records, troubles, clock, events }: Tools, chain: Chain): Waiting {
  const { etype, eid, key } = chain.task;
  const view = records.newest(etype, eid, key);
  if (view instanceof Promise) return readAgain(view);
  setView(chain, view);
  return undefined;

  /** A store that does not answer makes the lane wait: the task is not to blame, not even where its process is killed meanwhile. */
  async function readAgain(first: Promise<RecordView>): Promise<void> {
    const backoff = pauses();
    for (let reading = first, waited = false; ; reading = Promise.resolve(records.newest(etype, eid, key))) {
      try {
        setView(chain, await reading);
        if (waited) chain.delivery.started?.();
        return;
      } catch (error) {
        if (!(error instanceof ApplicationError)) throw error;
        if (error.follows === 'quarantine') return putAside(chain, error);
        if (error.follows !== 'retry') throw error;
        waited = true;
        chain.delivery.ended?.();
        troubles.waits(chain, error.message);
        const pauseMs = backoff.nextMs();
        events.emit('record-unreadable', { key, pauseMs, error });
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
        troubles.goesOn(chain);
      }
    }
  }
}

/** The store cannot even look for the record of such an entity. */
function putAside(chain: Chain, { code, message: sentence }: ApplicationError): void {
  chain.outcome = 'quarantined';
  chain.reason = { code, sentence };
}

function setView(chain: Chain, view: RecordView): void {
  chain.draft = view.state === null ? null : new RecordDraft(view.state);
  if (view.state === null) chain.lastIncarnation = view.lastIncarnation;
}

function runStartHooks(tools: Tools, chain: Chain): Waiting {
  return callAll(tools, chain, tools.registry.taskStart, aboutTask(chain));
}

function deleteRecord(_: Tools, chain: Chain): undefined {
  const { task, entity, state } = chain;
  if (!task.delete && task.expireAt === null) return;
  if (state !== null && (task.expireAt === null || isExpired(entity, state, task.expireAt))) {
    chain.outcome = 'deleted';
    chain.removeState(state);
  } else chain.outcome = 'nothing-to-delete';
}

function allowCreation(tools: Tools, chain: Chain): Waiting {
  if (chain.state !== null) return undefined;
  return askAll(tools, chain, tools.registry.entity(chain.task.etype).allow, 0);
}

function createRecord({ events }: Tools, chain: Chain): undefined {
  if (chain.state !== null) return;
  const { task, entity, now } = chain;
  chain.draft = new RecordDraft(newState(task, hashOf(task.key), chain.lastIncarnation + 1, now));
  const token = baseToken(entity, now);
  if (token !== null) chain.draft.mergeTokens([token], now);
  chain.touched = true;
  chain.isNew = true;
  chain.created = true;
  events.emit('record-created', { key: task.key });
}

function runCreationHooks(tools: Tools, chain: Chain): Waiting {
  if (!chain.isNew) return undefined;
  return callAll(tools, chain, tools.registry.entity(chain.task.etype).created, aboutTask(chain));
}

function mergeTokens(_: Tools, chain: Chain): undefined {
  const { ttlTokens } = chain.task;
  if (ttlTokens === null || chain.draft === null) return;
  chain.draft.mergeTokens(ttlTokens, chain.now);
  chain.touched = true;
}

function takeDataPoints(tools: Tools, chain: Chain): Waiting {
  return takePoints(tools, chain, chain.task.dataPoints, 0, chain.task.depth);
}

/**
 * One data-point after another, from the one at `first` on: it is written, then its hooks are called, so that these find the record as of
 * their point. `depth`: steps from the first task of the chain.
 */
function takePoints(tools: Tools, chain: Chain, points: readonly DataPoint[], first: number, depth: number): Waiting {
  const { values, lastArrived } = tools.registry.entity(chain.task.etype);
  for (let at = first; at < points.length; at++) {
    const { draft, entity, now } = chain;
    if (draft === null || chain.reason !== null) return undefined;
    const point = points[at]!;
    const hooks = values.get(point.attr);
    const before = hooks && draft.before(point);
    draft.write(point, entity, lastArrived, now, chain.history);
    const token = dataToken(entity, point, now);
    if (token !== null) draft.mergeTokens([token], now);
    chain.raw.push(point);
    chain.touched = true;
    if (hooks === undefined) continue;
    const waiting = callAll(tools, chain, hooks, { subject: point, before, depth });
    if (waiting !== undefined) return waiting.then(() => takePoints(tools, chain, points, at + 1, depth));
  }
  return undefined;
}

/** What a call is about. */
interface About {
  readonly subject: Task | DataPoint;
  /** What the record held before the data-point. */
  readonly before: Before;
  /** Steps from the first task of the chain. */
  readonly depth: number;
}

/** Calls hooks one after another; the tasks they return are kept in this order, the values they set are written at once. */
function callAll(tools: Tools, chain: Chain, hooks: readonly Hook[], about: About, first = 0): Waiting {
  for (let at = first; at < hooks.length; at++) {
    const result = call(tools, chain, hooks[at]!, about);
    const waiting = result instanceof Promise ? result.then(take) : take(result);
    if (waiting !== undefined) return waiting.then(() => callAll(tools, chain, hooks, about, at + 1));
    if (chain.reason !== null) return undefined;
  }
  return undefined;

  function take(result: HookResult): Waiting {
    if (result.status !== 'ok') return undefined;
    const { tasks, points } = result;
    if (tasks.length > 0) chain.returned.push(...tasks);
    return points.length === 0 ? undefined : takeSet(tools, chain, points, about.depth + 1);
  }
}

/** What a hook has set, with all that the hooks of these attributes set in their turn. */
function takeSet(tools: Tools, chain: Chain, points: readonly DataPoint[], depth: number): Waiting {
  const { maxDepth, maxSets } = tools;
  const { attr, etype } = points[0]!;
  chain.setsLeft -= points.length;
  if (depth <= maxDepth && chain.setsLeft >= 0) return takePoints(tools, chain, points, 0, depth);
  const what =
    depth > maxDepth
      ? `over ${depth} steps, allowed are at most ${maxDepth} (max_chain_depth)`
      : `more than ${maxSets} values, as many as one task may set (max_sets)`;
  chain.quarantine({
    code: 'CHAIN_TOO_DEEP',
    sentence: `The hooks of this task set ${what}; the last one was ${etype}.${attr}.`,
  });
  return undefined;
}

/** Asks whether the entity may be created; the first denial ends the task. */
function askAll(tools: Tools, chain: Chain, hooks: readonly Hook[], first: number): Waiting {
  for (let at = first; at < hooks.length; at++) {
    const hook = hooks[at] as Hook;
    const result = call(tools, chain, hook, aboutTask(chain));
    if (result instanceof Promise) {
      return result.then((settled) =>
        denies(settled) ? deny(tools, chain, hook) : askAll(tools, chain, hooks, at + 1),
      );
    }
    if (denies(result)) return deny(tools, chain, hook);
  }
  return undefined;
}

function deny({ events }: Tools, chain: Chain, hook: Hook): undefined {
  chain.outcome = 'denied';
  events.emit('task-denied', { key: chain.task.key, module: hook.module.name });
}

function aboutTask({ task }: Chain): About {
  return { subject: task, before: undefined, depth: task.depth };
}

function call(
  tools: Tools,
  chain: Chain,
  hook: Hook,
  { subject, before, depth }: About,
): HookResult | Promise<HookResult> {
  chain.hook = hook;
  if (chain.delivery.attempts) tools.events.emit('suspect-calls', { entity: chain.task.key, hook: chain.hookName });
  const point = 'attr' in subject ? subject : null;
  const context = new EntityContext(hook, tools.maker, depth + 1, chain, point, before);
  return tools.runner.run(hook, context, chain.task.eid, subject);
}

/**
 * Whether a hook that was asked for a decision ends the task with it. As in DP3, a task goes on as if a hook that failed were not there; one that
 * had to say whether an entity may be created, and said neither yes nor no, denies it.
 */
export function denies(result: HookResult): boolean {
  return result.status === 'denied' || (result.status === 'failed' && result.failure === 'bad-return');
}
