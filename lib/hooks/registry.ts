/**
 * Registry: every hook of every module, by the place where it is called, in the order of `enabled_modules` and then of the
 * module. Built once at the start and never changed; what a hook is registered for is known to exist from then on.
 */
import type { ModelSpec } from '../model/spec.js';
import type { EntityHooks, Hook, RunningModule, ScheduledHook } from './hook.js';
import type { HookKind } from './kinds.js';

export interface Registry {
  /** In the order of `enabled_modules`. */
  readonly modules: readonly RunningModule[];
  readonly taskStart: readonly Hook[];
  readonly scheduled: readonly ScheduledHook[];
  /** The hooks of an entity type; without any where it has none. */
  entity(etype: string): EntityHooks;
}

const NO_HOOKS: EntityHooks = Object.freeze({
  allow: [],
  created: [],
  values: new Map(),
  lastArrived: new Set<string>(),
});

/** What hooks stand for; adding keeps their order. */
export interface Place {
  readonly kind: HookKind;
  /** Where they are by entity type. */
  readonly etype?: string;
  /** Where they are by attribute. */
  readonly attr?: string;
}

interface Draft {
  readonly allow: Hook[];
  readonly created: Hook[];
  readonly values: Map<string, Hook[]>;
  readonly lastArrived: Set<string>;
}

/** Collects hooks; what registration.ts has found valid goes in here. */
export class RegistryBuilder {
  private readonly modules: RunningModule[] = [];
  private readonly taskStart: Hook[] = [];
  private readonly scheduled: ScheduledHook[] = [];
  private readonly entities: ReadonlyMap<string, Draft>;

  constructor(spec: ModelSpec) {
    this.entities = new Map(
      Array.from(spec.entities.keys(), (etype) => [
        etype,
        { allow: [], created: [], values: new Map(), lastArrived: new Set() },
      ]),
    );
  }

  addModule(module: RunningModule): void {
    this.modules.push(module);
  }

  addScheduled(hook: ScheduledHook): void {
    this.scheduled.push(hook);
  }

  add(place: Place, hook: Hook): void {
    this.listOf(place).push(hook);
  }

  /** Records keep the row of the attribute that arrived last. */
  keepLastArrived(etype: string, attr: string): void {
    this.entityOf(etype).lastArrived.add(attr);
  }

  build(): Registry {
    const [entities, modules, taskStart, scheduled] = [this.entities, this.modules, this.taskStart, this.scheduled];
    return { modules, taskStart, scheduled, entity: (etype) => entities.get(etype) ?? NO_HOOKS };
  }

  private listOf({ kind: { list }, etype = '', attr = '' }: Place): Hook[] {
    if (list === 'taskStart') return this.taskStart;
    const entity = this.entityOf(etype);
    if (list !== 'values') return entity[list];
    let hooks = entity.values.get(attr);
    if (hooks === undefined) {
      hooks = [];
      entity.values.set(attr, hooks);
    }
    return hooks;
  }

  private entityOf(etype: string): Draft {
    const entity = this.entities.get(etype);
    if (entity === undefined) throw new Error(`hooks of the unknown entity type ${etype} cannot be added`);
    return entity;
  }
}
