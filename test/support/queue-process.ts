/**
 * A process of its own on a data folder, for tests that kill or stop it. What it does stands in its first argument:
 *
 *     worker    owns an index, checks every task and settles it in the transaction that notes it; derives tasks for the other index
 *     producer  sends a numbered stream of tasks and notes how far it was acknowledged, so that its successor repeats the rest
 *     stopped   owns an index, or a producer's environment, and stops itself (SIGSTOP) inside a transaction
 *     holder    opens a snapshot of an environment and keeps it
 *     filler    writes until the disk is full, then goes on with less
 *     participant    joins, sends, consumes and leaves as it is ordered
 *
 * It tells its parent what happened by messages, which the parent waits for.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Environment } from '../../lib/embedded/env.js';
import { openFolder } from '../../lib/embedded/folder.js';
import { BINARY, type Database, openLmdb } from '../../lib/embedded/lmdb.js';
import { joinAsIndex, joinAsProducer, type Participant } from '../../lib/embedded/participant.js';
import type { Delivery } from '../../lib/model/delivery.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import type { TaskReader, TaskWriter } from '../../lib/queue/queue.js';
import {
  DERIVE_EVERY,
  FOLDER,
  type Order,
  type StreamTask,
  streamTask,
  TABLES,
  TEXT,
  type Told,
} from './queue-stream.js';

/** Small, so that the environments outgrow what they reserve while others read them. */
const OPTIONS = { mapSizeBytes: 2 ** 20, readerCheckIntervalMs: 100 };
const SEND_BATCH = 20;
const COMMIT_BATCH = 32;
const MAX_LENGTH = 300;

function tell(message: Told): void {
  process.send?.(message);
}

interface WorkerTables {
  readonly done: Database<string, string>;
  readonly last: Database<string, string>;
  readonly wrong: Database<string, string>;
}

async function worker(path: string, index: number): Promise<void> {
  const participant = await joinAsIndex(openFolder(path, FOLDER), index, OPTIONS);
  const { environment } = participant;
  const tables: WorkerTables = {
    done: environment.table(TABLES.done, TEXT),
    last: environment.table(TABLES.last, TEXT),
    wrong: environment.table(TABLES.wrong, TEXT),
  };
  environment.claim();
  const reader = new EmbeddedReader(participant, {
    index,
    limits: {
      tasks: 200,
      bytes: 2 ** 20,
      normalEvery: 16,
    },
  });
  await reader.start();
  let open: Delivery[] = [];
  let scheduled = false;
  const commit = () => {
    scheduled = false;
    const batch = open;
    open = [];
    environment.transaction(() => {
      for (const delivery of batch) work(participant, index, delivery, tables);
    });
    tellDone(tables);
  };
  tell({ told: 'ready' });
  await reader.consume({
    onDelivery(delivery) {
      delivery.started();
      delivery.ended();
      open.push(delivery);
      if (open.length >= COMMIT_BATCH) commit();
      else if (!scheduled) {
        scheduled = true;
        setImmediate(() => open.length > 0 && commit());
      }
    },
    onLost: async () => {},
    onRestored: () => {},
  });
  tellDone(tables);
}

function tellDone({ done, wrong }: WorkerTables): void {
  tell({
    told: 'done',
    total: done.getKeysCount(),
    wrong: [...wrong.getRange({})].map(({ key, value }) => `${key} ${value}`),
  });
}

/** Inside the transaction: the inbox check, the order check, the derived task. */
function work(participant: Participant, index: number, delivery: Delivery, { done, last, wrong }: WorkerTables): void {
  delivery.settle();
  if (done.get(delivery.id) !== undefined) {
    if (delivery.deduplicated) wrong.putSync(`twice ${delivery.id}`, '');
    return;
  }
  done.putSync(delivery.id, '');
  const { key, n, derived } = JSON.parse(delivery.body.toString()) as StreamTask;
  const before = Number(last.get(key) ?? -1);
  if (n !== before + 1) wrong.putSync(`order ${delivery.id}`, `${before} before ${n}`);
  last.putSync(key, String(n));
  if (derived || n % DERIVE_EVERY !== 0) return;
  const child: StreamTask = { key: `derived ${key}`, n: n / DERIVE_EVERY, derived: true };
  const body = Buffer.from(JSON.stringify(child));
  participant.outbox.enqueue(
    [{ id: `${delivery.id}/derived`, key: child.key, index: 1 - index, priority: true, body }],
    true,
  );
}

async function producer(path: string, stream: string, count: number): Promise<void> {
  const participant = await joinAsProducer(openFolder(path, FOLDER), OPTIONS);
  const writer = new EmbeddedWriter(participant, { maxLength: MAX_LENGTH });
  await writer.start();
  tell({ told: 'ready' });
  const note = join(path, `acknowledged-${stream}`);
  const first = existsSync(note) ? Number(readFileSync(note, 'utf8')) : 0;
  for (let n = first; n < count; n += SEND_BATCH) {
    const tasks = Array.from({ length: Math.min(SEND_BATCH, count - n) }, (_, i) => streamTask(stream, n + i));
    await writer.send(tasks);
    writeFileSync(note, String(n + tasks.length));
  }
  tell({ told: 'sent' });
  await writer.stop();
  await participant.leave();
}

async function stopped(path: string, who: string): Promise<void> {
  const folder = openFolder(path, FOLDER);
  const { environment } = await (who === 'producer' ? joinAsProducer(folder) : joinAsIndex(folder, Number(who)));
  if (environment.epoch === 0) environment.claim();
  tell({ told: 'ready' });
  environment.transaction(() => process.kill(process.pid, 'SIGSTOP'));
}

function holder(environmentPath: string): void {
  const root = openLmdb(environmentPath, 'read', OPTIONS)!;
  root.useReadTransaction();
  root.openDB({ name: 'rows', ...BINARY });
  root.useReadTransaction();
  tell({ told: 'ready' });
  setInterval(() => root.readerList(), 1_000);
}

async function filler(path: string): Promise<void> {
  const environment = new Environment(openFolder(path, FOLDER), 'index-0');
  await environment.start();
  environment.claim();
  const rows = environment.table<Buffer, Buffer>('rows', BINARY);
  const fill = (n: number) =>
    environment.transaction(() => rows.putSync(Buffer.from(`row ${n}`), Buffer.alloc(200_000, n)));
  let n = 0;
  try {
    for (; n < 1_000; n++) fill(n);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const whole = [...Array(n).keys()].every((i) =>
      rows.get(Buffer.from(`row ${i}`))?.equals(Buffer.alloc(200_000, i)),
    );
    environment.transaction(() => rows.removeSync(Buffer.from('row 0')));
    environment.transaction(() => rows.putSync(Buffer.from('small'), Buffer.from('x')));
    const rest = `rows ${whole ? 'whole' : 'lost'}, failed row ${rows.get(Buffer.from(`row ${n}`)) === undefined ? 'absent' : 'there'}`;
    tell({ told: 'failed', code, rest });
  }
  await environment.stop();
}

/** Index 0 is the one that consumes. */
async function participant(): Promise<void> {
  const { now } = Date;
  let shiftMs = 0;
  Date.now = () => now() + shiftMs;
  let writer: TaskWriter | null = null;
  let leave = async () => {};
  const obey = async (order: Order): Promise<void> => {
    if (order.order === 'shift-clock') shiftMs = order.ms;
    else if (order.order === 'leave') await leave();
    else if (order.order === 'send') {
      await writer?.send([{ id: order.id, key: 'key', index: 0, priority: false, body: Buffer.from(order.id) }]);
    } else {
      const folder = openFolder(order.path, FOLDER);
      const joined = await (order.order === 'join' ? joinAsProducer(folder) : joinAsIndex(folder, 0));
      const limits = { tasks: 100, bytes: 2 ** 20, normalEvery: 16 };
      const reader = order.order === 'join' ? null : new EmbeddedReader(joined, { index: 0, limits });
      writer = reader === null ? new EmbeddedWriter(joined, { maxLength: MAX_LENGTH }) : null;
      if (reader !== null) await consume(joined, reader);
      await writer?.start();
      leave = async () => {
        await (reader ?? writer)?.stop();
        await joined.leave();
        leave = async () => {};
      };
    }
  };
  let number = 0;
  process.on('message', async (order: Order) => {
    await obey(order);
    tell({ told: 'obeyed', number: number++ });
  });
  tell({ told: 'ready' });
}

async function consume({ environment }: Participant, reader: TaskReader): Promise<void> {
  environment.claim();
  await reader.start();
  await reader.consume({
    onDelivery(delivery) {
      delivery.settle();
      tell({ told: 'got', id: delivery.id });
    },
    onLost: async () => {},
    onRestored: () => {},
  });
}

const [role = '', path = '', name = '', count = ''] = process.argv.slice(2);
if (role === 'worker') await worker(path, Number(name));
else if (role === 'producer') await producer(path, name, Number(count));
else if (role === 'stopped') await stopped(path, name);
else if (role === 'holder') holder(path);
else if (role === 'filler') await filler(path);
else if (role === 'participant') await participant();
