/**
 * A data path with everything around it in memory: queue, store, a writer, and an executor that keeps a journal. The record of a
 * key is the list of the task names that were applied to it, so it shows at once what was lost, doubled or out of order.
 */

import { Emissions } from '../../lib/commit/emissions.js';
import type { Delivery } from '../../lib/model/delivery.js';
import type { RecordState, RecordView, TaskResult } from '../../lib/model/record.js';
import type { OutgoingTask, Task } from '../../lib/model/task.js';
import { instantOfMs } from '../../lib/model/time.js';
import type { PipelineLimits, PipelineOptions } from '../../lib/pipeline/options.js';
import { Pipeline } from '../../lib/pipeline/pipeline.js';
import type { TaskReader } from '../../lib/queue/queue.js';
import { Placement } from '../../lib/routing/placement.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { Records } from '../../lib/store/records.js';
import type { BatchEntry, Ownership } from '../../lib/store/store.js';
import { manualClock } from './clock.js';
import { nextTurn } from './deliveries.js';
import { indexOf } from './index-of.js';
import { capturingLogger, eventsLoggedTo } from './logger.js';
import { type MemoryMessage, MemoryQueue } from './memory-queue.js';
import { MemoryStore, type MemoryStoreOptions } from './memory-store.js';
import { loadTestModel } from './model.js';
import { below, type Random } from './random.js';

export const NUM_PROCESSES = 2;
const NOW = instantOfMs(Date.UTC(2026, 0, 1));
const SPEC = loadTestModel();

/** Addresses whose key belongs to index 0, and to index 1. */
export const HERE = addressesOf(0);
export const ELSEWHERE = addressesOf(1);

function addressesOf(index: number): string[] {
  const all = Array.from({ length: 250 }, (_, host) => `192.0.2.${host}`);
  return all.filter((eid) => indexOf(`ip:${eid}`, NUM_PROCESSES) === index);
}

/** What a task is to do; it stands in its one data-point. */
export interface Script {
  readonly name: string;
  /** How often the executor fails on it. */
  readonly breaks?: number;
  readonly unstorable?: boolean;
  readonly derives?: boolean;
}

export function message(eid: string, script: Script, given: Partial<MemoryMessage> = {}): MemoryMessage {
  const point = { etype: 'ip', eid, attr: 'hostname', v: JSON.stringify(script) };
  const body = Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point] }));
  return { id: `id-${script.name}`, body, ...given };
}

export function scriptOf(task: Pick<Task, 'dataPoints'>): Script {
  return JSON.parse(String(task.dataPoints[0]?.v)) as Script;
}

function nameIn(body: Buffer): string {
  return scriptOf({ dataPoints: JSON.parse(body.toString()).data_points }).name;
}

/** The names in the journal of a record. */
export function journalOf(view: RecordView | undefined): readonly string[] {
  return (view?.state?.plain.get('journal')?.v ?? []) as readonly string[];
}

export interface DataPathOptions {
  readonly random?: Random;
  readonly delivery?: PipelineOptions['delivery'];
  readonly limits?: Partial<PipelineLimits>;
  readonly store?: MemoryStoreOptions;
  readonly windowTasks?: number;
  /** Turns that an execution takes, at most; 0 ends at once. */
  readonly turns?: number;
  /** How likely the writer fails. */
  readonly writerAway?: number;
  execute?: PipelineOptions['execute'];
}

const LIMITS: PipelineLimits = {
  threads: 4,
  normalEvery: 4,
  commit: { tasks: 5, bytes: 2 ** 20, ageMs: 5 },
  outboxBatch: 3,
  messageBytes: 1_000,
  future: { maxFutureMs: null, beyond: 'refuse' },
  maxAttempts: 3,
  maxRestarts: 1_000_000,
};

/** Every name that the journal of a stored result has was stored before, except its own. */
function follows({ result, delivery }: BatchEntry, stored: RecordView): void {
  if (result.record === undefined) return;
  const [before, after] = [journalOf(stored), journalOf(result.record)];
  const expected = [...before, nameIn(delivery.body)];
  if (expected.join() !== after.join()) throw new Error(`stored [${after}], but [${expected}] follows from the store`);
}

export class DataPath {
  readonly queue: MemoryQueue;
  readonly store: MemoryStore;
  readonly clock = manualClock();
  readonly log = capturingLogger('warn');
  readonly events = eventsLoggedTo(this.log, this.clock);
  readonly sent: OutgoingTask[] = [];
  readonly failures: unknown[] = [];
  /** Keys that are executed now; how many at most at once. */
  executing = new Set<string>();
  most = 0;
  pipeline!: Pipeline;
  records!: Records;
  emissions!: Emissions;
  backend!: PipelineOptions['backend'];
  /** How often each task broke its lane. */
  readonly broken = new Map<string, number>();

  constructor(private readonly options: DataPathOptions = {}) {
    const { random, store, windowTasks } = options;
    this.queue = new MemoryQueue(windowTasks);
    const unstorable = ({ delivery }: BatchEntry) =>
      delivery.body.includes('unstorable') ? `${delivery.id} holds a zero byte` : null;
    this.store = new MemoryStore({ ...(random && { random }), unstorable, check: follows, ...store });
  }

  /** A new owner with nothing in memory takes the index and consumes. What an owner before it has open is void. */
  async takeOver(): Promise<Pipeline> {
    await this.queue.stop();
    this.queue.paused = false;
    const ownership = await this.store.own(0);
    const records = new Records(this.store, { bytes: 2_000 });
    this.records = records;
    const { delivery = 'effectively-once', limits, execute } = this.options;
    const executing = new Set<string>();
    this.executing = executing;
    this.backend = {
      reader: this.readerOf(ownership),
      writer: {
        name: 'memory writer',
        start: async () => {},
        stop: async () => {},
        obstacle: null,
        onObstacle: () => {},
        send: (tasks) => this.send(tasks),
      },
      store: this.store,
    };
    this.emissions = new Emissions();
    const pipeline = new Pipeline({
      ownership,
      placement: new Placement(NUM_PROCESSES),
      delivery,
      spec: SPEC,
      backend: this.backend,
      records,
      execute: execute ?? ((task, of) => this.execute(task, of, records, executing)),
      limits: { ...LIMITS, ...limits },
      storeTroubles: new Troubles(),
      clock: this.clock,
      events: this.events,
      emissions: this.emissions,
      failed: (reason) => this.failures.push(reason),
    });
    this.pipeline = pipeline;
    await pipeline.start();
    return pipeline;
  }

  /** The queue as one owner sees it: whoever was replaced has no hold on it any more. */
  private readerOf({ epoch }: Ownership): TaskReader {
    const { queue, store } = this;
    const ifOwner = (act: () => void) => () => void (store.epoch === epoch && act());
    return {
      name: queue.name,
      start: () => queue.start(),
      consume: (events) => queue.consume(events),
      pause: ifOwner(() => queue.pause()),
      resume: ifOwner(() => queue.resume()),
      requeueAll: ifOwner(() => queue.requeueAll()),
      stop: async () => ifOwner(() => void queue.stop())(),
      settle: (deliveries) => queue.settle(deliveries),
      committing: (deliveries) => queue.committing(deliveries),
      absolve: () => queue.absolve(),
      depth: () => queue.depth(),
      redeliveryHorizon: () => queue.redeliveryHorizon(),
      get window() {
        return queue.window;
      },
    };
  }

  /** Nothing waits, runs or is to be committed, and no lane is left. */
  get atRest(): boolean {
    const { busy, waiting, keys, uncommitted, held } = this.pipeline.status();
    return busy + waiting + keys + uncommitted + held === 0;
  }

  /** Lets turns and time pass until the condition holds. `each` is called in every turn. */
  async until(condition: () => boolean, what: string, each: () => void = () => {}): Promise<void> {
    for (let turn = 0; turn < 20_000; turn++) {
      if (condition()) return;
      each();
      await nextTurn();
      this.clock.pass(this.draw() < 0.1 ? 1_000 : 1);
    }
    throw new Error(`waited in vain until ${what}: ${JSON.stringify(this.pipeline.status())}`);
  }

  /** Resolves when every message is settled and every derived task is sent. */
  settled(each?: () => void): Promise<void> {
    return this.until(() => this.queue.left === 0 && this.store.rows.length === 0, 'everything is settled', each);
  }

  private async send(tasks: readonly OutgoingTask[]): Promise<void> {
    await nextTurn();
    if (this.draw() < (this.options.writerAway ?? 0)) throw new ApplicationError('QUEUE_UNAVAILABLE', 'no broker');
    this.sent.push(...tasks);
  }

  private execute(
    task: Task,
    delivery: Delivery,
    records: Records,
    executing: Set<string>,
  ): TaskResult | Promise<TaskResult> {
    if (executing.has(task.key)) throw new Error(`two tasks of ${task.key} at once`);
    executing.add(task.key);
    this.most = Math.max(this.most, executing.size);
    const { turns = 0, random } = this.options;
    const pauses = random ? below(turns + 1, random) : turns;
    const view = records.newest(task.etype, task.eid, task.key);
    const end = (found: RecordView): TaskResult => {
      executing.delete(task.key);
      return this.apply(task, delivery, found, records);
    };
    if (pauses === 0 && !(view instanceof Promise)) return end(view);
    return (async () => {
      const found = await view;
      for (let turn = 0; turn < pauses; turn++) await nextTurn();
      return end(found);
    })();
  }

  private apply(task: Task, delivery: Delivery, view: RecordView, records: Records): TaskResult {
    const { name, breaks = 0, derives } = scriptOf(task);
    const broken = this.broken.get(name) ?? 0;
    if (broken < breaks) {
      this.broken.set(name, broken + 1);
      throw new Error(`${name} breaks the executor`);
    }
    const { etype, eid, key } = task;
    const state = withName(view, task, name);
    records.put(key, { state });
    const derived = derives ? [{ id: `of-${delivery.id}`, key, index: 1, priority: true, body: delivery.body }] : [];
    return { outcome: 'applied', etype, eid, record: { state }, history: [], raw: task.dataPoints, derived };
  }

  private draw(): number {
    return this.options.random?.() ?? 0;
  }
}

function withName(view: RecordView, task: Task, name: string): RecordState {
  const plain = new Map([['journal', { v: [...journalOf(view), name], ts: NOW }]]);
  const { etype, eid } = task;
  const nothing = new Map<string, never>();
  const rest = { ttlTokens: nothing, observations: nothing, timeseries: nothing };
  return { etype, eid, hash: 0, incarnation: 1, created: NOW, updated: NOW, plain, ...rest };
}
