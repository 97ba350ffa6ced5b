/** Hook: one function of a module in one place, as the executor calls it; and what a call of it comes to. */
import type { DataPoint } from '../model/datapoint.js';
import type { Schedule } from '../model/schedule.js';
import type { Task } from '../model/task.js';
import type { HookFailure } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { ModuleDefinition, Platform } from './types.js';

/** A module with everything its calls need. */
export interface RunningModule {
  readonly name: string;
  readonly file: string;
  /** What its `configure` returned, else its configuration. */
  readonly config: unknown;
  readonly platform: Platform;
  /** Lines carry the name of the module. */
  readonly log: Logger;
  readonly start: ModuleDefinition<unknown>['start'];
  readonly stop: ModuleDefinition<unknown>['stop'];
}

/** What a call is about; null for scheduled ones. */
export type Subject = Task | DataPoint | null;

export interface Hook {
  readonly module: RunningModule;
  /** Where it stands in its module: `onNewPlain.ip.hostname`, with `#2` for the second function of a list. */
  readonly name: string;
  readonly returns: 'tasks' | 'decision' | 'nothing';
  /** Calls the function of the module with the parameters its place has. */
  readonly invoke: (context: unknown, eid: string, subject: Subject) => unknown;
}

export interface ScheduledHook extends Hook {
  readonly schedule: Schedule;
  readonly on: 'index-0' | 'all';
}

/** The hooks of one entity type, in the order in which they are called. */
export interface EntityHooks {
  readonly allow: readonly Hook[];
  readonly created: readonly Hook[];
  /** By attribute. */
  readonly values: ReadonlyMap<string, readonly Hook[]>;
  /** Attributes whose records keep the row that arrived last. */
  readonly lastArrived: ReadonlySet<string>;
}

/** What a call came to. What follows from a failed one is the caller's to say (executor/steps.ts). */
export type HookResult =
  | {
      readonly status: 'ok';
      readonly tasks: readonly Task[];
      /** Data-points of the entity itself, to be written now, in this order. */
      readonly points: readonly DataPoint[];
    }
  | { readonly status: 'denied' }
  | FailedHook;

export interface FailedHook {
  readonly status: 'failed';
  readonly failure: HookFailure;
  readonly error: unknown;
}
