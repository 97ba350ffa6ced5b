import { expect, inject, onTestFinished, test } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import type { OutgoingTask } from '../../../lib/model/task.js';
import { AmqpWriter, type AmqpWriterOptions } from '../../../lib/queue/amqp/writer.js';
import { Deadline } from '../../../lib/runtime/deadline.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { brokerAt } from '../../support/amqp-bed.js';
import { manualClock } from '../../support/clock.js';
import { capturingLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { firstOfEach, RawQueue } from '../../support/raw-queue.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const APP = 'test';

function makeWriter(
  host: TestVirtualHost,
  given: Partial<BrokerConfiguration> = {},
  options: Partial<AmqpWriterOptions> = {},
) {
  const log = capturingLogger();
  const writer = new AmqpWriter({ app: APP, numProcesses: 2, broker: brokerAt(host, given), log, ...options });
  const obstacles: (string | null)[] = [];
  writer.onObstacle((obstacle) => obstacles.push(obstacle?.kind ?? null));
  onTestFinished(() => writer.stop(Deadline.in(0)));
  return { writer, log, obstacles };
}

async function startedWriter(...args: Parameters<typeof makeWriter>) {
  const made = makeWriter(...args);
  await made.writer.start();
  return made;
}

function task(id: string, key = id, { index = 0, priority = false, bytes = 0 } = {}): OutgoingTask {
  const body = Buffer.from(JSON.stringify({ etype: 'ip', eid: key, id, filler: 'x'.repeat(bytes) }));
  return { id, key: `ip:${key}`, index, priority, body };
}

/** `count` tasks of each of the keys, in turn; ids tell key and number. */
function tasksOf(keys: readonly string[], count: number, options = {}): OutgoingTask[] {
  return Array.from({ length: count * keys.length }, (_, i) => {
    const key = keys[i % keys.length]!;
    return task(`${key}/${Math.floor(i / keys.length)}`, key, options);
  });
}

const idsOf = (tasks: readonly OutgoingTask[]) => tasks.map(({ id }) => id);

/** Ids of each key, in order. */
function byKey(ids: readonly string[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const id of ids) {
    const [key = '', number] = id.split('/');
    found.set(key, [...(found.get(key) ?? []), Number(number)]);
  }
  return found;
}

function expectInOrder(ids: readonly string[]): void {
  for (const [key, numbers] of byKey(ids)) {
    expect(numbers, key).toEqual(numbers.map((_, i) => i));
  }
}

test('a task is published persistent, as JSON, under its id, to the queue of its index', async () => {
  const host = await freshVirtualHost();
  const { writer } = await startedWriter(host);
  const [normal, priority] = [
    await RawQueue.of(host.url, 'test-worker-1'),
    await RawQueue.of(host.url, 'test-worker-1-pri'),
  ];
  const sent = task('an-id', 'a', { index: 1 });
  await writer.send([sent, task('another', 'a', { index: 1, priority: true })]);
  await Promise.all([(await normal.consume()).all(['an-id']), (await priority.consume()).all(['another'])]);
  const [message] = normal.messages;
  expect(message!.content.equals(sent.body)).toBe(true);
  expect(message!.fields).toMatchObject({ exchange: 'test-main-task-exchange', routingKey: '1' });
  expect(message!.properties).toMatchObject({
    messageId: 'an-id',
    appId: 'dp3-cluster',
    deliveryMode: 2,
    contentType: 'application/json',
  });
  expect(priority.messages[0]!.fields.exchange).toBe('test-priority-task-exchange');
});

test('a send resolves only once all its tasks are in their queues', async () => {
  const host = await freshVirtualHost();
  const { writer } = await startedWriter(host);
  const queue = await RawQueue.of(host.url, 'test-worker-0');
  await writer.send(tasksOf(['a', 'b', 'c'], 50));
  expect(await queue.depth()).toBe(150);
});

test.each(['classic', 'quorum'] as const)(
  'four writers on a full %s queue lose, double and reorder nothing',
  async (queueType) => {
    const host = await freshVirtualHost();
    const given = { queueType, maxLength: 50, outstanding: 100 };
    const writers = await Promise.all(Array.from({ length: 4 }, () => startedWriter(host, given)));
    const sent = writers.map((_, w) =>
      tasksOf(
        ['a', 'b', 'c', 'd', 'e'].map((key) => `${key}${w}`),
        100,
      ),
    );
    const sending = Promise.all(writers.map(({ writer }, w) => writer.send(sent[w]!)));
    // Nobody reads before all of them wait.
    await expect.poll(() => writers.every(({ obstacles }) => obstacles.at(-1) === 'full'), { interval: 10 }).toBe(true);
    const queue = await (await RawQueue.of(host.url, 'test-worker-0')).consume({ prefetch: 20, pauseMs: 1 });
    await sending;
    await queue.all(sent.flatMap(idsOf));
    expect(queue.ids).toHaveLength(sent.flat().length);
    expectInOrder(queue.ids);
    for (const { obstacles } of writers) expect(obstacles.at(-1)).toBe(null);
  },
);

test('a slow confirmation of one entity holds up no other', async () => {
  const host = await freshVirtualHost();
  const { writer } = await startedWriter(host, { outstanding: 50 });
  // Of one key only one task is under way: these need as many turns, and the others must not wait for that.
  const one = writer.send(tasksOf(['busy'], 300));
  let oneDone = false;
  void one.then(() => {
    oneDone = true;
  });
  await writer.send(tasksOf(['a', 'b', 'c', 'd'], 10));
  expect(oneDone).toBe(false);
  await one;
});

test('tasks that no queue takes are sent again every 5 s with one warning, in order once there is one', async () => {
  const host = await freshVirtualHost();
  const clock = manualClock();
  const { writer, log } = await startedWriter(host, {}, { clock });
  const queue = await RawQueue.of(host.url, 'test-worker-0');
  await queue.channel.unbindQueue('test-worker-0', 'test-main-task-exchange', '0');
  const sent = tasksOf(['a', 'b'], 20);
  let resolved = false;
  const sending = writer.send(sent).then(() => {
    resolved = true;
  });
  await log.line('no queue takes these tasks');
  await writer.send([task('elsewhere', 'z', { index: 1 })]);
  // Beside the timer of its connection.
  const paused = () => expect.poll(() => clock.waiting, { interval: 5, timeout: 10_000 }).toBe(2);
  for (let round = 0; round < 3; round++) {
    await paused();
    clock.pass(5_000);
  }
  await paused();
  expect(resolved).toBe(false);
  await queue.channel.bindQueue('test-worker-0', 'test-main-task-exchange', '0');
  clock.pass(5_000);
  await sending;
  await (await queue.consume()).all(idsOf(sent));
  expectInOrder(queue.ids);
  expect(log.lines.filter(({ level }) => level === 'warn')).toMatchObject([
    { fields: { exchange: 'test-main-task-exchange', index: 0 } },
  ]);
});

test('an exchange that vanishes is declared again, and what was under way is sent again', async () => {
  const host = await freshVirtualHost();
  const { writer } = await startedWriter(host);
  const queue = await RawQueue.of(host.url, 'test-worker-0');
  await queue.channel.deleteExchange('test-main-task-exchange');
  const sent = tasksOf(['a', 'b'], 50);
  await writer.send(sent);
  await (await queue.consume()).all(idsOf(sent));
  expectInOrder(firstOfEach(queue.ids));
});

test('with a connection that goes silent in the middle nothing is lost', async () => {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  const { writer, log } = await startedWriter({ ...host, host: '127.0.0.1', port: proxy.port }, { heartbeatMs: 1_000 });
  const queue = await (await RawQueue.of(host.url, 'test-worker-0')).consume();
  const sent = tasksOf(['a', 'b', 'c'], 300);
  const sending = writer.send(sent);
  await queue.all([sent[30]!.id]);
  proxy.stall(true);
  await log.line('the connection to the broker is lost');
  proxy.stall(false);
  await sending;
  await queue.all(idsOf(sent));
  expectInOrder(firstOfEach(queue.ids));
});

test('no more is under way than is configured', async () => {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  const { writer } = await startedWriter({ ...host, host: '127.0.0.1', port: proxy.port }, { outstanding: 10 });
  proxy.stall(true);
  const before = proxy.bytesUp;
  writer.send(Array.from({ length: 100 }, (_, i) => task(`t${i}`, `t${i}`, { bytes: 10_000 }))).catch(() => {});
  await expect.poll(() => proxy.bytesUp - before, { interval: 10 }).toBeGreaterThan(100_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(proxy.bytesUp - before).toBeLessThan(110_000);
});

test('a stop sends what is under way and tells those whose tasks wait for a full queue', async () => {
  const host = await freshVirtualHost();
  const { writer } = await startedWriter(host, { maxLength: 10 });
  const fits = writer.send(tasksOf(['a'], 300, { index: 1, priority: true }));
  const stuck = expect(writer.send(tasksOf(['b', 'c', 'd', 'e'], 20))).rejects.toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
  });
  await writer.stop();
  await Promise.all([fits, stuck]);
  expect(await (await RawQueue.of(host.url, 'test-worker-1-pri')).depth()).toBe(300);
});

test('a stop does not wait for a broker that is away', async () => {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  const { writer, log } = await startedWriter({ ...host, host: '127.0.0.1', port: proxy.port });
  proxy.refuse(true);
  proxy.cut();
  await log.line('the connection to the broker is lost');
  const unsent = expect(writer.send([task('late')])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await writer.stop();
  await unsent;
});
