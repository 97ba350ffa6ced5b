/** Queues that are made anew with what waits in them, whatever happens meanwhile. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import amqp, { type Channel } from 'amqplib';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import type { Logger } from '../../../lib/observability/logger.js';
import { AmqpConnection } from '../../../lib/queue/amqp/connection.js';
import { type Repaired, repairTopology } from '../../../lib/queue/amqp/repair.js';
import { ensureTopology } from '../../../lib/queue/amqp/topology.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { brokerAt, impatient } from '../../support/amqp-bed.js';
import { BROKERS, broker } from '../../support/brokers.js';
import { amqpLength, HoldingProxy } from '../../support/holding-proxy.js';
import { capturingLogger, silentLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { nestedTable, publishRaw, tableOf } from '../../support/raw-publish.js';

/** At how many moments a repair is broken off, spread over all of them. */
const MOMENTS = Number(process.env['REPAIR_MOMENTS'] ?? 4);
const BOUND = 10;
const BOUNDED = { 'x-max-length': BOUND, 'x-overflow': 'reject-publish' };
const QUEUE = 'test-worker-0';
const QUORUM = { 'x-queue-type': 'quorum', 'x-single-active-consumer': true };

function brokerOf(host: TestVirtualHost, given: Partial<BrokerConfiguration> = {}): BrokerConfiguration {
  return brokerAt(host, { queueType: 'quorum', maxLength: BOUND, ...given });
}

function repair(broker: BrokerConfiguration, log: Logger = silentLogger): Promise<readonly Repaired[]> {
  return repairTopology({ app: 'test', numProcesses: 1, broker, log, tries: 1, clock: impatient });
}

async function byHand<T>(host: TestVirtualHost, use: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await amqp.connect(host.url);
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    return await use(channel);
  } finally {
    await connection.close();
  }
}

/** As an older version, or DP3, has declared the pair of index 0. */
async function declareOld(host: TestVirtualHost, normal: object = BOUNDED): Promise<void> {
  await byHand(host, async (channel) => {
    for (const [kind, queue, args] of [
      ['main', QUEUE, normal],
      ['priority', `${QUEUE}-pri`, {}],
    ] as const) {
      await channel.assertExchange(`test-${kind}-task-exchange`, 'direct', { durable: true });
      await channel.assertQueue(queue, { durable: true, arguments: args });
      await channel.bindQueue(queue, `test-${kind}-task-exchange`, '0');
    }
  });
}

/** More than its bound: a consumer holds some, and gives them back. */
async function fill(host: TestVirtualHost, queue: string, held: number, ready: number): Promise<string[]> {
  return byHand(host, async (channel) => {
    let taken = 0;
    await channel.prefetch(held);
    const all = new Promise<void>((resolve) => {
      void channel.consume(queue, () => ++taken === held && resolve());
    });
    const ids: string[] = [];
    const publish = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const messageId = `${queue} ${ids.length}`;
        // DP3's messages are transient.
        const options = { messageId, appId: 'another', headers: { n: ids.length, nested: { x: 'y' } } };
        channel.publish('', queue, Buffer.from(`body of ${messageId}`), options);
        ids.push(messageId);
      }
      await (channel as amqp.ConfirmChannel).waitForConfirms();
    };
    await publish(held);
    if (held > 0) await all;
    await publish(ready);
    return ids;
  });
}

interface Found {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

async function queuesOf(host: TestVirtualHost): Promise<Map<string, Record<string, unknown>>> {
  const queues = (await host.manage('GET', '/queues/%v')) as Found[];
  return new Map(queues.map(({ name, arguments: args }) => [name, args]));
}

/** Takes everything out. */
async function contentOf(host: TestVirtualHost, queue: string) {
  return byHand(host, async (channel) => {
    const { messageCount } = await channel.checkQueue(queue);
    const messages: amqp.ConsumeMessage[] = [];
    await channel.prefetch(2_000);
    await new Promise<void>((resolve) => {
      if (messageCount === 0) resolve();
      void channel.consume(queue, (message) => {
        if (message === null) return;
        channel.ack(message);
        messages.push(message);
        if (messages.length === messageCount) resolve();
      });
    });
    return messages;
  });
}

const idsOf = (messages: readonly amqp.ConsumeMessage[]) => messages.map(({ properties }) => properties.messageId);

async function asWanted(host: TestVirtualHost): Promise<void> {
  expect(await queuesOf(host)).toEqual(
    new Map<string, object>([
      [QUEUE, expect.objectContaining({ ...QUORUM, ...BOUNDED })],
      [`${QUEUE}-pri`, expect.objectContaining(QUORUM)],
    ]),
  );
  const bindings = (await host.manage('GET', '/bindings/%v')) as { source: string; routing_key: string }[];
  const ours = bindings.filter(({ source }) => source !== '');
  expect(ours.map(({ source, routing_key }) => `${source} ${routing_key}`).sort()).toEqual([
    'test-main-task-exchange 0',
    'test-priority-task-exchange 0',
  ]);
}

test('makes bounded classic queues anew as quorum queues, with more in them than their bound, in order', async () => {
  const host = await freshVirtualHost();
  await declareOld(host);
  const ids = await fill(host, QUEUE, 40, BOUND);
  const derived = await fill(host, `${QUEUE}-pri`, 0, 3);
  expect(await repair(brokerOf(host))).toEqual([
    { queue: QUEUE, messages: ids.length },
    { queue: `${QUEUE}-pri`, messages: derived.length },
  ]);
  await asWanted(host);
  expect(await repair(brokerOf(host))).toEqual([]);
  const messages = await contentOf(host, QUEUE);
  expect(idsOf(messages)).toEqual(ids);
  const { properties, content } = messages[7]!;
  expect(content.toString()).toBe(`body of ${ids[7]}`);
  expect(properties).toMatchObject({ appId: 'another', deliveryMode: 2, headers: { n: 7, nested: { x: 'y' } } });
  expect(idsOf(await contentOf(host, `${QUEUE}-pri`))).toEqual(derived);
});

test.for([
  ['drops its oldest tasks', { 'x-max-length': BOUND }],
  ['drops what waits too long', { ...BOUNDED, 'x-message-ttl': 3_600_000 }],
  ['drops what came back too often', { ...BOUNDED, ...QUORUM, 'x-delivery-limit': 20 }],
] as const)('makes a queue anew that %s', async ([, args]) => {
  const host = await freshVirtualHost();
  await declareOld(host, args);
  const ids = await fill(host, QUEUE, 0, BOUND);
  await repair(brokerOf(host));
  await asWanted(host);
  expect(idsOf(await contentOf(host, QUEUE))).toEqual(ids);
});

test('changes nothing while a process consumes, and names the queue', async () => {
  const host = await freshVirtualHost();
  await declareOld(host);
  await fill(host, QUEUE, 0, 3);
  const before = await queuesOf(host);
  await byHand(host, async (channel) => {
    await channel.consume(`${QUEUE}-pri`, () => {});
    await expect(repair(brokerOf(host))).rejects.toMatchObject({
      code: 'QUEUE_REFUSED',
      message: expect.stringContaining(`"${QUEUE}-pri" has consumers`),
    });
  });
  expect(await queuesOf(host)).toEqual(before);
  expect(await contentOf(host, QUEUE)).toHaveLength(3);
});

test('a second repair beside it is refused', async () => {
  const host = await freshVirtualHost();
  await declareOld(host);
  await fill(host, QUEUE, 0, 3);
  await byHand(host, async (channel) => {
    await channel.assertQueue('test-worker-repair');
    await channel.consume('test-worker-repair', () => {}, { exclusive: true });
    await expect(repair(brokerOf(host))).rejects.toThrow('another repair');
  });
});

/**
 * For each consumer of a queue from now on, how many of its messages were still in memory when the `count`th had come, which it gets
 * after that was counted.
 */
function countHeld(queue: string, count: number): number[] {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held: number[] = [];
  const open = AmqpConnection.prototype.openChannel;
  const spy = vi.spyOn(AmqpConnection.prototype, 'openChannel').mockImplementation(async function (
    this: AmqpConnection,
    onEnd,
  ) {
    const channel = await open.call(this, onEnd);
    const consume = channel.consume.bind(channel);
    channel.consume = (name, listener, options) => {
      const arrived: WeakRef<amqp.ConsumeMessage>[] = [];
      const counting: typeof listener = (message) => {
        if (message !== null) arrived.push(new WeakRef(message));
        if (arrived.length < count) return listener(message);
        setImmediate(() => {
          collect();
          held.push(arrived.filter((each) => each.deref() !== undefined).length);
          listener(message);
        });
      };
      return consume(name, name === queue ? counting : listener, options);
    };
    return channel;
  });
  onTestFinished(() => spy.mockRestore());
  return held;
}

test('what is only compared is not kept in memory', async () => {
  const host = await freshVirtualHost();
  await declareOld(host, {});
  const count = 300;
  const ids = await fill(host, QUEUE, 0, count);
  const held = countHeld(QUEUE, count);
  await repair(brokerOf(host, { maxLength: count }));
  // The old queue is compared, then copied; the new one is filled, then compared.
  const [compared, , , proved] = held;
  expect(held).toHaveLength(4);
  expect(Math.max(compared!, proved!)).toBeLessThan(10);
  expect(idsOf(await contentOf(host, QUEUE))).toEqual(ids);
});

/** What the client has sent in methods when a repair is over. */
async function methodsOf(host: TestVirtualHost, breakOffAt: number): Promise<number> {
  const proxy = await HoldingProxy.to(host, amqpLength);
  let methods = 0;
  const held = proxy.hold(
    () => (direction, message) => direction === 'up' && message[0] === 1 && ++methods === breakOffAt,
  );
  void held.then(() => proxy.cut());
  // Near its end it may have been over before.
  await repair(brokerOf(host, { port: proxy.port })).catch((error) =>
    expect(error).toMatchObject({ code: 'QUEUE_UNAVAILABLE' }),
  );
  return methods;
}

test('what is copied out of a quorum queue is kept on disk, not in memory', async () => {
  const host = await freshVirtualHost();
  await declareOld(host, { ...BOUNDED, ...QUORUM, 'x-max-length': 10_000, 'x-delivery-limit': 20 });
  const count = 3_000;
  const ids = await fill(host, QUEUE, 0, count);
  const held = countHeld(QUEUE, count);
  await repair(brokerOf(host, { maxLength: 10_000 }));
  // The old queue is compared, then copied; the new one is filled, then compared.
  expect(held).toHaveLength(4);
  expect(Math.max(...held)).toBeLessThan(10);
  const messages = await contentOf(host, QUEUE);
  expect(idsOf(messages)).toEqual(ids);
  const { properties, content } = messages[2_345]!;
  expect(content.toString()).toBe(`body of ${ids[2_345]}`);
  expect(properties).toMatchObject({ appId: 'another', headers: { n: 2_345, nested: { x: 'y' } } });
});

test.each([
  ['classic', {}],
  ['quorum', { ...QUORUM, 'x-delivery-limit': 20 }],
])('carries messages over whose properties cannot be, without these, and says so (%s)', async (_, type) => {
  const host = await freshVirtualHost();
  await declareOld(host, { ...BOUNDED, ...type, 'x-max-length': 20 });
  const tables = {
    harmless: tableOf('n', 'kept'),
    'too deep to be read': nestedTable(7_000),
    'too deep to be written': nestedTable(2_000),
    'too long to be written': tableOf('n', 'x'.repeat(100_000)),
    'last one': tableOf('n', 'kept'),
  };
  const names = Object.keys(tables);
  await byHand(host, async (channel) => {
    for (const [n, table] of Object.values(tables).entries()) {
      // No UTF-8: read, it is three times as long.
      const id = n === 2 ? Buffer.alloc(200, 0xff) : Buffer.from(`id ${n}`);
      publishRaw(channel, { exchange: '', key: QUEUE, id, body: Buffer.from(names[n]!), table });
    }
    await expect.poll(async () => (await channel.checkQueue(QUEUE)).messageCount).toBe(names.length);
  });
  const log = capturingLogger();
  expect(await repair(brokerOf(host), log)).toContainEqual({ queue: QUEUE, messages: names.length });
  await asWanted(host);
  const messages = await contentOf(host, QUEUE);
  expect(messages.map(({ content }) => content.toString())).toEqual(names);
  const kept = messages.map(({ properties }) => (properties.headers as { n?: string }).n);
  expect(kept).toEqual(['kept', undefined, undefined, undefined, 'kept']);
  expect(idsOf(messages)).toEqual(['id 0', 'id 1', undefined, 'id 3', 'id 4']);
  expect(log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual(
    expect.arrayContaining([
      'headers of messages cannot be read, and are left out',
      'headers of a message cannot be written, and are left out',
    ]),
  );
});

test.each(BROKERS)(
  'loses, doubles and reorders nothing when it is broken off at any moment and run again (%s)',
  async (which) => {
    const service = await broker(which);
    const fresh = async () => {
      const host = await service.virtualHost();
      onTestFinished(() => host.remove().catch(() => {}));
      return host;
    };
    const whole = await fresh();
    await declareOld(whole);
    await fill(whole, QUEUE, 5, BOUND);
    const all = await methodsOf(whole, Number.POSITIVE_INFINITY);
    // The first methods are those of the connection, the last ones say goodbye.
    const [first, last] = [6, all - 3];
    for (let n = 0; n < MOMENTS; n++) {
      const moment = Math.round(first + ((last - first) * n) / (MOMENTS - 1));
      const host = await fresh();
      await declareOld(host);
      const ids = await fill(host, QUEUE, 5, BOUND);
      await methodsOf(host, moment);
      await refusesToStartOrHasAll(host);
      await repair(brokerOf(host));
      await asWanted(host);
      expect(idsOf(await contentOf(host, QUEUE)), `broken off at method ${moment} of ${all}`).toEqual(ids);
    }
  },
  120_000 + 3_000 * MOMENTS,
);

/** A program must never run beside queues whose content is elsewhere. */
async function refusesToStartOrHasAll(host: TestVirtualHost): Promise<void> {
  const broker = brokerOf(host);
  const log = capturingLogger();
  const connection = new AmqpConnection({ broker, purpose: 'consuming', app: 'test', log, clock: impatient });
  await connection.start();
  onTestFinished(() => connection.stop());
  const marked = (await queuesOf(host)).has('test-worker-repair');
  const ensuring = ensureTopology(connection, { app: 'test', indexes: [0], broker, log });
  if (marked) await expect(ensuring).rejects.toMatchObject({ message: expect.stringContaining('setup --repair') });
  else await ensuring;
  await connection.stop();
}
