/** What the embedded queue does beyond the contract of queues: outboxes, cursors, transactions, attempts. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NORMAL } from '../../lib/embedded/chunk.js';
import { CURSORS_TABLE } from '../../lib/embedded/cursors.js';
import type { ReadableEnvironment } from '../../lib/embedded/env.js';
import { BINARY, type Key, type TableOptions } from '../../lib/embedded/lmdb.js';
import { OUTBOX_TABLE } from '../../lib/embedded/outbox.js';
import { joinAsIndex, type Participant } from '../../lib/embedded/participant.js';
import type { Delivery } from '../../lib/model/delivery.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { OutboxReader } from '../../lib/queue/embedded/outbox-reader.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import type { TaskReader } from '../../lib/queue/queue.js';
import { manualClock } from '../support/clock.js';
import { dataFolder, type TestFolder } from '../support/data-folder.js';

const MAX_LENGTH = 100;
/** Of the looks into an outbox the first that asks for tasks: two others ask where it ends. */
const LOOK_OF_THE_QUEUE = 3;

function task(id: string, index = 0, priority = false): OutgoingTask {
  return { id, key: `ip:${id}`, index, priority, body: Buffer.from(id) };
}

async function writerOf(folder: TestFolder, participant: Participant) {
  return folder.run(new EmbeddedWriter(participant, { maxLength: MAX_LENGTH }));
}

/** An owned index that consumes; `take` waits for so many deliveries. */
async function consumer(folder: TestFolder, index: number, participant?: Participant) {
  const joined = participant ?? (await folder.index(index));
  if (joined.environment.epoch === 0) joined.environment.claim();
  const reader = await folder.run(
    new EmbeddedReader(joined, {
      index,
      limits: {
        tasks: 100,
        bytes: 2 ** 20,
        normalEvery: 16,
      },
    }),
  );
  return { participant: joined, reader, take: await consume(reader) };
}

async function consume(reader: TaskReader): Promise<(count: number) => Promise<Delivery[]>> {
  const got: Delivery[] = [];
  let wake = () => {};
  const onDelivery = (delivery: Delivery) => {
    got.push(delivery);
    wake();
  };
  await reader.consume({ onDelivery, onLost: async () => {}, onRestored: () => {} });
  return async (count) => {
    while (got.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return got.splice(0, count);
  };
}

function commit(participant: Participant, deliveries: readonly Delivery[]): void {
  participant.environment.transaction(() => {
    for (const delivery of deliveries) delivery.settle();
  });
}

function ids(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ id }) => id);
}

function rowsOf(participant: Participant): number {
  const rows = participant.environment.table<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
  participant.environment.refresh();
  return rows.getKeysCount({});
}

it('hands out what was sent first, over all outboxes', async () => {
  const folder = dataFolder();
  const clock = manualClock();
  const writers = [];
  for (let i = 0; i < 3; i++) writers.push(await writerOf(folder, await folder.producer({ clock })));
  for (const [who, id] of [2, 0, 1, 0, 2].entries()) {
    await writers[id]!.send([task(`${who}`)]);
    clock.pass(1);
  }
  const { take } = await consumer(folder, 0);
  expect(ids(await take(5))).toEqual(['0', '1', '2', '3', '4']);
});

it('looks again at outboxes that had nothing, before it hands out what came later in another one', async () => {
  const folder = dataFolder();
  const [first, second] = [await folder.producer(), await folder.producer()];
  const receiver = await folder.index(0);
  const { peers } = receiver;
  const { look } = peers;
  const send = ({ environment, outbox }: Participant, id: string) =>
    environment.transaction(() => outbox.enqueue([task(id)], false));
  // Both send right after it was seen that the first one had sent nothing.
  let looks = 0;
  peers.look = (name, read) => {
    const found = look.call(peers, name, read) as ReturnType<typeof read> | null;
    if (name === first.environment.name && ++looks === LOOK_OF_THE_QUEUE) {
      send(first, 'earlier');
      send(second, 'later');
    }
    return found;
  };
  const { take } = await consumer(folder, 0, receiver);
  expect(ids(await take(2))).toEqual(['earlier', 'later']);
});

it('goes on with the others while an outbox holds a row that is not whole', async () => {
  const folder = dataFolder();
  const [bad, good] = [await folder.producer(), await folder.producer()];
  await (await writerOf(folder, bad)).send([task('bad')]);
  const rows = bad.environment.table<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
  const [whole] = rows.getRange({});
  bad.environment.transaction(() => rows.putSync(whole!.key, whole!.value.subarray(0, -1)));
  await (await writerOf(folder, good)).send([task('good')]);
  const clock = manualClock();
  const { reader, take } = await consumer(folder, 0, await folder.index(0, { clock }));
  expect(ids(await take(1))).toEqual(['good']);
  clock.pass(2_000);
  expect(await reader.depth()).toEqual({ normal: 2, priority: 0 });
  await expect.poll(() => reader.skipped).toEqual([expect.stringContaining('is not whole')]);
  bad.environment.transaction(() => rows.putSync(whole!.key, whole!.value));
  clock.pass(60_000);
  expect(ids(await take(1))).toEqual(['bad']);
});

it('keeps tasks for an index that has never run', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send([task('early', 2)]);
  const { take } = await consumer(folder, 2);
  expect(ids(await take(1))).toEqual(['early']);
});

it('takes nothing for finished in an outbox that is made while it looks', async () => {
  const folder = dataFolder();
  const receiver = await folder.index(0);
  receiver.environment.claim();
  receiver.environment.table(CURSORS_TABLE, BINARY);
  const { environment, outbox } = await folder.producer();
  const tasks = ['a', 'b', 'c'].map((id) => task(id));
  let looks = 0;
  // The table is missing when it is asked for, and made and filled right after.
  const seen: ReadableEnvironment = {
    name: environment.name,
    id: environment.id,
    refresh: () => environment.refresh(),
    readTable<V, K extends Key>(name: string, options: TableOptions) {
      if (name !== OUTBOX_TABLE || looks++ > 0) return environment.readTable<V, K>(name, options);
      environment.transaction(() => outbox.enqueue(tasks, false));
      return null;
    },
  };
  const { name, id } = environment;
  const source = new OutboxReader(receiver.environment, { name, id, look: (read) => read(seen) }, 0, NORMAL, 100);
  expect([source.read(), source.take(), source.changed]).toEqual([false, null, false]);
  expect(source.read()).toBe(true);
  expect([source.take(), source.take(), source.take(), source.take()].map((each) => each?.id)).toEqual([
    'a',
    'b',
    'c',
    undefined,
  ]);
});

it('delivers what a worker derives, for itself and for others, as once, when its transaction is committed', async () => {
  const folder = dataFolder();
  const [own, other] = [await consumer(folder, 0), await consumer(folder, 1)];
  const { environment, outbox } = own.participant;
  expect(() => outbox.enqueue([task('outside')], true)).toThrow('inside a transaction');
  const failing = () =>
    environment.transaction(() => {
      outbox.enqueue([task('never', 0, true), task('nor this', 1, true)], true);
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  environment.transaction(() => outbox.enqueue([task('mine', 0, true), task('theirs', 1, true)], true));
  expect((await own.take(1)).map(({ id, deduplicated, priority }) => [id, deduplicated, priority])).toEqual([
    ['mine', true, true],
  ]);
  expect((await other.take(1)).map(({ id, deduplicated, redelivered }) => [id, deduplicated, redelivered])).toEqual([
    ['theirs', true, false],
  ]);
});

it('takes settling back when its transaction fails, and settles again with the next one', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send([task('a'), task('b')]);
  const { participant, reader, take } = await consumer(folder, 0);
  const [a, b] = await take(2);
  const failing = () =>
    participant.environment.transaction(() => {
      b!.settle();
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  expect([reader.window.tasks, (await reader.depth()).normal]).toEqual([2, 2]);
  participant.environment.transaction(() => b!.settle());
  expect([reader.window.tasks, (await reader.depth()).normal]).toEqual([1, 1]);
  await reader.stop();
  a!.settle();
  const again = await consumer(folder, 0, participant);
  expect(ids(await again.take(1))).toEqual(['a']);
});

it('settles many in one transaction', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send(Array.from({ length: 50 }, (_, i) => task(`${i}`)));
  const { participant, reader, take } = await consumer(folder, 0);
  const got = await take(50);
  let transactions = 0;
  const count = () => void transactions++;
  participant.environment.enlist({ write: () => {}, committed: count, rolledBack: count });
  reader.settle(got);
  expect([transactions, reader.window.tasks]).toEqual([1, 0]);
});

it('deletes what is settled along with the next transaction, also behind a task that takes long', async () => {
  const folder = dataFolder();
  const clock = manualClock();
  const producer = await folder.producer({ clock });
  const writer = await writerOf(folder, producer);
  for (let i = 0; i < 5; i++) await writer.send([task(`${i}`)]);
  expect(rowsOf(producer)).toBe(5);
  const { participant, take } = await consumer(folder, 0);
  const [slow, ...others] = await take(5);
  commit(participant, others);
  clock.pass(500);
  await writer.send([task('next')]);
  expect(rowsOf(producer)).toBe(2);
  slow!.settle();
  (await take(1))[0]!.settle();
  clock.pass(2_000);
  expect(rowsOf(producer)).toBe(0);
});

it('lets a long task not count as a full queue', async () => {
  const folder = dataFolder();
  const writer = await writerOf(folder, await folder.producer());
  const { participant, take } = await consumer(folder, 0);
  await writer.send([task('slow')]);
  const [slow] = await take(1);
  const obstacles: unknown[] = [];
  writer.onObstacle((obstacle) => obstacles.push(obstacle));
  for (let round = 0; round < 4; round++) {
    const sent = Array.from({ length: MAX_LENGTH / 2 }, (_, i) => task(`${round}-${i}`));
    await writer.send(sent);
    const some = await take(sent.length);
    expect(ids(some)).toEqual(sent.map(({ id }) => id));
    commit(participant, some);
  }
  expect(obstacles).toEqual([]);
  slow!.settle();
});

it('uses no sequence twice, over restarts and after everything was deleted', async () => {
  const folder = dataFolder();
  const settled: string[] = [];
  for (let round = 0; round < 3; round++) {
    const [participant, producer] = [await folder.index(0), await folder.producer()];
    const { reader, take } = await consumer(folder, 0, participant);
    await (await writerOf(folder, producer)).send([task(`${round}`)]);
    const got = await take(1);
    commit(participant, got);
    settled.push(...ids(got));
    await reader.stop();
    await participant.leave();
    producer.environment.transaction(() => {});
    await producer.leave();
  }
  expect(settled).toEqual(['0', '1', '2']);
});

it('gives the outbox of a producer that has ended to the next one, with what is still in it', async () => {
  const folder = dataFolder();
  const names: string[] = [];
  for (const id of ['a', 'b']) {
    const producer = await folder.producer();
    names.push(producer.environment.name);
    await (await writerOf(folder, producer)).send([task(id)]);
    await producer.leave();
  }
  const [first, second] = [await folder.producer(), await folder.producer()];
  names.push(first.environment.name, second.environment.name);
  expect(names).toEqual(['producer-0', 'producer-0', 'producer-0', 'producer-1']);
  expect(ids(await (await consumer(folder, 0)).take(2))).toEqual(['a', 'b']);
});

it('counts what the outbox no longer has as finished when an index has lost its cursors', async () => {
  const folder = dataFolder();
  const first = await consumer(folder, 0);
  const clock = manualClock();
  const producer = await folder.producer({ clock });
  const writer = await writerOf(folder, producer);
  await writer.send(Array.from({ length: 60 }, (_, i) => task(`${i}`)));
  const got = await first.take(60);
  commit(first.participant, got);
  clock.pass(500);
  producer.environment.transaction(() => {});
  expect(rowsOf(producer)).toBe(0);
  await first.reader.stop();
  await first.participant.leave();
  await producer.leave();
  rmSync(first.participant.environment.path, { recursive: true });
  const [participant, next] = [await folder.index(0), await folder.producer()];
  const { reader, take } = await consumer(folder, 0, participant);
  await (await writerOf(folder, next)).send(Array.from({ length: 80 }, (_, i) => task(`new ${i}`)));
  expect((await take(80))[0]!.id).toBe('new 0');
  expect((await reader.depth()).normal).toBe(80);
});

it('counts an attempt for what ran when the process died, and for nothing else', async () => {
  const folder = dataFolder();
  const writer = await writerOf(folder, await folder.producer());
  await writer.send(['ran', 'ended', 'waited', 'settled'].map((id) => task(id)));
  const attempts = new Map<string, number[]>();
  for (let life = 0; life < 3; life++) {
    // A process that dies neither stops its reader nor gives its slots back; only its claim is given back here.
    const participant = await joinAsIndex(folder, 0);
    participant.environment.claim();
    const limits = { tasks: 100, bytes: 2 ** 20, normalEvery: 16 };
    const reader = new EmbeddedReader(participant, { index: 0, limits, clock: manualClock() });
    await reader.start();
    const got = await (await consume(reader))(life === 0 ? 4 : 3);
    for (const { id, attempts: count } of got) attempts.set(id, [...(attempts.get(id) ?? []), count]);
    const [ran, ended, , settled] = got;
    settled?.settle();
    ended!.started();
    ran!.started();
    ended!.ended();
    await participant.leave();
  }
  expect([...attempts]).toEqual([
    ['ran', [0, 1, 2]],
    ['ended', [0, 0, 0]],
    ['waited', [0, 0, 0]],
    ['settled', [0]],
  ]);
  const { participant, reader, take } = await consumer(folder, 0);
  const [ran] = await take(3);
  expect(ran!.attempts).toBe(3);
  ran!.started();
  await reader.stop();
  const { take: takeAgain } = await consumer(folder, 0, participant);
  expect((await takeAgain(3))[0]!.attempts).toBe(3);
});

it('knows what was read or committed when the process died, as far as it is not finished', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send(['a', 'b', 'c'].map((id) => task(id)));
  /** A process that dies after it has done this; what it was told of the tasks. */
  const life = async (count: number, act: (got: readonly Delivery[], reader: TaskReader) => void) => {
    const participant = await joinAsIndex(folder, 0);
    participant.environment.claim();
    const limits = { tasks: 100, bytes: 2 ** 20, normalEvery: 16 };
    const reader = new EmbeddedReader(participant, { index: 0, limits, clock: manualClock() });
    await reader.start();
    const got = await (await consume(reader))(count);
    const told = got.map(({ id, attempts, suspect, unread }) => ({ id, attempts, suspect, unread }));
    act(got, reader);
    const files = ['running', 'running-reading'].map((name) => join(participant.environment.path, name));
    const left = files.map((file) => readFileSync(file));
    await participant.leave();
    // Nothing comes after a kill.
    for (const [n, file] of files.entries()) writeFileSync(file, left[n]!);
    return told;
  };
  const fresh = { attempts: 0, suspect: false, unread: false };
  expect(await life(3, (got, reader) => reader.committing(got))).toEqual([
    { id: 'a', ...fresh },
    { id: 'b', ...fresh },
    { id: 'c', ...fresh },
  ]);
  const committed = await life(3, ([a, b], reader) => {
    reader.committing([a!]);
    reader.settle([a!]);
    b!.reading();
  });
  expect(committed).toEqual(['a', 'b', 'c'].map((id) => ({ id, ...fresh, suspect: true })));
  const read = await life(2, ([b], reader) => reader.committing([b!]));
  expect(read).toEqual([
    { id: 'b', attempts: 1, suspect: true, unread: true },
    { id: 'c', attempts: 0, suspect: true, unread: false },
  ]);
  const last = await life(2, ([b]) => b!.reading());
  expect(last[0]).toEqual({ id: 'b', attempts: 2, suspect: true, unread: false });
  expect((await life(2, () => {}))[0]).toEqual({ id: 'b', attempts: 3, suspect: true, unread: true });
});

it('counts no attempt for what ran when a process dies and no task is to blame', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send([task('a'), task('b')]);
  const { participant, reader, take } = await consumer(folder, 0);
  for (const each of await take(2)) each.started();
  reader.absolve();
  // As if it were killed: its reader is not stopped.
  await participant.leave();
  const { take: takeAgain } = await consumer(folder, 0);
  expect((await takeAgain(2)).map(({ attempts }) => attempts)).toEqual([0, 0]);
});

it('keeps its file of running tasks small, however many run', async () => {
  const folder = dataFolder();
  await (await writerOf(folder, await folder.producer())).send([task('a'), task('b')]);
  const { participant, take } = await consumer(folder, 0);
  const [a, b] = await take(2);
  for (let i = 0; i < 1_000; i++) {
    for (const each of [a!, b!]) each.started();
    for (const each of [a!, b!]) each.ended();
  }
  expect(statSync(join(participant.environment.path, 'running')).size).toBeLessThan(250);
});

it('tells senders when their outbox was taken over', async () => {
  const folder = dataFolder();
  const producer = await folder.producer();
  const writer = await writerOf(folder, producer);
  const taken = await folder.environment(producer.environment.name);
  producer.environment.release();
  taken.claim();
  await expect(writer.send([task('late')])).rejects.toMatchObject({ code: 'OWNERSHIP_LOST' });
});

it('hands each single task over within a fraction of the time of a look around', async () => {
  const folder = dataFolder();
  const writer = await writerOf(folder, await folder.producer());
  const { take } = await consumer(folder, 0);
  const startedAt = performance.now();
  for (let i = 0; i < 50; i++) {
    await writer.send([task(`${i}`)]);
    (await take(1))[0]!.settle();
  }
  // A look around comes once a second: had each task waited for one, this would take 50 seconds.
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
