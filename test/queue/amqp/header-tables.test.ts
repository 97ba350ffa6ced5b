/** Tables of headers, which no worker reads: from a real broker, however deep they are, and whatever stands around them. */
import amqp, { type ConsumeMessage } from 'amqplib';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { AmqpConnection } from '../../../lib/queue/amqp/connection.js';
import { leaveOut } from '../../../lib/queue/amqp/header-tables.js';
import { exchangeNames, queueNames } from '../../../lib/queue/names.js';
import { AmqpBed, APP, brokerAt } from '../../support/amqp-bed.js';
import { capturingLogger, silentLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { nestedTable, publishRaw } from '../../support/raw-publish.js';
import { Taken } from '../../support/taken.js';

const DEEP = 7_000;

it.each(['classic', 'quorum'] as const)(
  'deep ones end no connection: their message comes like those before and behind it (%s)',
  async (queueType) => {
    const address = await freshVirtualHost();
    const log = capturingLogger();
    const bed = new AmqpBed({ address, broker: { queueType }, log });
    onTestFinished(() => bed.close());
    const reader = await bed.reader(0);
    const connection = await amqp.connect(address.url);
    onTestFinished(() => connection.close());
    const channel = await connection.createConfirmChannel();
    const ids = [0, 1, 2].map((n) => `0e9d9d3e-0000-4000-8000-00000000000${n}`);
    channel.publish(exchangeNames(APP).normal, '0', Buffer.from('first'), { messageId: ids[0]! });
    await channel.waitForConfirms();
    const to = { exchange: exchangeNames(APP).normal, key: '0' };
    publishRaw(channel, { ...to, id: Buffer.from(ids[1]!), body: Buffer.from('deep'), table: nestedTable(DEEP) });
    await expect
      .poll(async () => (await channel.checkQueue(queueNames(APP, 0).normal)).messageCount, { interval: 20 })
      .toBe(2);
    const other = await connection.createConfirmChannel();
    other.publish(exchangeNames(APP).normal, '0', Buffer.from('last'), { messageId: ids[2]! });
    await other.waitForConfirms();
    const taken = new Taken();
    await taken.consume(reader);
    await expect
      .poll(() => taken.deliveries.map(({ id, body }) => [id, body.toString()]), { interval: 20 })
      .toEqual([
        [ids[0], 'first'],
        [ids[1], 'deep'],
        [ids[2], 'last'],
      ]);
    expect(taken.told).toEqual([]);
    expect(log.lines.filter(({ message }) => message.includes('lost'))).toEqual([]);
  },
);

it('leave all other properties as they are', async () => {
  const address = await freshVirtualHost();
  const connection = new AmqpConnection({
    broker: brokerAt(address),
    purpose: 'consuming',
    app: APP,
    log: silentLogger,
  });
  onTestFinished(() => connection.stop());
  await connection.start();
  const channel = await connection.openChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const arrived: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message !== null && arrived.push(message), { noAck: true });
  const given = [
    {
      contentType: 'a/b',
      contentEncoding: 'c',
      deliveryMode: 2,
      priority: 3,
      correlationId: 'd',
      appId: 'e',
      type: 'f',
    },
    { contentEncoding: 'c', messageId: 'x'.repeat(255), timestamp: 1_767_225_600 },
    { contentType: 'a/b', messageId: 'm' },
    { messageId: 'n' },
  ];
  for (const options of given) {
    channel.sendToQueue(queue, Buffer.from('body'), { ...options, headers: { a: { b: [1, 'two'] } } });
    channel.sendToQueue(queue, Buffer.from('body'), options);
  }
  await expect.poll(() => arrived.length).toBe(2 * given.length);
  for (const [n, options] of given.entries()) {
    for (const { properties, content } of arrived.slice(2 * n, 2 * n + 2)) {
      const { headers, ...others } = properties;
      expect(headers ?? {}).toEqual({});
      expect(others).toMatchObject(options);
      expect(content.toString()).toBe('body');
    }
  }
});

it('are left out of whole frames alone, and nothing else is touched, whatever the bytes are', () => {
  const bytes = fc.uint8Array({ maxLength: 80 });
  fc.assert(
    fc.property(bytes, fc.boolean(), (given, asHeader) => {
      if (asHeader) given.set([2, 0, 1, 0, 0, 0, given[6] ?? 0, 0, 60].slice(0, given.length));
      const before = Buffer.from(given);
      const after = Buffer.from(given);
      leaveOut(after);
      if (before[0] !== 2) expect(after).toEqual(before);
      const end = before.length < 7 ? 0 : 7 + before.readUInt32BE(3);
      expect(after.subarray(end)).toEqual(before.subarray(end));
      expect(after.subarray(0, 19)).toEqual(before.subarray(0, 19));
    }),
  );
});
