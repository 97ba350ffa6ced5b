/**
 * Types of modules: what a module author writes against. Every hook is a key of one object type, so that a misspelt hook does
 * not compile; where there is no compiler the same table stops the start (registration.ts).
 *
 * A hook gets what it is about first and a context last, and returns tasks. The context can be taken apart in the parameter
 * list (`{ task, record }`): nothing in it depends on `this`. Refused: a base class (what a module overrides is found out
 * too late), register functions (their order is invisible, and a check needs the module to run), a name inside the module
 * (it has one: that of its file, which `enabled_modules` lists).
 */
import type { DataPoint } from '../model/datapoint.js';
import type { HistoryRow, HistorySummary, PlainValue } from '../model/record.js';
import type { CronFields } from '../model/schedule.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import type { Instant } from '../model/time.js';
import type { Logger } from '../observability/logger.js';
import type {
  AnyAttribute,
  AttributeKind,
  AttributeOf,
  EntityId,
  EntityRecord,
  EntityType,
  GivenOf,
  NewDataPoint,
  PreviousValue,
  ReceivedPoint,
  ReceivedTask,
  TimeInput,
} from './model-types.js';

export type * from './model-types.js';
export type { CronFields, DataPoint, HistoryRow, HistorySummary, Instant, Logger, ModelSpec, PlainValue, Task };

/** A module's own configuration, `modules/<name>.yml`: deeply frozen, `{}` where there is none. */
export interface ModuleConfig {
  readonly [key: string]: unknown;
}

/** Where a module runs. */
export interface Platform {
  readonly app: string;
  /** Process index, 0 .. numProcesses - 1. */
  readonly index: number;
  readonly numProcesses: number;
  readonly model: ModelSpec;
}

/** What a task may carry besides data-points. */
export interface TaskOptions {
  /** Until when the entity shall live at least, by name of the token. */
  readonly ttlTokens?: Readonly<Record<string, TimeInput>> | ReadonlyMap<string, TimeInput>;
  readonly tags?: readonly unknown[];
  /** Deletes the entity; data-points of such a task are not written. */
  readonly delete?: boolean;
}

/**
 * A task for an entity, checked at once against the model, so that a mistake points at the line that made it. `dataPoints` may
 * be empty where the options hold a TTL token or delete. Throws with a sentence that names entity, attribute and place.
 */
export type MakeTask = <E extends EntityType>(
  etype: E,
  eid: EntityId<E>,
  dataPoints: readonly NewDataPoint<E>[],
  options?: TaskOptions,
) => Task;

interface BaseContext<Config> {
  /** What `configure` returned; the module's configuration itself where there is no `configure`. */
  readonly config: Config;
  readonly platform: Platform;
  /** Lines carry the name of the module. */
  readonly log: Logger;
  /** Fires when the time limit (`hook_timeout`) has passed; the call counts as failed then, and its context is revoked. */
  readonly signal: AbortSignal;
  readonly task: MakeTask;
}

/** The context of a call about an entity. It is revoked when the call ends: what it offers throws from then on. */
export interface HookContext<Config = ModuleConfig, E extends EntityType = EntityType> extends BaseContext<Config> {
  /** The entity's record as this call finds it; null where it does not exist. */
  readonly record: () => EntityRecord<E> | null;
}

/** What a value that is set may carry; what is left out is that of the causing data-point, or now. */
export interface SetOptions {
  /** Not for plain attributes, like t2 and c. Where t1 is given, t2 is t1 unless it is given, too. */
  readonly t1?: TimeInput;
  readonly t2?: TimeInput;
  readonly c?: number;
  readonly src?: string | null | undefined;
}

/**
 * Sets a value of the entity that the call is about, checked at once. It is written when the hook has returned, before the next hook and the
 * next data-point, and the hooks of its attribute run then; a hook that throws or times out writes nothing. It belongs to the same
 * commit. Throws with a sentence that names entity, attribute and place.
 */
export type SetValue<E extends EntityType = EntityType> = <A extends AnyAttribute<E>>(
  attr: A,
  v: GivenOf<E, A>,
  options?: SetOptions,
) => void;

export interface CreationContext<Config = ModuleConfig, E extends EntityType = EntityType>
  extends HookContext<Config, E> {
  readonly set: SetValue<E>;
}

/** The context of a call about one data-point: the record is the one as of that point, whatever follows it in its task. */
export interface ValueContext<
  Config = ModuleConfig,
  E extends EntityType = EntityType,
  K extends AttributeKind = AttributeKind,
  A = string,
> extends CreationContext<Config, E> {
  /** The newest value (by t2) of this attribute that the record held before this data-point; null for none. */
  readonly previous: PreviousValue<E, K, A> | null;
  /** The one that arrived last before this data-point; null for none, and where the module does not list the attribute in `keepLastArrived`. */
  readonly lastArrived: PreviousValue<E, K, A> | null;
}

export interface ScheduledContext<Config = ModuleConfig> extends BaseContext<Config> {
  /** The time that the schedule named for this run. */
  readonly due: Instant;
}

/** The context of `start`. It stays valid until the module has stopped, for timers and sockets; `signal` fires when it shall stop. */
export interface StartContext<Config = ModuleConfig> extends BaseContext<Config> {
  /**
   * Sends a task from outside of hooks; resolves when it is committed, and rejects once another process owns the index. At least once: if
   * the process dies before, the caller cannot know whether it was committed. A hook returns its tasks instead, which are committed with its own.
   */
  readonly emit: (task: Task) => Promise<void>;
}

/** What a function without a return statement gives. */
type Nothing = ReturnType<() => void>;

/** The tasks to be processed next, in this order; nothing is none. Everything else counts as module_error. */
export type HookTasks = readonly Task[] | null | undefined | Nothing;

type Awaitable<T> = T | Promise<T>;

export type TaskStartHook<Config> = (task: ReceivedTask, context: HookContext<Config>) => Awaitable<void>;
/** True allows the record; the first denial ends the task. Anything but a boolean denies and counts as module_error. */
export type AllowHook<Config, E extends EntityType> = (
  eid: string,
  task: ReceivedTask<E>,
  context: HookContext<Config, E>,
) => Awaitable<boolean>;
export type CreationHook<Config, E extends EntityType> = (
  eid: string,
  task: ReceivedTask<E>,
  context: CreationContext<Config, E>,
) => Awaitable<HookTasks>;
export type NewValueHook<Config, E extends EntityType, K extends AttributeKind, A> = (
  eid: string,
  dataPoint: ReceivedPoint<E, K, A>,
  context: ValueContext<Config, E, K, A>,
) => Awaitable<HookTasks>;

/** A job that runs by the calendar; never twice at once, and left out where it comes more than a second late. */
export interface ScheduledJob<Config> {
  /**
   * Six fields, `second minute hour day month weekday` (0 and 7 are Sunday), or named fields as in DP3 (0 is Monday; what is
   * finer than the finest named field is at its least, everything else at any value). All fields must match.
   */
  readonly cron: string | CronFields;
  /** IANA time zone, UTC where it is left out. */
  readonly zone?: string;
  /** In the process of index 0 alone, or in every process. */
  readonly on: 'index-0' | 'all';
  readonly run: (context: ScheduledContext<Config>) => Awaitable<HookTasks>;
}

export type OneOrMore<T> = T | readonly T[];
/** By name: hooks. What every object has under a name such as `constructor` counts as none there. */
type ByName<Hooks> = { readonly [N in keyof Hooks]?: Hooks[N] | Inherited<N> };
type Inherited<N> = N extends keyof typeof Object.prototype ? (typeof Object.prototype)[N] : never;

/** By entity type and attribute: the hooks for new values of attributes of one kind. */
export type NewValueHooks<Config, K extends AttributeKind> = ByName<{
  [E in EntityType]: ByName<{ [A in AttributeOf<E, K>]: OneOrMore<NewValueHook<Config, E, K, A>> }>;
}>;

/** A module. Several functions for one hook are called in their order; those of modules in the order of `enabled_modules`. */
export interface ModuleDefinition<Config = ModuleConfig> {
  /** Reads the module's configuration, at once and without side effects; `check` calls it too. What it throws stops the start. */
  readonly configure?: (config: ModuleConfig, platform: Platform) => Config;
  /** First, for every task, deletes too. */
  readonly onTaskStart?: OneOrMore<TaskStartHook<Config>>;
  /** By entity type: the entity has no record yet. */
  readonly allowEntityCreation?: ByName<{ [E in EntityType]: OneOrMore<AllowHook<Config, E>> }>;
  /** By entity type: its record was allowed and is new. */
  readonly onEntityCreation?: ByName<{ [E in EntityType]: OneOrMore<CreationHook<Config, E>> }>;
  /** By entity type and attribute, one call a data-point, right after it was written and before the next one is. */
  readonly onNewPlain?: NewValueHooks<Config, 'plain'>;
  readonly onNewObservation?: NewValueHooks<Config, 'observations'>;
  readonly onNewTimeseriesChunk?: NewValueHooks<Config, 'timeseries'>;
  /** By entity type: attributes with history for which records also keep the row that arrived last, for `lastArrived`. */
  readonly keepLastArrived?: ByName<{
    [E in EntityType]: readonly (AttributeOf<E, 'observations'> | AttributeOf<E, 'timeseries'>)[];
  }>;
  readonly scheduled?: OneOrMore<ScheduledJob<Config>>;
  /** Before the first task; what it throws stops the start. */
  readonly start?: (context: StartContext<Config>) => Awaitable<void>;
  /** After the last task, within the time that is left to stop. */
  readonly stop?: (context: StartContext<Config>) => Awaitable<void>;
}
