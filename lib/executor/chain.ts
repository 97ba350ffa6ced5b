/**
 * Chain: one delivered task and the tasks of the same entity that are executed inline after it, as one piece of work with one
 * result. The steps work on it one after another; what it holds at the end is the result.
 */
import type { Hook } from '../hooks/hook.js';
import type { DataPoint } from '../model/datapoint.js';
import type { Delivery } from '../model/delivery.js';
import type { EntitySpec } from '../model/entity.js';
import type { HistoryRow, Outcome, QuarantineReason, RecordState, RecordView, TaskResult } from '../model/record.js';
import type { Task, UnsentTask } from '../model/task.js';
import type { Instant } from '../model/time.js';
import type { RecordDraft } from './state.js';

const NO_DERIVED: readonly UnsentTask[] = Object.freeze([]);

/** What the executor needs of the delivery of a task: its lane says when it runs, the executor when it waits for the store instead. */
export type ExecutedDelivery = Pick<Delivery, 'id'> & Partial<Pick<Delivery, 'started' | 'ended' | 'attempts'>>;

export class Chain {
  /** The task that the steps are at. */
  task: Task;
  /** How it ended; null while it has not. */
  outcome: Outcome | null = null;
  /** How the delivered task ended: that is the outcome of the whole. */
  outcomeOfFirst: Outcome | null = null;
  reason: QuarantineReason | null = null;

  /** The record as it is now; null where there is none. */
  draft: RecordDraft | null = null;
  /** Of the last record that was, where there is none now. */
  lastIncarnation = 0;
  /** The last incarnation that ended in this chain; 0 for none. */
  ended = 0;
  touched = false;
  /** Whether the present task created the record. */
  isNew = false;
  /** Whether any task of the chain created it. */
  created = false;
  /** Rows of the incarnation that `state` has. */
  history: HistoryRow[] = [];
  raw: DataPoint[] = [];

  /** What the hooks of the present task returned, in order. */
  readonly returned: Task[] = [];
  /** Tasks of this entity that are executed next. */
  readonly inline: Task[] = [];
  /** How many more tasks of this chain may be executed inline. */
  inlineLeft: number;
  readonly derived: UnsentTask[] = [];
  /** How many more values hooks may set. */
  setsLeft: number;

  /** The step that comes next. */
  step = 0;
  /** The hook that runs, or ran last. */
  hook: Hook | null = null;

  constructor(
    task: Task,
    readonly delivery: ExecutedDelivery,
    readonly entity: EntitySpec,
    /** The time of everything this chain writes. */
    readonly now: Instant,
    readonly startedAt: number,
    limits: { readonly maxInline: number; readonly maxSets: number },
  ) {
    this.task = task;
    this.inlineLeft = limits.maxInline;
    this.setsLeft = limits.maxSets;
  }

  get hookName(): string | null {
    return this.hook === null ? null : `${this.hook.module.name} ${this.hook.name}`;
  }

  get state(): RecordState | null {
    return this.draft === null ? null : this.draft.state;
  }

  /** The record is gone, and with it the rows this chain gave it. */
  removeState(state: RecordState): void {
    this.lastIncarnation = state.incarnation;
    this.ended = state.incarnation;
    this.draft = null;
    this.touched = true;
    this.history = [];
  }

  /** The delivered task goes to quarantine, and nothing comes of it. */
  quarantine(reason: QuarantineReason): void {
    this.outcome = 'quarantined';
    this.outcomeOfFirst = 'quarantined';
    this.reason = reason;
    this.inline.length = 0;
    this.returned.length = 0;
  }

  result(): TaskResult {
    const { task, state, history, raw, ended } = this;
    const derived = this.derived.length === 0 ? NO_DERIVED : this.derived;
    const outcome = this.outcomeOfFirst ?? 'applied';
    const { etype, eid } = task;
    if (this.reason !== null) return { outcome, etype, eid, history: [], raw: [], derived: [], reason: this.reason };
    if (!this.touched) return { outcome, etype, eid, history, raw, derived };
    const record: RecordView = state === null ? { state, lastIncarnation: this.lastIncarnation } : { state };
    const result: TaskResult = { outcome, etype, eid, record, history, raw, derived };
    return ended === 0 ? result : { ...result, ended };
  }
}
