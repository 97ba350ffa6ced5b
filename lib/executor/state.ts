/**
 * What a task does to a record. States are shared (by the cache, by results that wait for their commit), so they are never changed in
 * place: a draft copies what it changes once, however many data-points follow.
 */
import type { DataPoint } from '../model/datapoint.js';
import type { EntitySpec } from '../model/entity.js';
import {
  type HistoryRow,
  type HistorySummary,
  MAX_TTL_TOKENS,
  type PlainValue,
  type RecordState,
} from '../model/record.js';
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

/** A record while one chain changes it. Nobody else may keep `state` before the chain has ended. */
export class RecordDraft {
  private ttlTokens: Map<string, Instant> | null = null;
  private plain: Map<string, PlainValue> | null = null;
  private observations: Map<string, HistorySummary> | null = null;
  private timeseries: Map<string, HistorySummary> | null = null;

  constructor(public state: RecordState) {}

  /** Of two times for one token the later one counts. */
  mergeTokens(tokens: Iterable<readonly [name: string, until: Instant]>, now: Instant): void {
    for (const [name, time] of tokens) {
      const before = this.state.ttlTokens.get(name);
      if (before !== undefined && before >= time) continue;
      if (this.ttlTokens === null) {
        this.ttlTokens = new Map(this.state.ttlTokens);
        this.state = { ...this.state, ttlTokens: this.ttlTokens };
      }
      this.ttlTokens.set(name, time);
      if (this.ttlTokens.size > 2 * MAX_TTL_TOKENS) this.keepLastTokens(this.ttlTokens);
    }
    if (this.state.updated !== now) this.state = { ...this.state, updated: now };
  }

  /** In one go for many, so that each of them costs little. */
  private keepLastTokens(tokens: Map<string, Instant>): void {
    const latestFirst = [...tokens].sort(([, one], [, other]) => (one > other ? -1 : one < other ? 1 : 0));
    for (const [name] of latestFirst.slice(MAX_TTL_TOKENS)) tokens.delete(name);
  }

  /** What the record holds of the attribute of a data-point. */
  before({ attr }: DataPoint): PlainValue | HistorySummary | undefined {
    const { plain, observations, timeseries } = this.state;
    return plain.get(attr) ?? observations.get(attr) ?? timeseries.get(attr);
  }

  /**
   * Writes a data-point; its row of history, if it has one, is added to `history`. A plain value is replaced; of the others the record
   * keeps how many there are and the newest (by t2; of two equal ones the later arrival), and the last one where that is asked for.
   */
  write(
    point: DataPoint,
    entity: EntitySpec,
    lastArrived: ReadonlySet<string>,
    now: Instant,
    history: HistoryRow[],
  ): void {
    const { attr } = point;
    switch (entity.attributes.get(attr)?.type) {
      case 'plain':
        if (this.plain === null) {
          this.plain = new Map(this.state.plain);
          this.state = { ...this.state, updated: now, plain: this.plain };
        }
        this.plain.set(attr, { v: point.v, ts: now });
        break;
      case 'observations':
        if (this.observations === null) {
          this.observations = new Map(this.state.observations);
          this.state = { ...this.state, updated: now, observations: this.observations };
        }
        append(this.observations, point, lastArrived, history);
        break;
      case 'timeseries':
        if (this.timeseries === null) {
          this.timeseries = new Map(this.state.timeseries);
          this.state = { ...this.state, updated: now, timeseries: this.timeseries };
        }
        append(this.timeseries, point, lastArrived, history);
        break;
      case undefined:
        throw new Error(`a data-point of ${point.etype} names the attribute ${attr}, which its model does not have`);
    }
  }
}

function append(
  summaries: Map<string, HistorySummary>,
  point: DataPoint,
  lastArrived: ReadonlySet<string>,
  history: HistoryRow[],
): void {
  const { attr, t1, t2, v, c } = point;
  if (t1 === null || t2 === null) throw new Error(`a data-point of ${point.etype}.${attr} has no time`);
  const row: HistoryRow = { attr, t1, t2, v, c };
  history.push(row);
  const before = summaries.get(attr);
  const count = before === undefined ? 1 : before.count + 1;
  const newest = before === undefined || t2 >= before.newest.t2 ? row : before.newest;
  summaries.set(attr, lastArrived.has(attr) ? { count, newest, lastArrived: row } : { count, newest });
}
