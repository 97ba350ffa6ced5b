/**
 * How fast the embedded queue is, against a bare LMDB loop with the same duties: read the queue, put a record, put a raw data-point,
 * remove, one transaction for 256. Prints figures; asserts nothing.
 *
 *     npm run build && node dist/bench/queue.js [tasks]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../lib/embedded/env.js';
import { openFolder } from '../lib/embedded/folder.js';
import { BINARY, type Database, openLmdb } from '../lib/embedded/lmdb.js';
import { joinAsIndex, joinAsProducer, type Participant } from '../lib/embedded/participant.js';
import type { Delivery } from '../lib/model/delivery.js';
import type { OutgoingTask } from '../lib/model/task.js';
import { EmbeddedReader } from '../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../lib/queue/embedded/writer.js';

const BATCH = 256;
const KEYS = 1_000;
const ROUNDS = 3;
const RECORD = Buffer.alloc(280, 'r');
const TASK = Buffer.from(
  JSON.stringify({
    etype: 'ip',
    eid: '192.0.2.1',
    data_points: [
      {
        etype: 'ip',
        eid: '192.0.2.1',
        attr: 'open_ports',
        v: [22, 80, 443, 8080],
        t1: '2026-11-24T15:25:31.000000Z',
        c: 1,
      },
    ],
  }).padEnd(300),
);

const tasks = Number(process.argv[2] ?? 100_000);

/** Tasks a second. */
function rate(count: number, startedAt: number): number {
  return Math.round((count / (performance.now() - startedAt)) * 1000);
}

function key(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(n);
  return bytes;
}

/** The reference: nothing but LMDB. */
async function bare(folder: string): Promise<{ enqueue: number; consume: number }> {
  const root = openLmdb(join(folder, 'bare'), 'write')!;
  const open = (name: string): Database<Buffer, Buffer> => root.openDB({ name, ...BINARY });
  const [queue, records, raw] = [open('queue'), open('records'), open('raw')];
  let startedAt = performance.now();
  for (let n = 0; n < tasks; n += BATCH) {
    root.transactionSync(() => {
      for (let i = n; i < Math.min(n + BATCH, tasks); i++) queue.putSync(key(i), TASK);
    });
  }
  const enqueue = rate(tasks, startedAt);
  startedAt = performance.now();
  for (let n = 0; n < tasks; ) {
    const batch = [...queue.getRange({ start: key(n), limit: BATCH })];
    root.transactionSync(() => {
      for (const row of batch) {
        records.putSync(key(n % KEYS), RECORD);
        raw.putSync(key(n), row.value);
        queue.removeSync(row.key);
        n++;
      }
    });
  }
  const consume = rate(tasks, startedAt);
  await root.close();
  return { enqueue, consume };
}

/** Reader and settling alone, or with the record and the raw row that the bare loop puts too. */
async function consumeAll(participant: Participant, withRows: boolean): Promise<number> {
  const { environment } = participant;
  const records = environment.table<Buffer, Buffer>('records', BINARY);
  const raw = environment.table<Buffer, Buffer>('raw', BINARY);
  environment.claim();
  const reader = new EmbeddedReader(participant, {
    index: 0,
    limits: {
      tasks: 4_096,
      bytes: 64 * 2 ** 20,
      normalEvery: 16,
    },
  });
  await reader.start();
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    let done = 0;
    let batch: Delivery[] = [];
    const commit = () => {
      const committed = batch;
      batch = [];
      environment.transaction(() => settle(committed, records, withRows ? raw : null, done));
      done += committed.length;
      if (done === tasks) resolve();
    };
    void reader.consume({
      onDelivery: (delivery) => {
        batch.push(delivery);
        if (batch.length === BATCH || done + batch.length === tasks) commit();
      },
      onLost: async () => {},
      onRestored: () => {},
    });
  });
  const perSecond = rate(tasks, startedAt);
  await reader.stop();
  return perSecond;
}

function settle(
  batch: Delivery[],
  records: Database<Buffer, Buffer>,
  raw: Database<Buffer, Buffer> | null,
  done: number,
) {
  batch.forEach((delivery, i) => {
    if (raw !== null) {
      records.putSync(key((done + i) % KEYS), RECORD);
      raw.putSync(key(done + i), delivery.body);
    }
    delivery.settle();
  });
}

async function product(path: string, withRows: boolean): Promise<{ enqueue: number; consume: number }> {
  const folder = openFolder(path, { numProcesses: 1, delivery: 'effectively-once' });
  const producer = await joinAsProducer(folder);
  const writer = new EmbeddedWriter(producer, { maxLength: 2 * tasks });
  await writer.start();
  const startedAt = performance.now();
  for (let n = 0; n < tasks; n += BATCH) {
    const batch: OutgoingTask[] = [];
    for (let i = n; i < Math.min(n + BATCH, tasks); i++) {
      batch.push({ id: `0123456789abcdef0123-${i}`, key: `ip:${i % KEYS}`, index: 0, priority: false, body: TASK });
    }
    await writer.send(batch);
  }
  const enqueue = rate(tasks, startedAt);
  const participant = await joinAsIndex(folder, 0);
  const consume = await consumeAll(participant, withRows);
  await writer.stop();
  await participant.leave();
  await producer.leave();
  return { enqueue, consume };
}

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-bench-'));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Cost of noting which task runs, in microseconds a task. */
async function slots(environment: Environment, participant: Participant): Promise<number> {
  const reader = new EmbeddedReader(participant, {
    index: 0,
    limits: {
      tasks: 1,
      bytes: 2 ** 20,
      normalEvery: 16,
    },
  });
  const writer = new EmbeddedWriter(participant, { maxLength: 10 });
  environment.claim();
  await reader.start();
  await writer.start();
  const delivery = new Promise<Delivery>((resolve) => {
    void reader.consume({ onDelivery: resolve, onLost: async () => {}, onRestored: () => {} });
  });
  await writer.send([{ id: 'a', key: 'ip:1', index: 0, priority: false, body: TASK }]);
  const one = await delivery;
  const startedAt = performance.now();
  for (let i = 0; i < 100_000; i++) {
    one.started();
    one.ended();
  }
  const each = (performance.now() - startedAt) / 100;
  await reader.stop();
  await writer.stop();
  return each;
}

for (let round = 0; round < ROUNDS; round++) {
  const reference = await inFolder(bare);
  const alone = await inFolder((folder) => product(folder, false));
  const rows = await inFolder((folder) => product(folder, true));
  const ratio = (rows.consume / reference.consume).toFixed(2);
  process.stdout.write(
    `bare LMDB: enqueue ${reference.enqueue}/s, consume ${reference.consume}/s; embedded queue: enqueue ${rows.enqueue}/s, ` +
      `read and settle ${alone.consume}/s, with record and raw ${rows.consume}/s (${ratio} of bare)\n`,
  );
}
const each = await inFolder(async (path) => {
  const participant = await joinAsIndex(openFolder(path, { numProcesses: 1, delivery: 'effectively-once' }), 0);
  const cost = await slots(participant.environment, participant);
  await participant.leave();
  return cost;
});
process.stdout.write(`noting the start and end of a task: ${each.toFixed(2)} us\n`);
