/**
 * A worker's data path between a real queue and a store in memory. Tasks of an entity are numbered, and its record holds the last number:
 * whatever is lost, doubled or out of order shows at the commit it happens in.
 */

import { Emissions } from '../../lib/commit/emissions.js';
import type { RecordState, TaskResult } from '../../lib/model/record.js';
import type { OutgoingTask, Task } from '../../lib/model/task.js';
import { instantOfMs } from '../../lib/model/time.js';
import { logEvents } from '../../lib/observability/event-log.js';
import { createEvents, type Events } from '../../lib/observability/events.js';
import type { Logger } from '../../lib/observability/logger.js';
import type { PipelineOptions } from '../../lib/pipeline/options.js';
import { Pipeline } from '../../lib/pipeline/pipeline.js';
import type { TaskReader, TaskWriter } from '../../lib/queue/queue.js';
import { Placement } from '../../lib/routing/placement.js';
import { systemClock } from '../../lib/runtime/clock.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { Records } from '../../lib/store/records.js';
import { MemoryStore } from './memory-store.js';
import { loadTestModel } from './model.js';

const SPEC = loadTestModel();
const NOW = instantOfMs(Date.UTC(2026, 0, 1));

const NO_WRITER: TaskWriter = {
  name: 'none',
  start: async () => {},
  stop: async () => {},
  obstacle: null,
  onObstacle: () => {},
  send: async () => {},
};
/** What the id of an entity begins with that only derived tasks are of. */
const DERIVED = 'derived ';

/** Entities of a stream. */
export const KEYS = 100;

/** The n-th task of a stream: keys take turns, each counts from 1. `padding`: bytes that its message has more. */
export function numberedTask(n: number, { keys = KEYS, padding = 0 } = {}): OutgoingTask {
  const eid = String(n % keys);
  const body = bodyOf(eid, Math.floor(n / keys) + 1, padding);
  return { id: `task ${n}`, key: `bus:${eid}`, index: 0, priority: false, body };
}

export function numberedTasks(from: number, to: number, options?: Parameters<typeof numberedTask>[1]): OutgoingTask[] {
  return Array.from({ length: to - from }, (_, i) => numberedTask(from + i, options));
}

export interface CountingPathOptions {
  readonly delivery?: PipelineOptions['delivery'];
  readonly threads?: number;
  readonly log?: Logger;
  readonly events?: Events;
  /** Each task whose number can be divided by `every` derives one of an entity of its own; `writer` sends it. */
  readonly derives?: { readonly every: number; readonly writer: TaskWriter };
  /** What a hook would do; its end is waited for. */
  readonly hook?: (task: Task, number: number) => Promise<void> | undefined;
}

export class CountingPath {
  readonly store: MemoryStore;
  readonly events: Events;
  /** Tasks whose results are stored. */
  done = 0;
  /** What must not happen. */
  readonly wrong: string[] = [];
  readonly failures: unknown[] = [];
  /** Numbers that began to be executed, by key. */
  readonly executed: { readonly key: string; readonly number: number }[] = [];
  private pipeline: Pipeline | null = null;
  private readonly waiting = new Set<() => void>();

  constructor(private readonly options: CountingPathOptions = {}) {
    this.events = options.events ?? createEvents();
    if (options.log !== undefined) logEvents(this.events, options.log);
    this.store = new MemoryStore({
      check: ({ result }, stored) => {
        this.done++;
        if (result.record?.state == null) return;
        const [before, after] = [numberOf(stored.state), numberOf(result.record.state)];
        if (after !== before + 1) this.wrong.push(`bus:${result.eid}: ${before} before ${after}`);
      },
    });
    this.events.on('commit-stored', () => {
      // They hold the bodies of all messages.
      this.store.stored.length = 0;
      this.look();
    });
    this.events.on('task-known', () => this.look());
    this.events.on('reader-restored', () => this.look());
  }

  /** Owns the index and consumes. */
  async start(reader: TaskReader): Promise<void> {
    const { delivery = 'effectively-once', threads = 8, hook, derives } = this.options;
    const { store, events } = this;
    const ownership = await store.own(0);
    const records = new Records(store, { bytes: 2 ** 20 });
    const execute: PipelineOptions['execute'] = (task, { id }): TaskResult | Promise<TaskResult> => {
      const ended = hook?.(task, numberIn(task));
      if (ended !== undefined) return ended.then(() => this.apply(task, id, records));
      return this.apply(task, id, records);
    };
    this.pipeline = new Pipeline({
      ownership,
      placement: new Placement(1),
      delivery,
      spec: SPEC,
      backend: { reader, writer: derives?.writer ?? NO_WRITER, store },
      records,
      execute,
      limits: {
        threads,
        normalEvery: 16,
        commit: { tasks: 512, bytes: 64 * 2 ** 20, ageMs: 5 },
        outboxBatch: 100,
        messageBytes: 2 ** 24,
        future: { maxFutureMs: null, beyond: 'refuse' },
        maxAttempts: 3,
        maxRestarts: 20,
      },
      storeTroubles: new Troubles(),
      clock: systemClock,
      events,
      emissions: new Emissions(),
      failed: (reason) => {
        this.failures.push(reason);
        this.look();
      },
    });
    await this.pipeline.start(() => {});
  }

  /** As a drain does: what runs is finished, what waits goes back. */
  async stop(): Promise<void> {
    const nothing = { name: 'nothing', start: async () => {}, stop: async () => {} };
    await this.pipeline?.drain({ scheduler: nothing, modules: nothing }, Deadline.in(5_000));
  }

  /** Resolves when it holds, at the latest after the next commit. Rejects when the worker failed. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.failures.length > 0) throw new Error('the worker failed', { cause: this.failures[0] });
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  /** Resolves when that many are stored. */
  untilDone(count: number): Promise<void> {
    return this.until(() => this.done >= count);
  }

  private derived({ eid }: Task, id: string, number: number): OutgoingTask[] {
    const { every = 0 } = this.options.derives ?? {};
    if (every === 0 || number % every !== 0 || eid.startsWith(DERIVED)) return [];
    const other = `${DERIVED}${eid}`;
    const body = bodyOf(other, number / every, 0);
    return [{ id: `of ${id}`, key: `bus:${other}`, index: 0, priority: true, body }];
  }

  private look(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private apply(task: Task, id: string, records: Records): TaskResult | Promise<TaskResult> {
    const { etype, eid, key } = task;
    const number = numberIn(task);
    this.executed.push({ key, number });
    const view = records.newest(etype, eid, key);
    const end = (): TaskResult => {
      const state = stateOf(task, number);
      records.put(key, { state });
      const derived = this.derived(task, id, number);
      return { outcome: 'applied', etype, eid, record: { state }, history: [], raw: [], derived };
    };
    return view instanceof Promise ? view.then(end) : end();
  }
}

function bodyOf(eid: string, number: number, padding: number): Buffer {
  const point = { etype: 'bus', eid, attr: 'text', v: `${number} ${'x'.repeat(padding)}` };
  return Buffer.from(JSON.stringify({ etype: 'bus', eid, data_points: [point] }));
}

function numberIn(task: Task): number {
  return Number.parseInt(String(task.dataPoints[0]?.v), 10);
}

function numberOf(state: RecordState | null): number {
  return Number(state?.plain.get('text')?.v ?? 0);
}

function stateOf({ etype, eid }: Task, number: number): RecordState {
  const nothing = new Map<string, never>();
  const plain = new Map([['text', { v: number, ts: NOW }]]);
  const rest = { ttlTokens: nothing, observations: nothing, timeseries: nothing };
  return { etype, eid, hash: 0, incarnation: 1, created: NOW, updated: NOW, plain, ...rest };
}
