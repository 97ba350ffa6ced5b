/**
 * Kinds of hooks, a row each: what its functions stand for in a module, and what they return. A new kind is a row here, a list in
 * registry.ts, its key in types.ts, and the step that calls it (executor/steps.ts).
 */
import type { AttributeSpec } from '../model/attribute.js';
import type { Hook } from './hook.js';

export interface HookKind {
  /** The registry's list that they go to. */
  readonly list: 'taskStart' | 'allow' | 'created' | 'values';
  /** What the key of the module holds: functions, or an object of functions by entity type, or by entity type and attribute. */
  readonly by: 'task' | 'entity' | 'attribute';
  /** Which attributes it is for, where it is by attribute. */
  readonly attributeType?: AttributeSpec['type'];
  readonly returns: Hook['returns'];
}

export const HOOK_KINDS = {
  onTaskStart: { list: 'taskStart', by: 'task', returns: 'nothing' },
  allowEntityCreation: { list: 'allow', by: 'entity', returns: 'decision' },
  onEntityCreation: { list: 'created', by: 'entity', returns: 'tasks' },
  onNewPlain: { list: 'values', by: 'attribute', attributeType: 'plain', returns: 'tasks' },
  onNewObservation: { list: 'values', by: 'attribute', attributeType: 'observations', returns: 'tasks' },
  onNewTimeseriesChunk: { list: 'values', by: 'attribute', attributeType: 'timeseries', returns: 'tasks' },
} as const satisfies Record<string, HookKind>;

/** The key under which the hooks of such attributes stand. */
export function valueHookOf(type: AttributeSpec['type']): string | undefined {
  return Object.entries<HookKind>(HOOK_KINDS).find(([, { attributeType }]) => attributeType === type)?.[0];
}
