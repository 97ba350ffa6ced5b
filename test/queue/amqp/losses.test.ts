/** What a broker loses that it had confirmed is told, and nothing else is: real queues, workers and tables. */

import { expect, onTestFinished, test } from 'vitest';
import { Emissions } from '../../../lib/commit/emissions.js';
import type { TaskResult } from '../../../lib/model/record.js';
import type { OutgoingTask } from '../../../lib/model/task.js';
import { newStream, newTaskId, sequencedId, sequencedOf } from '../../../lib/model/task-id.js';
import { Pipeline } from '../../../lib/pipeline/pipeline.js';
import { floorOf } from '../../../lib/queue/amqp/floors.js';
import type { TaskReader, TaskWriter } from '../../../lib/queue/queue.js';
import { Placement } from '../../../lib/routing/placement.js';
import { systemClock } from '../../../lib/runtime/clock.js';
import { Deadline } from '../../../lib/runtime/deadline.js';
import { Periodic } from '../../../lib/runtime/periodic.js';
import { Troubles } from '../../../lib/runtime/troubles.js';
import { schemaOf } from '../../../lib/store/postgres/names.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { Records } from '../../../lib/store/records.js';
import type { StreamDesk } from '../../../lib/store/store.js';
import { LossSearch } from '../../../lib/upkeep/lost-tasks.js';
import type { TestDatabase } from '../../../services/postgres.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { AmqpBed, type AmqpBedOptions, APP } from '../../support/amqp-bed.js';
import { ELSEWHERE, HERE, NUM_PROCESSES } from '../../support/data-path.js';
import { capturingLogger, eventsLoggedTo } from '../../support/logger.js';
import { loadTestModel } from '../../support/model.js';
import { freshDatabase } from '../../support/postgres.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { RawQueue } from '../../support/raw-queue.js';

const SPEC = loadTestModel();
const QUEUE = `${APP}-worker-0`;
const LOST = 'tasks never arrived: they were lost between broker and worker';
const ARRIVED = 'tasks that were told as lost have arrived';

interface Given extends Partial<OutgoingTask> {
  /** The index that its key belongs to. */
  readonly home?: number;
  /** The position whose key it has. */
  readonly like?: number;
}

/** For a queue of index 0 where nothing else is said. */
function taskOf(stream: string, n: number, given: Given = {}): OutgoingTask {
  const { home = 0, like = n, ...task } = given;
  const eids = home === 0 ? HERE : ELSEWHERE;
  const eid = eids[like % eids.length] ?? '';
  const point = { etype: 'ip', eid, attr: 'hostname', v: 'a' };
  const body = Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point] }));
  return { id: sequencedId({ stream, n }), key: `ip:${eid}`, index: 0, priority: false, body, ...task };
}

function tasksOf(stream: string, from: number, to: number, given: Given = {}): OutgoingTask[] {
  return Array.from({ length: to - from + 1 }, (_, at) => taskOf(stream, from + at, given));
}

/** A worker without its process: all that lies between the broker and the tables. */
class TestWorker {
  readonly log = capturingLogger();
  readonly search: LossSearch;
  private readonly losses: Periodic;
  private looks = 0;
  private stopped = false;

  private constructor(
    private readonly pipeline: Pipeline,
    private readonly reader: TaskReader,
    private readonly store: PostgresStore,
    ownership: { readonly index: number; readonly epoch: number },
  ) {
    const streams: StreamDesk = {
      missing: (owned, sinceMs) => store.streams.missing(owned, sinceMs),
      lose: (owned, missing) => store.streams.lose(owned, missing),
      lost: (owned, known) => {
        this.looks++;
        return store.streams.lost(owned, known);
      },
    };
    const { log } = this;
    const events = eventsLoggedTo(log);
    this.search = new LossSearch({ ownership, streams, reader, intervalMs: 50, clock: systemClock, events, log });
    this.losses = new Periodic(this.search, systemClock);
  }

  /** `until`: tasks of the first address do not end before. */
  static async start({ bed, database }: Scene, index = 0, until?: Promise<void>): Promise<TestWorker> {
    const store = new PostgresStore({
      url: database.url,
      app: APP,
      numProcesses: NUM_PROCESSES,
      delivery: 'effectively-once',
      inboxRetentionMs: 60_000,
      redeliveryHorizon: async () => null,
    });
    await store.start();
    const ownership = await store.own(index);
    const reader = await bed.reader(index);
    const pipeline = new Pipeline({
      ownership,
      placement: new Placement(NUM_PROCESSES),
      delivery: 'effectively-once',
      spec: SPEC,
      backend: { reader, writer: await bed.writer(), store },
      records: new Records(store, { bytes: 100_000 }),
      execute: ({ etype, eid }) => {
        const result: TaskResult = { outcome: 'applied', etype, eid, history: [], raw: [], derived: [] };
        return until !== undefined && eid === HERE[1] ? until.then(() => result) : result;
      },
      limits: {
        threads: 8,
        normalEvery: 16,
        commit: { tasks: 64, bytes: 2 ** 20, ageMs: 5 },
        outboxBatch: 50,
        messageBytes: 10_000,
        future: { maxFutureMs: null, beyond: 'refuse' },
        maxAttempts: 3,
        maxRestarts: 5,
      },
      storeTroubles: new Troubles(),
      clock: systemClock,
      events: bed.events,
      emissions: new Emissions(),
      failed: () => {},
    });
    const worker = new TestWorker(pipeline, reader, store, ownership);
    onTestFinished(() => worker.stop());
    await pipeline.start();
    await worker.losses.start();
    return worker;
  }

  /** So often has it looked at least, since this was called. */
  async looked(times: number): Promise<void> {
    const until = this.looks + times;
    await expect.poll(() => this.looks, { timeout: 20_000 }).toBeGreaterThanOrEqual(until);
  }

  told(sentence: string): unknown[] {
    return this.log.lines.filter(({ message }) => message === sentence).map(({ fields }) => fields);
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    await this.losses.stop();
    await this.pipeline.commitFinished('the test ends');
    await this.reader.stop();
    await this.store.stop();
  }
}

interface Scene {
  readonly host: TestVirtualHost;
  readonly database: TestDatabase;
  readonly bed: AmqpBed;
  readonly writer: TaskWriter;
  /** Waits until so many tasks are in the inbox of an index. */
  committed(tasks: number, index?: number): Promise<void>;
  /** Waits until so many wait in a queue of index 0. */
  depth(messages: number, queue?: string): Promise<void>;
}

/** `policies`: of somebody who means well. */
async function sceneOf(
  broker: AmqpBedOptions['broker'] = {},
  policies: readonly { readonly pattern: string; readonly definition: object }[] = [],
): Promise<Scene> {
  const [host, database] = [await freshVirtualHost(), await freshDatabase()];
  for (const [n, policy] of policies.entries()) {
    await host.manage('PUT', `/policies/%v/site-${n}`, { ...policy, 'apply-to': 'queues', priority: 1 });
  }
  const bed = new AmqpBed({ address: host, numProcesses: NUM_PROCESSES, broker });
  onTestFinished(() => bed.close());
  const writer = await bed.writer();
  const poll = { timeout: 30_000, interval: 20 };
  return {
    host,
    database,
    bed,
    writer,
    async committed(tasks, index = 0) {
      const text = `select count(*)::int as n from ${schemaOf(APP)}.inbox where index = ${index}`;
      await expect.poll(async () => (await database.query(text))[0]?.['n'], poll).toBe(tasks);
    },
    async depth(messages, queue = QUEUE) {
      const seen = await RawQueue.of(host.url, queue);
      await expect.poll(() => seen.depth(), poll).toBe(messages);
    },
  };
}

test.for(['classic', 'quorum'] as const)(
  'tasks of a purged %s queue are told once, also by the next owner, until they arrive after all',
  async (queueType) => {
    const scene = await sceneOf({ queueType });
    const { host, bed, writer, committed, depth } = scene;
    const stream = newStream();
    const first = await TestWorker.start(scene);
    await writer.send(tasksOf(stream, 1, 20));
    await committed(20);
    await first.stop();
    await writer.send(tasksOf(stream, 21, 60));
    await depth(40);
    await host.manage('DELETE', `/queues/%v/${QUEUE}/contents`);
    await writer.send(tasksOf(stream, 61, 70));
    const second = await TestWorker.start(scene);
    await expect.poll(() => second.told(LOST), { timeout: 20_000 }).toHaveLength(1);
    const lost = { stream, tasks: 40, from: 21, to: 60 };
    expect(second.told(LOST)).toEqual([lost]);
    await second.looked(3);
    expect(second.search.known).toEqual([lost]);
    await second.stop();

    const third = await TestWorker.start(scene);
    await third.looked(3);
    expect(third.search.known).toEqual([lost]);
    // As a sender does whose confirmations were lost.
    const again = await bed.writer();
    await again.send(tasksOf(stream, 21, 30));
    await expect.poll(() => third.told(ARRIVED), { timeout: 20_000 }).toHaveLength(1);
    expect(third.told(ARRIVED)).toEqual([{ stream, tasks: 10 }]);
    expect(third.search.known).toEqual([{ stream, tasks: 30, from: 31, to: 60 }]);
    await again.send(tasksOf(stream, 31, 60));
    await expect.poll(() => third.search.known, { timeout: 20_000 }).toEqual([]);
    await committed(70);
    expect([first, third].flatMap((worker) => worker.told(LOST))).toEqual([]);
  },
);

test('tasks that a message-ttl or drop-head lets go are told, from the first to the last that is gone', async () => {
  const scene = await sceneOf({}, [
    { pattern: `^${QUEUE}$`, definition: { 'message-ttl': 300 } },
    { pattern: `^${QUEUE}-pri$`, definition: { 'max-length': 3, overflow: 'drop-head' } },
  ]);
  const { writer, committed, depth } = scene;
  const [aged, dropped] = [newStream(), newStream()];
  const priority = { priority: true };
  const before = await TestWorker.start(scene);
  for (const task of [...tasksOf(aged, 1, 5), ...tasksOf(dropped, 1, 5, priority)]) await writer.send([task]);
  await committed(10);
  await before.stop();
  await writer.send([...tasksOf(aged, 6, 9), ...tasksOf(dropped, 6, 25, priority)]);
  await depth(0);
  await depth(3, `${QUEUE}-pri`);
  const worker = await TestWorker.start(scene);
  await committed(13);
  for (const task of [taskOf(aged, 10), taskOf(dropped, 26, priority)]) await writer.send([task]);
  await expect.poll(() => worker.search.known.length, { timeout: 20_000 }).toBe(2);
  expect(worker.search.known).toEqual(
    expect.arrayContaining([
      { stream: aged, tasks: 4, from: 6, to: 9 },
      { stream: dropped, tasks: 17, from: 6, to: 22 },
    ]),
  );
});

test('nothing is told of a sender that was killed inside a block and sends it again', async () => {
  const scene = await sceneOf();
  const { bed, writer, committed } = scene;
  const stream = newStream();
  const worker = await TestWorker.start(scene);
  await writer.send(tasksOf(stream, 1, 10));
  const killed = await bed.writer();
  // Of some nobody knows whether they are in the queue when it ends.
  const tasks = tasksOf(stream, 11, 40);
  const sending = killed.send(tasks).catch(() => {});
  await killed.stop(Deadline.in(0, systemClock));
  await sending;
  await worker.looked(3);
  const successor = await bed.writer();
  await successor.send(tasks);
  await successor.send(tasksOf(stream, 41, 50));
  await committed(50);
  await worker.looked(4);
  expect(worker.told(LOST)).toEqual([]);
});

test('nothing is told of a task that takes long, also where the next owner has not got it yet', async () => {
  const scene = await sceneOf();
  const { writer, committed } = scene;
  const stream = newStream();
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const first = await TestWorker.start(scene, 0, ended);
  // The second one is behind the first one of its key.
  await writer.send([...tasksOf(stream, 1, 9), taskOf(stream, 10, { like: 1 }), ...tasksOf(stream, 11, 20)]);
  await writer.send(tasksOf(stream, 21, 22));
  await committed(20);
  await first.looked(3);
  await first.stop();
  const second = await TestWorker.start(scene, 0, ended);
  await second.looked(4);
  end();
  await committed(22);
  await second.looked(4);
  expect([first, second].flatMap((worker) => worker.told(LOST))).toEqual([]);
});

test('a floor covers nothing that a full queue has rejected, whatever it takes meanwhile', async () => {
  const { host, writer } = await sceneOf({ maxLength: 5 });
  const stream = newStream();
  const tasks = tasksOf(stream, 1, 300);
  const queue = await (await RawQueue.of(host.url, QUEUE)).consume({ prefetch: 5, pauseMs: 1 });
  let rejected = false;
  writer.onObstacle((obstacle) => {
    rejected ||= obstacle?.kind === 'full';
  });
  await writer.send(tasks);
  await queue.all(tasks.map(({ id }) => id));
  expect(rejected).toBe(true);
  const arrived = new Set<number>();
  let highest = 0;
  for (const { messageId, correlationId } of queue.messages.map(({ properties }) => properties)) {
    highest = Math.max(highest, floorOf(correlationId) ?? 0);
    for (let n = 1; n < highest; n++) expect(arrived.has(n), `${n} below ${highest}`).toBe(true);
    arrived.add(sequencedOf(messageId)?.n ?? 0);
  }
  expect(highest).toBeGreaterThan(1);
});

test('nothing is told of tasks that are forwarded to another index, at either of them', async () => {
  const scene = await sceneOf();
  const { writer, committed } = scene;
  const stream = newStream();
  const workers = [await TestWorker.start(scene, 0), await TestWorker.start(scene, 1)];
  // As when a sender still has another number of processes.
  const home = (n: number) => Number(n % 3 === 0);
  const tasks = Array.from({ length: 60 }, (_, at) => taskOf(stream, at + 1, { home: home(at) }));
  for (let at = 0; at < tasks.length; at += 10) await writer.send(tasks.slice(at, at + 10));
  await committed(60);
  await committed(20, 1);
  for (const worker of workers) await worker.looked(4);
  expect(workers.flatMap((worker) => worker.told(LOST))).toEqual([]);
  // They travelled without a word about their stream; their own one would be told of.
  const rows = await scene.database.query(`select index, done::text from ${schemaOf(APP)}.streams`);
  expect(rows).toEqual([{ index: 0, done: '{[1,61)}' }]);
});

test('nothing is told of a stream that nobody numbers', async () => {
  const scene = await sceneOf();
  const stream = newStream();
  const worker = await TestWorker.start(scene);
  await scene.writer.send(tasksOf(stream, 1, 5).map((task) => ({ ...task, id: newTaskId() })));
  await scene.committed(5);
  await worker.looked(3);
  expect(worker.told(LOST)).toEqual([]);
  expect(await scene.database.query(`select stream from ${schemaOf(APP)}.streams`)).toEqual([]);
});
