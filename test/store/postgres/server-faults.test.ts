/**
 * Faults of a whole server, on a cluster of our own, under a stream of tasks through the real data path (queue and hooks are in memory):
 * afterwards the tables hold what a run without faults leaves, row by row.
 *
 * A disk that is full: the file of an empty table is replaced by /dev/full, so that the kernel itself answers its writes with "no space
 * left". A store that is away for long: time passes sixty times as fast for the data path, so three minutes of it take three seconds.
 */
import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { HistoryRow, TaskResult } from '../../../lib/model/record.js';
import type { OutgoingTask, Task } from '../../../lib/model/task.js';
import { createEvents } from '../../../lib/observability/events.js';
import { type Clock, systemClock } from '../../../lib/runtime/clock.js';
import { ApplicationError } from '../../../lib/runtime/errors.js';
import { schemaOf } from '../../../lib/store/postgres/names.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { Records } from '../../../lib/store/records.js';
import { Pipeline } from '../../../lib/worker/pipeline.js';
import { type PrivatePostgres, startPrivatePostgres, type TestDatabase } from '../../../services/postgres.js';
import { HERE, NUM_PROCESSES } from '../../support/data-path.js';
import { capturingLogger } from '../../support/logger.js';
import { MemoryQueue } from '../../support/memory-queue.js';
import { loadTestModel } from '../../support/model.js';
import { observed, stateOf } from '../../support/results.js';

const APP = 'faults';
const SCHEMA = schemaOf(APP);
const EIDS = HERE.slice(0, 20);
const SPEC = loadTestModel();
const T1 = '2026-01-01T00:00:00.000000Z';
/** Every so many tasks derive one. */
const DERIVES = 5;
const PUT_EVERY_MS = 4;
/** Few records fit: they are read from the store all the time. */
const FEW_BYTES = 8_000;
/** All fit: there is always a result that waits for its commit. */
const MANY_BYTES = 2 ** 20;

let server: PrivatePostgres;
beforeAll(async () => {
  server = await startPrivatePostgres();
});
afterAll(() => server.stop());

/** Time that passes `factor` times as fast. */
function fastClock(factor: number): Clock {
  return {
    now: systemClock.now,
    monotonic: () => systemClock.monotonic() * factor,
    after: (delayMs, run, keepAlive) => systemClock.after(delayMs / factor, run, keepAlive),
  };
}

/** Tasks of 20 entities, one after another, each a row of history and a raw data-point; a worker's data path works them off. */
class Stream {
  readonly queue = new MemoryQueue(300);
  readonly log = capturingLogger('warn');
  readonly events = createEvents();
  readonly failures: unknown[] = [];
  readonly sent: OutgoingTask[] = [];
  readonly store: PostgresStore;
  readonly paused: string[] = [];
  private readonly records: Records;
  private put = 0;
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    readonly database: TestDatabase,
    private readonly clock: Clock,
    cacheBytes: number,
  ) {
    this.store = new PostgresStore({
      url: database.url,
      app: APP,
      numProcesses: NUM_PROCESSES,
      delivery: 'effectively-once',
      inboxRetentionMs: 3_600_000,
      settledBefore: async () => null,
      clock,
    });
    this.records = new Records(this.store, { bytes: cacheBytes });
    this.events.on('reader-paused', ({ why }) => this.paused.push(why));
  }

  static async open(factor = 20, cacheBytes = FEW_BYTES): Promise<Stream> {
    const stream = new Stream(await server.database(), fastClock(factor), cacheBytes);
    onTestFinished(() => stream.close());
    await stream.store.start();
    return stream;
  }

  async run(): Promise<void> {
    const { store, records, queue, clock, events, log } = this;
    const pipeline = new Pipeline({
      ownership: await store.own(0),
      numProcesses: NUM_PROCESSES,
      delivery: 'effectively-once',
      spec: SPEC,
      reader: queue,
      writer: {
        name: 'memory writer',
        start: async () => {},
        stop: async () => {},
        onBlocked: () => {},
        send: async (tasks) => void this.sent.push(...tasks),
      },
      store,
      records,
      execute: (task, { id }) => this.execute(task, id),
      limits: {
        threads: 8,
        normalEvery: 16,
        commit: { tasks: 64, bytes: 2 ** 20, ageMs: 50 },
        outboxBatch: 50,
        messageBytes: 10_000,
        maxAttempts: 3,
        maxRestarts: 5,
      },
      clock,
      events,
      log,
      failed: (reason) => this.failures.push(reason),
    });
    await pipeline.start();
    this.timer = setInterval(() => this.putSome(5), PUT_EVERY_MS);
  }

  /** How many tasks are settled. */
  get settled(): number {
    return this.queue.settledMessages;
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
    expect([await this.count('inbox'), await this.count('quarantine')]).toEqual([this.put, 0]);
    const derived = Array.from({ length: this.put }, (_, n) => n).filter((n) => n % DERIVES === 0);
    expect([...new Set(this.sent.map(({ id }) => id))].sort()).toEqual(derived.map((n) => `derived-${n}`).sort());
  }

  async count(table: string): Promise<number> {
    const [row] = await this.database.query(`select count(*)::int as rows from ${SCHEMA}.${table}`);
    return Number(row?.['rows']);
  }

  private tasksOf(key: number): number[] {
    return Array.from({ length: this.put }, (_, n) => n).filter((n) => n % EIDS.length === key);
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
    const row: HistoryRow = { attr: point.attr, t1: point.t1, t2: point.t2, v: point.v, c: point.c };
    const state = observed(before ?? stateOf(eid), [row]);
    this.records.put(key, { state });
    const of = { id: `derived-${number}`, key: 'ip:203.0.113.1', index: 1, priority: true, body: Buffer.from('{}') };
    const derived = number % DERIVES === 0 ? [of] : [];
    return { outcome: 'applied', etype, eid, record: { state }, history: [row], raw: dataPoints, derived };
  }

  /** As the executor does: it waits for a store that does not answer. */
  private async recordOf(etype: string, eid: string, key: string) {
    for (;;) {
      try {
        return (await this.records.newest(etype, eid, key)).state;
      } catch (error) {
        if (!(error instanceof ApplicationError) || error.follows !== 'retry') throw error;
        await new Promise<void>((resolve) => this.clock.after(1_000, resolve));
      }
    }
  }

  private async close(): Promise<void> {
    clearInterval(this.timer);
    await this.queue.stop();
    await this.store.stop();
    await server.resume();
    await this.database.drop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test.each(['immediate', 'fast'] as const)(
  'loses and doubles nothing while the server is restarted under load (%s)',
  async (how) => {
    const stream = await Stream.open();
    await stream.run();
    for (let restarts = 0; restarts < 4; restarts++) {
      const before = stream.settled;
      await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(before + 100);
      await server.restart(how);
    }
    await stream.end();
  },
);

test('waits for a store that is away for three minutes, gives its deliveries back meanwhile, and goes on by itself', async () => {
  const stream = await Stream.open(60, MANY_BYTES);
  await stream.run();
  await expect.poll(() => stream.settled).toBeGreaterThan(100);
  await server.halt('immediate');
  await pause(500);
  const before = stream.settled;
  await pause(2_500);
  expect(stream.settled).toBe(before);
  expect(stream.paused).toEqual([expect.stringContaining('store')]);
  await server.resume();
  await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(before + 100);
  await stream.end();
});

test('stores nothing and settles nothing while the disk is full, and goes on once there is room', async () => {
  const stream = await Stream.open();
  const [row] = await stream.database.query(
    `select pg_relation_filepath(inhrelid) as path from pg_inherits where inhparent = '${SCHEMA}.raw'::regclass order by inhrelid::regclass::text limit 1`,
  );
  const file = join(server.folder, 'data', String(row?.['path']));
  await server.halt('fast');
  renameSync(file, `${file}.kept`);
  symlinkSync('/dev/full', file);
  await server.resume();
  await stream.run();
  const told = await stream.log.line('commit');
  expect(JSON.stringify(told.fields)).toContain('53100');
  await pause(300);
  expect(stream.settled).toBe(0);
  for (const table of ['records', 'history', 'inbox', 'outbox']) expect(await stream.count(table)).toBe(0);
  await server.halt('fast');
  rmSync(file);
  renameSync(`${file}.kept`, file);
  await server.resume();
  await expect.poll(() => stream.settled, { timeout: 30_000 }).toBeGreaterThan(100);
  await stream.end();
});
