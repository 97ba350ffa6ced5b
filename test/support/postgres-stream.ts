/** A stream of tasks through the real data path into PostgreSQL; queue and hooks are in memory. */

import { expect, onTestFinished } from 'vitest';
import { Emissions } from '../../lib/commit/emissions.js';
import type { HistoryRow, TaskResult } from '../../lib/model/record.js';
import type { OutgoingTask, Task } from '../../lib/model/task.js';
import { sequencedOf } from '../../lib/model/task-id.js';
import { Pipeline } from '../../lib/pipeline/pipeline.js';
import { Placement } from '../../lib/routing/placement.js';
import { type Clock, systemClock } from '../../lib/runtime/clock.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { schemaOf } from '../../lib/store/postgres/names.js';
import { Session } from '../../lib/store/postgres/session.js';
import { PostgresStore } from '../../lib/store/postgres/store.js';
import { Records } from '../../lib/store/records.js';
import type { TestDatabase } from '../../services/postgres.js';
import { HERE, NUM_PROCESSES } from './data-path.js';
import { capturingLogger, eventsLoggedTo } from './logger.js';
import { MemoryQueue } from './memory-queue.js';
import { loadTestModel } from './model.js';
import { observed, stateOf } from './results.js';

const APP = 'faults';
export const SCHEMA = schemaOf(APP);
const EIDS = HERE.slice(0, 20);
const SPEC = loadTestModel();
const T1 = '2026-01-01T00:00:00.000000Z';
/** Every so many tasks derive one. */
const DERIVES = 5;
const PUT_EVERY_MS = 4;
/** Few records fit: they are read from the store all the time. */
const FEW_BYTES = 8_000;

/** Time that passes `factor` times as fast. */
function fastClock(factor: number): Clock {
  return {
    now: systemClock.now,
    monotonic: () => systemClock.monotonic() * factor,
    after: (delayMs, run, keepAlive) => systemClock.after(delayMs / factor, run, keepAlive),
    soon: systemClock.soon,
  };
}

export interface StreamOptions {
  /** Time passes so many times as fast for the data path. */
  readonly factor?: number;
  readonly cacheBytes?: number;
  readonly statementTimeoutMs?: number;
  /** What a task writes instead of its own value; undefined where nothing is wrong with it. It goes to quarantine. */
  readonly spoil?: (number: number) => unknown;
}

/** As long as a statement may take: in fast time, a lease of the usual length would leave none. */
const LEASE_MS = 90_000;

/** Tasks of 20 entities, one after another, each a row of history and a raw data-point; a worker's data path works them off. */
export class Stream {
  readonly queue = new MemoryQueue(300);
  readonly log = capturingLogger('warn');
  readonly events = eventsLoggedTo(this.log);
  readonly failures: unknown[] = [];
  readonly troubles = new Troubles();
  /** Lanes that broke. */
  restarts = 0;
  readonly sent: OutgoingTask[] = [];
  readonly store: PostgresStore;
  readonly paused: string[] = [];
  /** Why commits were sent again. */
  readonly repeated: string[] = [];
  private readonly records: Records;
  private put = 0;
  private timer: NodeJS.Timeout | undefined;

  private readonly clock: Clock;
  private readonly spoil: (number: number) => unknown;

  private constructor(
    readonly database: TestDatabase,
    { factor = 20, cacheBytes = FEW_BYTES, spoil = () => undefined, statementTimeoutMs }: StreamOptions,
  ) {
    const clock = fastClock(factor);
    this.clock = clock;
    this.spoil = spoil;
    this.store = new PostgresStore({
      url: database.url,
      app: APP,
      numProcesses: NUM_PROCESSES,
      delivery: 'effectively-once',
      inboxRetentionMs: 3_600_000,
      redeliveryHorizon: async () => null,
      leaseMs: LEASE_MS,
      clock,
      ...(statementTimeoutMs !== undefined && { statementTimeoutMs }),
    });
    this.records = new Records(this.store, { bytes: cacheBytes });
    this.events.on('reader-paused', ({ why }) => this.paused.push(why));
    this.events.on('lane-broken', ({ restarts }) => {
      this.restarts = restarts;
    });
    this.events.on('commit-retried', ({ why }) => this.repeated.push(why));
  }

  /** Closed when the test ends. */
  static async open(database: TestDatabase, options: StreamOptions = {}): Promise<Stream> {
    const stream = new Stream(database, options);
    onTestFinished(() => stream.close());
    await stream.store.start();
    return stream;
  }

  async run(): Promise<void> {
    const { store, records, queue, clock, events } = this;
    const pipeline = new Pipeline({
      ownership: await store.own(0),
      placement: new Placement(NUM_PROCESSES),
      delivery: 'effectively-once',
      spec: SPEC,
      backend: {
        reader: queue,
        writer: {
          name: 'memory writer',
          start: async () => {},
          stop: async () => {},
          obstacle: null,
          onObstacle: () => {},
          send: async (tasks) => void this.sent.push(...tasks),
        },
        store,
      },
      records,
      execute: (task, { id }) => this.execute(task, id),
      limits: {
        threads: 8,
        normalEvery: 16,
        commit: { tasks: 64, bytes: 2 ** 20, ageMs: 50 },
        outboxBatch: 50,
        messageBytes: 10_000,
        future: { maxFutureMs: null, beyond: 'refuse' },
        maxAttempts: 3,
        maxRestarts: 5,
      },
      storeTroubles: this.troubles,
      clock,
      events,
      emissions: new Emissions(),
      failed: (reason) => this.failures.push(reason),
    });
    await pipeline.start();
    this.timer = setInterval(() => this.putSome(5), PUT_EVERY_MS);
  }

  /** How many tasks are settled. */
  get settled(): number {
    return this.queue.settledMessages;
  }

  /** Nobody can write into a table meanwhile. */
  async blocked(table: string, meanwhile: () => Promise<void>): Promise<void> {
    const session = new Session({ url: this.database.url, app: APP, purpose: 'test' });
    await session.transaction(async (query) => {
      await query(`set local idle_in_transaction_session_timeout = 0`);
      await query(`lock table ${table} in share mode`);
      await meanwhile();
    });
    await session.stop();
  }

  /** No more tasks come; resolves when all are settled, and checks everything that is stored. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    await expect.poll(() => this.queue.left, { timeout: 30_000 }).toBe(0);
    await expect.poll(() => this.count('outbox'), { timeout: 30_000 }).toBe(0);
    expect(this.failures).toEqual([]);
    const expected = EIDS.flatMap((eid, key) => this.tasksOf(key).map((task, n) => `${eid} ${n} [${task}]`));
    const history = await this.database.query(
      `select eid || ' ' || n || ' ' || v as row from ${SCHEMA}.history order by eid collate "C", n`,
    );
    expect(history.map(({ row }) => row).sort()).toEqual(expected.sort());
    const raw = await this.database.query(`select eid || ' [' || (v ->> 0) || ']' as row from ${SCHEMA}.raw`);
    expect(raw.map(({ row }) => row).sort()).toEqual(expected.map((row) => row.replace(/ \d+ /, ' ')).sort());
    const records = await this.database.query(
      `select eid, (observations -> 'open_ports' ->> 'count')::int as count, revision from ${SCHEMA}.records`,
    );
    const counted = records.map(({ eid, count }) => [eid, count]).sort();
    expect(counted).toEqual(EIDS.map((eid, key) => [eid, this.tasksOf(key).length]).sort());
    const spoilt = this.numbers.filter((n) => this.spoil(n) !== undefined);
    expect(await this.count('inbox')).toBe(this.put);
    const aside = await this.database.query(`select id, code from ${SCHEMA}.quarantine`);
    const unstorable = spoilt.map((n) => ({ id: `task-${n}`, code: 'TASK_UNSTORABLE' }));
    expect([...aside].sort(byId)).toEqual(unstorable.sort(byId));
    const derived = this.numbers.filter((n) => n % DERIVES === 0 && !spoilt.includes(n));
    const sent = new Map(this.sent.map(({ id, body }) => [id, body.toString()]));
    expect([...sent.values()].sort()).toEqual(derived.map((n) => `derived-${n}`).sort());
    const positions = [...sent.keys()].map((id) => sequencedOf(id)?.n ?? 0).sort((one, other) => one - other);
    expect(positions).toEqual(positions.map((_, at) => at + 1));
  }

  async count(table: string): Promise<number> {
    const [row] = await this.database.query(`select count(*)::int as rows from ${SCHEMA}.${table}`);
    return Number(row?.['rows']);
  }

  /** How many tasks of those that were put are spoilt. */
  get spoilt(): number {
    return this.numbers.filter((n) => this.spoil(n) !== undefined).length;
  }

  private get numbers(): number[] {
    return Array.from({ length: this.put }, (_, n) => n);
  }

  private tasksOf(key: number): number[] {
    return this.numbers.filter((n) => n % EIDS.length === key && this.spoil(n) === undefined);
  }

  private putSome(count: number): void {
    for (let n = 0; n < count; n++) {
      const number = this.put++;
      const eid = EIDS[number % EIDS.length];
      const point = { etype: 'ip', eid, attr: 'open_ports', v: [number], t1: T1 };
      this.queue.put({
        id: `task-${number}`,
        body: Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point] })),
      });
    }
  }

  private async execute({ etype, eid, key, dataPoints }: Task, id: string): Promise<TaskResult> {
    const number = Number(id.slice('task-'.length));
    const before = await this.recordOf(etype, eid, key);
    const [point] = dataPoints;
    if (point?.t1 == null || point.t2 === null) throw new Error('the task has no data-point');
    const v = this.spoil(number) ?? point.v;
    const row: HistoryRow = { attr: point.attr, t1: point.t1, t2: point.t2, v, c: point.c };
    const state = observed(before ?? stateOf(eid), [row]);
    this.records.put(key, { state });
    const body = Buffer.from(`derived-${number}`);
    const of = { id: '', key: 'ip:203.0.113.1', index: 1, priority: true, body };
    const derived = number % DERIVES === 0 ? [of] : [];
    return { outcome: 'applied', etype, eid, record: { state }, history: [row], raw: dataPoints, derived };
  }

  /** As the executor does: it waits for a store that does not answer. */
  private async recordOf(etype: string, eid: string, key: string) {
    const waiting = {};
    for (;;) {
      try {
        const { state } = await this.records.newest(etype, eid, key);
        this.troubles.goesOn(waiting);
        return state;
      } catch (error) {
        if (!(error instanceof ApplicationError) || error.follows !== 'retry') throw error;
        this.troubles.waits(waiting, error.message);
        await new Promise<void>((resolve) => this.clock.after(1_000, resolve));
      }
    }
  }

  private async close(): Promise<void> {
    clearInterval(this.timer);
    await this.queue.stop();
    await this.store.stop();
  }
}

function byId(one: Record<string, unknown>, other: Record<string, unknown>): number {
  return String(one['id']) < String(other['id']) ? -1 : 1;
}
