/** Makes results of one entity as the executor makes them, one after another, so that a test of stores says only what happens. */

import type { HistoryRow, HistorySummary, RecordState, RecordView, TaskResult } from '../../lib/model/record.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { type Instant, instantOfMs } from '../../lib/model/time.js';
import { hashOf } from '../../lib/routing/hash.js';
import { indexOf } from './index-of.js';

export const NOW = instantOfMs(Date.UTC(2026, 0, 1));

export interface Observed {
  readonly attr: string;
  readonly t1: Instant;
  readonly t2: Instant;
  readonly v: unknown;
  readonly c?: number;
}

/** What one task changes. */
export interface Change {
  readonly plain?: Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;
  readonly observed?: readonly Observed[];
  readonly timeseries?: readonly Observed[];
  readonly ttl?: ReadonlyMap<string, Instant>;
  readonly derived?: readonly OutgoingTask[];
}

/** An entity and its newest state, as a worker has it in memory. */
export class Profile {
  view: RecordView = { state: null, lastIncarnation: 0 };
  /** Rows of the present incarnation, in the order in which they were written. */
  rows: HistoryRow[] = [];

  constructor(
    readonly etype: string,
    readonly eid: string,
  ) {}

  get state(): RecordState {
    if (this.view.state === null) throw new Error(`${this.etype}:${this.eid} is absent`);
    return this.view.state;
  }

  /** The result of a task with data-points; creates the record where there is none. */
  change({ plain = {}, observed = [], timeseries = [], ttl = new Map(), derived = [] }: Change = {}): TaskResult {
    const before = this.view.state ?? this.created();
    const rows = [...observed, ...timeseries].map(({ c = 1, ...row }) => ({ ...row, c }));
    const values = plain instanceof Map ? plain : new Map(Object.entries(plain));
    const state: RecordState = {
      ...before,
      ttlTokens: new Map([...before.ttlTokens, ...ttl]),
      plain: new Map([...before.plain, ...[...values].map(([attr, v]) => [attr, { v, ts: NOW }] as const)]),
      observations: summed(before.observations, rows.slice(0, observed.length)),
      timeseries: summed(before.timeseries, rows.slice(observed.length)),
    };
    this.view = { state };
    this.rows.push(...rows);
    return this.result('applied', rows, derived);
  }

  /** The result of a delete. */
  remove(): TaskResult {
    const { incarnation: ended } = this.state;
    this.view = { state: null, lastIncarnation: ended };
    this.rows = [];
    return { ...this.result('deleted', [], []), ended };
  }

  private created(): RecordState {
    const incarnation = this.view.state === null ? this.view.lastIncarnation + 1 : 1;
    const nothing = new Map<string, never>();
    const hash = hashOf(`${this.etype}:${this.eid}`);
    const maps = { ttlTokens: nothing, plain: nothing, observations: nothing, timeseries: nothing };
    return { etype: this.etype, eid: this.eid, hash, incarnation, created: NOW, updated: NOW, ...maps };
  }

  private result(
    outcome: TaskResult['outcome'],
    history: readonly HistoryRow[],
    derived: readonly OutgoingTask[],
  ): TaskResult {
    const { etype, eid, view } = this;
    const raw = history.map(({ attr, t1, t2, v, c }) => ({ etype, eid, attr, v, t1, t2, c, src: 'test' }));
    return { outcome, etype, eid, record: view, history, raw, derived };
  }
}

/** The n-th entity of a type that belongs to an index. */
export function profileOf(index: number, numProcesses: number, n = 0, etype = 'thing'): Profile {
  for (let number = 0, found = 0; ; number++) {
    const eid = `e${number}`;
    if (indexOf(`${etype}:${eid}`, numProcesses) === index && found++ === n) return new Profile(etype, eid);
  }
}

/** An observation that is valid for a second, `seconds` after NOW. */
export function observedAt(seconds: number, v: unknown, attr = 'seen'): Observed {
  const at = Date.UTC(2026, 0, 1) + seconds * 1_000;
  return { attr, t1: instantOfMs(at), t2: instantOfMs(at + 1_000), v };
}

function summed(
  before: ReadonlyMap<string, HistorySummary>,
  rows: readonly HistoryRow[],
): ReadonlyMap<string, HistorySummary> {
  const after = new Map(before);
  for (const row of rows) {
    const { count = 0, newest = row } = after.get(row.attr) ?? {};
    after.set(row.attr, { count: count + 1, newest: row.t2 < newest.t2 ? newest : row });
  }
  return after;
}
