/** Whoever consumes quorum queues is to keep their prefetch: asked by what the queues are, not by what is configured, and before they are consumed. */
import amqp from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { queueNames } from '../../../lib/queue/names.js';
import type { ReaderEvents, TaskReader } from '../../../lib/queue/queue.js';
import { ApplicationError } from '../../../lib/runtime/errors.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { AmqpBed, APP } from '../../support/amqp-bed.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';

const PREFETCH = 20;
const NAMES = Object.values(queueNames(APP, 0));

async function readerOn(host: TestVirtualHost): Promise<TaskReader> {
  const bed = new AmqpBed({ address: host, broker: { queueType: 'quorum', prefetch: PREFETCH } });
  onTestFinished(() => bed.close());
  return bed.reader(0);
}

async function byHand<T>(host: TestVirtualHost, use: (channel: amqp.Channel) => Promise<T>): Promise<T> {
  const connection = await amqp.connect(host.url);
  const result = await use(await connection.createChannel());
  await connection.close();
  return result;
}

async function declareClassic(host: TestVirtualHost): Promise<void> {
  await byHand(host, (channel) => Promise.all(NAMES.map((name) => channel.assertQueue(name, { durable: true }))));
}

async function consumersOf(host: TestVirtualHost): Promise<number> {
  const counts = await byHand(host, (channel) => Promise.all(NAMES.map((name) => channel.checkQueue(name))));
  return counts.reduce((sum, { consumerCount }) => sum + consumerCount, 0);
}

function consume(reader: TaskReader, onQuorum: Required<ReaderEvents>['onQuorum']): Promise<void> {
  return reader.consume({ onDelivery: () => {}, onLost: async () => {}, onRestored: () => {}, onQuorum });
}

test('classic queues that were there are consumed without it, whatever is configured', async () => {
  const host = await freshVirtualHost();
  await declareClassic(host);
  const asked: number[] = [];
  await consume(await readerOn(host), async (prefetch) => void asked.push(prefetch));
  expect([asked, await consumersOf(host)]).toEqual([[], 2]);
});

test('quorum queues are consumed once it is done', async () => {
  const host = await freshVirtualHost();
  const asked: [prefetch: number, consumers: number][] = [];
  await consume(await readerOn(host), async (prefetch) => void asked.push([prefetch, await consumersOf(host)]));
  expect([asked, await consumersOf(host)]).toEqual([[[PREFETCH, 0]], 2]);
});

test('queues that were made anew while a reader waited are known as what they are then', async () => {
  const host = await freshVirtualHost();
  await declareClassic(host);
  const reader = await readerOn(host);
  await byHand(host, (channel) => Promise.all(NAMES.map((name) => channel.deleteQueue(name))));
  await (await readerOn(host)).stop();
  const asked: number[] = [];
  await consume(reader, async (prefetch) => void asked.push(prefetch));
  expect(asked).toEqual([PREFETCH]);
});

test('a refusal ends it before anything is consumed, and what passes is tried again', async () => {
  const host = await freshVirtualHost();
  const refusal = new ApplicationError('STORE_MISMATCH', 'it was larger');
  await expect(consume(await readerOn(host), () => Promise.reject(refusal))).rejects.toBe(refusal);
  expect(await consumersOf(host)).toBe(0);
  let asked = 0;
  await consume(await readerOn(host), async () => {
    if (asked++ === 0) throw new ApplicationError('STORE_UNAVAILABLE', 'it is away');
  });
  expect([asked, await consumersOf(host)]).toEqual([2, 2]);
});
