/**
 * Steps: how one task is processed, in DP3's order. Each step works on the chain and returns nothing, or a promise where it has
 * to wait; a step that sets an outcome is the last one.
 */
import { EntityContext } from '../hooks/context.js';
import type { Hook, HookResult, Subject } from '../hooks/hook.js';
import type { Registry } from '../hooks/registry.js';
import type { HookRunner } from '../hooks/run.js';
import type { TaskMaker } from '../hooks/task-maker.js';
import type { DataPoint } from '../model/datapoint.js';
import { hashOf } from '../model/hash.js';
import type { RecordView } from '../model/record.js';
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import { steps as pauses } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Troubles } from '../runtime/troubles.js';
import type { Records } from '../store/records.js';
import type { Chain } from './chain.js';
import { baseToken, dataToken, isExpired } from './lifetime.js';
import { newState, withDataPoints, withTokens } from './state.js';

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
  readonly log: Logger;
  /** A longer chain of derived tasks goes to quarantine. */
  readonly maxDepth: number;
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
  writeDataPoints,
  runNewValueHooks,
];

/** Inline tasks begin here: their record is known. */
export const FIRST_STEP_INLINE = STEPS.indexOf(runStartHooks);

function checkDepth({ maxDepth }: Tools, chain: Chain): undefined {
  const { depth } = chain.task;
  if (depth <= maxDepth) return;
  chain.outcome = 'quarantined';
  chain.reason = {
    code: 'CHAIN_TOO_DEEP',
    sentence: `This task is derived over ${depth} steps from the first one of its chain, allowed are at most ${maxDepth}.`,
  };
}

function readRecord({ records, troubles, clock, log }: Tools, chain: Chain): Waiting {
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
        log.warn('a record can not be read at the moment', { entity: key, pauseMs, error });
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
        troubles.goesOn(chain);
      }
    }
  }
}

/** The store can not even look for the record of such an entity. */
function putAside(chain: Chain, { code, message: sentence }: ApplicationError): void {
  chain.outcome = 'quarantined';
  chain.reason = { code, sentence };
}

function setView(chain: Chain, view: RecordView): void {
  chain.state = view.state;
  if (view.state === null) chain.lastIncarnation = view.lastIncarnation;
}

function runStartHooks(tools: Tools, chain: Chain): Waiting {
  return callAll(tools, chain, tools.registry.taskStart, chain.task);
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
  chain.state = newState(chain.task, hashOf(chain.task.key), chain.lastIncarnation + 1, chain.now);
  const token = baseToken(chain.entity, chain.now);
  if (token !== null) chain.state = withTokens(chain.state, [token], chain.now);
  chain.touched = true;
  chain.isNew = true;
  chain.created = true;
  events.emit('record-created', { key: chain.task.key });
}

function runCreationHooks(tools: Tools, chain: Chain): Waiting {
  if (!chain.isNew) return undefined;
  return callAll(tools, chain, tools.registry.entity(chain.task.etype).created, chain.task);
}

function mergeTokens(_: Tools, chain: Chain): undefined {
  const { ttlTokens } = chain.task;
  if (ttlTokens === null || chain.state === null) return;
  chain.state = withTokens(chain.state, ttlTokens, chain.now);
  chain.touched = true;
}

function writeDataPoints(_: Tools, chain: Chain): undefined {
  const { dataPoints } = chain.task;
  if (dataPoints.length === 0 || chain.state === null) return;
  chain.state = withDataPoints(chain.state, chain.entity, dataPoints, chain.now, chain.history);
  const token = dataToken(chain.entity, dataPoints, chain.now);
  if (token !== null) chain.state = withTokens(chain.state, [token], chain.now);
  chain.addRaw(dataPoints);
  chain.touched = true;
}

function runNewValueHooks(tools: Tools, chain: Chain): Waiting {
  const { values } = tools.registry.entity(chain.task.etype);
  if (values.size === 0) return undefined;
  return callForPoints(tools, chain, values, 0);
}

/** One call a data-point and hook, from the data-point at `first` on. */
function callForPoints(
  tools: Tools,
  chain: Chain,
  values: ReadonlyMap<string, readonly Hook[]>,
  first: number,
): Waiting {
  const { dataPoints } = chain.task;
  for (let at = first; at < dataPoints.length; at++) {
    const point = dataPoints[at] as DataPoint;
    const hooks = values.get(point.attr);
    if (hooks === undefined) continue;
    const waiting = callAll(tools, chain, hooks, point);
    if (waiting !== undefined) return waiting.then(() => callForPoints(tools, chain, values, at + 1));
  }
  return undefined;
}

/** Calls hooks one after another; the tasks they return are kept in this order. */
function callAll(tools: Tools, chain: Chain, hooks: readonly Hook[], subject: Subject, first = 0): Waiting {
  for (let at = first; at < hooks.length; at++) {
    const result = call(tools, chain, hooks[at] as Hook, subject);
    if (result instanceof Promise) {
      return result.then((settled) => {
        chain.returned.push(...settled.tasks);
        return callAll(tools, chain, hooks, subject, at + 1);
      });
    }
    if (result.tasks.length > 0) chain.returned.push(...result.tasks);
  }
  return undefined;
}

/** Asks whether the entity may be created; the first denial ends the task. */
function askAll(tools: Tools, chain: Chain, hooks: readonly Hook[], first: number): Waiting {
  for (let at = first; at < hooks.length; at++) {
    const hook = hooks[at] as Hook;
    const result = call(tools, chain, hook, chain.task);
    if (result instanceof Promise) {
      return result.then((settled) =>
        settled.allowed ? askAll(tools, chain, hooks, at + 1) : deny(tools, chain, hook),
      );
    }
    if (!result.allowed) return deny(tools, chain, hook);
  }
  return undefined;
}

function deny({ events }: Tools, chain: Chain, hook: Hook): undefined {
  chain.outcome = 'denied';
  events.emit('task-denied', { key: chain.task.key, module: hook.module.name });
}

function call(tools: Tools, chain: Chain, hook: Hook, subject: Subject): HookResult | Promise<HookResult> {
  const { task } = chain;
  chain.hook = hook;
  const context = new EntityContext(hook.module, tools.maker, task.depth + 1, chain.state);
  return tools.runner.run(hook, context, task.eid, subject);
}
