/** A bad network between the broker and everything that uses it: reader, writer and outbox. Both kinds of queue suffer at the same time. */
import { expect, it, onTestFinished } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import { AmqpBed } from '../../support/amqp-bed.js';
import { CountingPath, numberedTasks } from '../../support/counting-path.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const TYPES = ['classic', 'quorum'] as const;
const MEBIBYTE = 2 ** 20;
const CUT_FOR_MS = 10_000;
/** Each has one task in each round of sending. */
const KEYS = 500;
const LEAST_ROUNDS = 20;

/** Behind a proxy. Every fifth task of an entity derives one. */
async function place(broker: Partial<BrokerConfiguration>) {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(host);
  const bed = new AmqpBed({ address: { ...host, port: proxy.port }, numProcesses: 1, broker });
  onTestFinished(() => bed.close());
  const writer = await bed.writer();
  const path = new CountingPath({ events: bed.events, derives: { every: 5, writer } });
  const reader = await bed.reader(0);
  await path.start(reader);
  return { bed, proxy, writer, reader, path };
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function isCut(queueType: (typeof TYPES)[number]): Promise<void> {
  const { bed, proxy, writer, reader, path } = await place({ queueType });
  const before = memory();
  let [mostBytes, mostTasks] = [0, 0];
  bed.events.on('commit-stored', () => {
    mostBytes = Math.max(mostBytes, memory() - before);
    mostTasks = Math.max(mostTasks, reader.window.tasks);
  });
  proxy.delay(2);
  proxy.cutEvery(200);
  const endsAt = performance.now() + CUT_FOR_MS;
  setTimeout(() => proxy.cutEvery(null), CUT_FOR_MS);
  let rounds = 0;
  for (; performance.now() < endsAt || rounds < LEAST_ROUNDS; rounds++) {
    await writer.send(numberedTasks(rounds * KEYS, (rounds + 1) * KEYS, { keys: KEYS, padding: 2_000 }));
  }
  const total = (rounds + Math.floor(rounds / 5)) * KEYS;
  await path.untilDone(total);
  await path.stop();
  expect(path.wrong, queueType).toEqual([]);
  expect(path.done, queueType).toBe(total);
  expect(proxy.connections).toBeGreaterThan(6);
  expect(mostBytes).toBeLessThan(256 * MEBIBYTE);
  expect(mostTasks).toBeLessThanOrEqual(reader.window.tasksLimit);
}

/** Swallows everything while tasks are under way in each direction. */
async function isStalled(queueType: (typeof TYPES)[number]): Promise<void> {
  const { bed, proxy, writer, path } = await place({ queueType, heartbeatMs: 1_000 });
  const lost = new Promise<void>((resolve) => bed.events.on('reader-lost', () => resolve()));
  await writer.send(numberedTasks(0, 2_000));
  await path.untilDone(1);
  const sending = writer.send(numberedTasks(2_000, 4_000));
  proxy.stall(true);
  await lost;
  proxy.stall(false);
  await sending;
  await path.untilDone(4_800);
  await path.stop();
  expect(path.wrong, queueType).toEqual([]);
  expect(path.done, queueType).toBe(4_800);
}

it('connections that are cut every 200 ms for 10 seconds lose, double and reorder no task and no derived one', async () => {
  await Promise.all(TYPES.map(isCut));
});

it('connections that swallow everything are noticed and made again, and nothing is lost', async () => {
  await Promise.all(TYPES.map(isStalled));
});
