/** Acknowledgements on a real broker, and what they look like. */
import { PassThrough } from 'node:stream';
import type { Channel } from 'amqplib';
import { connect } from 'amqplib';
import { expect, test } from 'vitest';
import { acksOf } from '../../../lib/queue/amqp/acks.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';

/** As amqplib keeps them. */
function channelOf(stream: PassThrough, ch = 0x0203): Channel {
  return { ch, connection: { stream } } as unknown as Channel;
}

test('the broker takes them on the channel that they are of, one by one and all up to one', async () => {
  const { url } = await freshVirtualHost();
  const model = await connect(url);
  const [other, channel] = [await model.createChannel(), await model.createChannel()];
  await other.assertQueue('acknowledged');
  for (let n = 0; n < 120; n++) other.sendToQueue('acknowledged', Buffer.from(`${n}`));
  const acks = acksOf(channel);
  let received = 0;
  await new Promise<void>((resolve) => {
    void channel.consume('acknowledged', () => ++received === 120 && resolve());
  });
  acks.add(10, true);
  for (let tag = 100; tag > 20; tag--) acks.add(tag, false);
  acks.write();
  acks.add(15, true);
  acks.write();
  // The same channel answers in order.
  await channel.checkQueue('acknowledged');
  await channel.close();
  const left: number[] = [];
  for (let n = 0; n < 25; n++) {
    const message = await other.get('acknowledged', { noAck: true });
    if (message !== false) left.push(Number(message.content) + 1);
  }
  expect(left).toEqual([16, 17, 18, 19, 20, ...Array.from({ length: 20 }, (_, n) => 101 + n)]);
  await model.close();
});

test('tags beyond 32 bits are whole, and what is written stays as it is', () => {
  const stream = new PassThrough({ highWaterMark: 1 });
  const acks = acksOf(channelOf(stream));
  acks.add(0x0123_4567_89ab, true);
  acks.write();
  acks.add(1, false);
  acks.write();
  const begin = '0102030000000d003c0050';
  expect(stream.read().toString('hex')).toBe(`${begin}00000123456789ab01ce${begin}000000000000000100ce`);
});

test('there are none on a connection that is gone', () => {
  const stream = new PassThrough();
  const acks = acksOf(channelOf(stream));
  stream.destroy();
  acks.write();
  acks.add(1, false);
  expect(() => acks.write()).toThrow('the connection to the broker is closed');
});

test("amqplib's own way is taken where its socket is not found", () => {
  const sent: unknown[] = [];
  const channel = { ack: (message: unknown, multiple: boolean) => sent.push(message, multiple) } as unknown as Channel;
  const acks = acksOf(channel);
  acks.add(7, true);
  acks.write();
  expect(sent).toEqual([{ fields: expect.objectContaining({ deliveryTag: 7 }) }, true]);
});

test('amqplib keeps its socket where it is looked for', async () => {
  const { url } = await freshVirtualHost();
  const model = await connect(url);
  const channel = await model.createChannel();
  channel.ack = () => expect.fail('not by its socket');
  acksOf(channel).add(1, false);
  await model.close();
});
