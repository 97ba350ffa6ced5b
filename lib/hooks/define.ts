/**
 * defineModule: marks the object that a module exports by default, and lets the compiler check it. The mark is a registered
 * symbol, because a module may import another copy of this package than the one that runs it.
 */
import type { ModuleConfig, ModuleDefinition } from './types.js';

const MARK = Symbol.for('dp3-cluster.module');
/** Raised when the meaning of a definition changes, so that a copy of another time is refused and not misread. */
const FORM = 1;

/** What `defineModule` returns; its definition is read when the program starts. */
export interface Module {
  readonly [MARK]: number;
  readonly definition: object;
}

/** A module of hooks, to be exported by default. Does nothing yet: hooks are checked and called when the program starts. */
export function defineModule<Config = ModuleConfig>(definition: ModuleDefinition<Config>): Module {
  return Object.freeze({ [MARK]: FORM, definition });
}

/** Whether a value came from `defineModule`, also of another copy of this package of the same form. */
export function isModule(value: unknown): value is Module {
  if (typeof value !== 'object' || value === null) return false;
  const { [MARK]: form, definition } = value as Partial<Module>;
  return form === FORM && typeof definition === 'object' && definition !== null;
}
