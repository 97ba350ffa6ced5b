/** `send` to a broker at Ctrl-C, in each state in which it waits: it ends soon, or says what it waits for, with what came of it. */
import { expect, it, onTestFinished } from 'vitest';
import { queueNames } from '../../lib/queue/names.js';
import { AmqpBed } from '../support/amqp-bed.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { RawQueue } from '../support/raw-queue.js';
import { busApplication, busPoints, interrupted, NOTHING_SENT, Sending } from '../support/sending.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const MAX_LENGTH = 5;

/** A send of stdin through a proxy, three data-points of which have arrived. */
async function started() {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(host);
  const bed = new AmqpBed({ app: 'buses', address: host, numProcesses: 1, broker: { maxLength: MAX_LENGTH } });
  onTestFinished(() => bed.close());
  await bed.writer();
  const sending = new Sending(busApplication({ ...host, port: proxy.port }, MAX_LENGTH), ['-']);
  sending.write(busPoints(0, 3));
  const queue = await RawQueue.of(host.url, queueNames('buses', 0).normal);
  await expect.poll(() => queue.depth(), { timeout: 20_000, interval: 20 }).toBe(3);
  return { proxy, sending, queue };
}

async function whileAQueueIsFull(): Promise<void> {
  const { sending, queue } = await started();
  sending.write(busPoints(3, 10));
  await sending.says('a queue is full, waiting for the workers; Ctrl-C ends');
  const { code, summary, told } = await interrupted(sending);
  expect([code, summary]).toMatchObject([1, { ...NOTHING_SENT, sent: MAX_LENGTH, tasks: MAX_LENGTH, unsent: 5 }]);
  expect(told).not.toContain('goes on');
  expect(await queue.depth()).toBe(MAX_LENGTH);
}

async function whileTheBrokerIsAway(): Promise<void> {
  const { proxy, sending } = await started();
  proxy.refuse(true);
  proxy.cut();
  await sending.says('there is no connection to the broker (');
  sending.write(busPoints(3, 5));
  const { code, summary, told } = await interrupted(sending);
  expect([code, summary?.['interrupted']]).toEqual([1, true]);
  // Confirmations may have been lost with the connection.
  expect(Number(summary?.['tasks']) + Number(summary?.['unconfirmed'])).toBe(3);
  expect(told).not.toContain('a queue is full');
}

/** Nothing is known to be in the way: it says what it waits for, and a second signal ends it. */
async function whileTheBrokerSaysNothing(): Promise<void> {
  const { proxy, sending } = await started();
  proxy.stall(true);
  const { bytesUp } = proxy;
  sending.write(busPoints(3, 5));
  await expect.poll(() => proxy.bytesUp, { timeout: 20_000, interval: 20 }).toBeGreaterThan(bytesUp + 100);
  sending.signal('SIGINT');
  await sending.says('interrupted: waiting until what was handed over is in its queues; Ctrl-C again ends at once');
  expect(await interrupted(sending)).toMatchObject({ code: null, signal: 'SIGINT', summary: null });
}

it('ends while a queue is full, while the broker is away, and at a second signal while the broker says nothing', async () => {
  await Promise.all([whileAQueueIsFull(), whileTheBrokerIsAway(), whileTheBrokerSaysNothing()]);
});
