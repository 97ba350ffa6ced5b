/**
 * Entity record: the state of a record as hooks see it. A copy of the dictionaries, made when a hook asks for it: the state
 * itself consists of maps, which JavaScript cannot freeze, and a hook that changed one would change what is stored.
 */
import type { HistorySummary, PlainValue, RecordState } from '../model/record.js';
import type { EntityRecord } from './types.js';

/** The frozen record of a state. */
export function entityRecord(state: RecordState): EntityRecord {
  return Object.freeze({
    etype: state.etype,
    eid: state.eid,
    created: state.created,
    updated: state.updated,
    ttlTokens: dictionary(state.ttlTokens),
    plain: dictionary<PlainValue>(state.plain),
    observations: dictionary<HistorySummary>(state.observations),
    timeseries: dictionary<HistorySummary>(state.timeseries),
  });
}

function dictionary<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  const copy: Record<string, T> = Object.create(null);
  for (const [name, value] of map) copy[name] = freezeDeep(value);
  return Object.freeze(copy);
}

/** Values that came from a store are not frozen yet; freezing them in place is right, since no state is ever changed. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freezeDeep(part);
  return Object.freeze(value);
}
