/** States, results and batch entries for tests of stores. */

import type { HistoryRow, HistorySummary, RecordState, TaskResult } from '../../lib/model/record.js';
import { type Instant, instantOfMs, parseInstant } from '../../lib/model/time.js';
import { hashOf } from '../../lib/routing/hash.js';
import type { Batch, BatchEntry, Ownership } from '../../lib/store/store.js';
import { type TestDelivery, testDelivery } from './deliveries.js';
import { indexOf } from './index-of.js';

export const NOW = parseInstant('2026-01-01T00:00:00Z');

/** Seconds after a fixed time. */
export function at(seconds: number): Instant {
  return instantOfMs(Date.UTC(2026, 0, 1) + 1_000 * seconds);
}

export function row(attr: string, seconds: number, v: unknown = seconds, lastsSeconds = 0): HistoryRow {
  return { attr, t1: at(seconds), t2: at(seconds + lastsSeconds), v, c: 1 };
}

export function stateOf(eid: string, given: Partial<RecordState> = {}): RecordState {
  const etype = given.etype ?? 'ip';
  const nothing = new Map<string, never>();
  return {
    etype,
    eid,
    hash: hashOf(`${etype}:${eid}`),
    incarnation: 1,
    created: NOW,
    updated: at(60),
    ttlTokens: nothing,
    plain: nothing,
    observations: nothing,
    timeseries: nothing,
    ...given,
  };
}

/** A state with one plain value. */
export function plainState(eid: string, v: unknown, incarnation = 1): RecordState {
  return stateOf(eid, { incarnation, plain: new Map([['value', { v, ts: NOW }]]) });
}

/** The state before with these rows added to its observations, as the executor counts them. */
export function observed(before: RecordState, rows: readonly HistoryRow[]): RecordState {
  const observations = new Map<string, HistorySummary>(before.observations);
  for (const each of rows) {
    const known = observations.get(each.attr);
    const newest = known && each.t2 < known.newest.t2 ? known.newest : each;
    observations.set(each.attr, { count: (known?.count ?? 0) + 1, newest });
  }
  return { ...before, observations };
}

export interface TestEntry extends BatchEntry {
  readonly delivery: TestDelivery;
}

export function resultOf(given: Partial<TaskResult> = {}): TaskResult {
  return { outcome: 'applied', etype: null, eid: null, history: [], raw: [], derived: [], ...given };
}

/** The entry of a task that leaves this state. */
export function stored(id: string, state: RecordState, given: Partial<TaskResult & BatchEntry> = {}): TestEntry {
  const { etype, eid } = state;
  const { sends = [], ...result } = given;
  return { delivery: testDelivery({ id }), result: resultOf({ etype, eid, record: { state }, ...result }), sends };
}

/** The entry of a task that ends this state. */
export function deleted(id: string, { etype, eid, incarnation }: RecordState): TestEntry {
  const record = { state: null, lastIncarnation: incarnation };
  return {
    delivery: testDelivery({ id }),
    result: resultOf({ outcome: 'deleted', etype, eid, record, ended: incarnation }),
  };
}

export function quarantined(id: string, body: Buffer, given: Partial<TaskResult> = {}): TestEntry {
  const reason = { code: 'MESSAGE_INVALID', sentence: `${id} is no task` };
  return { delivery: testDelivery({ id, body }), result: resultOf({ outcome: 'quarantined', reason, ...given }) };
}

export function batchOf(ownership: Ownership, ...entries: BatchEntry[]): Batch {
  return { ownership, entries, inbox: true };
}

/** Ids of entities of type `ip` that belong to an index, and begin with a text. */
export function* eidsOf(index: number, numProcesses: number, prefix = ''): Generator<string> {
  for (let n = 0; ; n++) {
    const eid = `${prefix}${n}`;
    if (indexOf(`ip:${eid}`, numProcesses) === index) yield eid;
  }
}

export function take<T>(items: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of items) if (taken.push(item) === count) break;
  return taken;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A value that has no JSON. */
export function cyclic(): unknown {
  const value: unknown[] = [];
  value.push(value);
  return value;
}
