/**
 * What a task does to a record: pure functions from one state to the next. States are shared (by the cache, by results that wait
 * for their commit, by hooks), so they are never changed; what changes is copied once a task.
 */
import type { DataPoint } from '../model/datapoint.js';
import type { EntitySpec } from '../model/entity.js';
import type { HistoryRow, HistorySummary, PlainValue, RecordState } from '../model/record.js';
import type { Task } from '../model/task.js';
import type { Instant } from '../model/time.js';

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();

/** The record of an entity that was just created. */
export function newState(task: Task, hash: number, incarnation: number, now: Instant): RecordState {
  return {
    etype: task.etype,
    eid: task.eid,
    hash,
    incarnation,
    created: now,
    updated: now,
    ttlTokens: NOTHING,
    plain: NOTHING,
    observations: NOTHING,
    timeseries: NOTHING,
  };
}

/** The state with TTL tokens merged in: of two times for one token the later one counts. */
export function withTokens(
  state: RecordState,
  tokens: Iterable<readonly [name: string, until: Instant]>,
  now: Instant,
): RecordState {
  let merged: Map<string, Instant> | null = null;
  for (const [name, time] of tokens) {
    const before = (merged ?? state.ttlTokens).get(name);
    if (before !== undefined && before >= time) continue;
    merged ??= new Map(state.ttlTokens);
    merged.set(name, time);
  }
  if (merged === null && state.updated === now) return state;
  return { ...state, updated: now, ttlTokens: merged ?? state.ttlTokens };
}

/**
 * The state with data-points written into it; rows of history are added to `history`. Plain values are replaced, of the others
 * the record keeps how many there are and the newest (by t2; of two equal ones the later arrival).
 */
export function withDataPoints(
  state: RecordState,
  entity: EntitySpec,
  points: readonly DataPoint[],
  now: Instant,
  history: HistoryRow[],
): RecordState {
  let plain: Map<string, PlainValue> | null = null;
  let observations: Map<string, HistorySummary> | null = null;
  let timeseries: Map<string, HistorySummary> | null = null;
  for (const point of points) {
    switch (entity.attributes.get(point.attr)?.type) {
      case 'plain':
        plain ??= new Map(state.plain);
        plain.set(point.attr, { v: point.v, ts: now });
        break;
      case 'observations':
        observations ??= new Map(state.observations);
        append(observations, point, history);
        break;
      case 'timeseries':
        timeseries ??= new Map(state.timeseries);
        append(timeseries, point, history);
        break;
      case undefined:
        throw new Error(
          `a data-point of ${point.etype} names the attribute ${point.attr}, which its model does not have`,
        );
    }
  }
  return {
    etype: state.etype,
    eid: state.eid,
    hash: state.hash,
    incarnation: state.incarnation,
    created: state.created,
    updated: now,
    ttlTokens: state.ttlTokens,
    plain: plain ?? state.plain,
    observations: observations ?? state.observations,
    timeseries: timeseries ?? state.timeseries,
  };
}

function append(summaries: Map<string, HistorySummary>, point: DataPoint, history: HistoryRow[]): void {
  const { attr, t1, t2, v, c } = point;
  if (t1 === null || t2 === null) throw new Error(`a data-point of ${point.etype}.${attr} has no time`);
  const row: HistoryRow = { attr, t1, t2, v, c };
  history.push(row);
  const before = summaries.get(attr);
  if (before === undefined) summaries.set(attr, { count: 1, newest: row });
  else summaries.set(attr, { count: before.count + 1, newest: t2 < before.newest.t2 ? before.newest : row });
}
