import { EventEmitter } from 'node:events';
import type { Channel, ConsumeMessage } from 'amqplib';
import { expect, it } from 'vitest';
import { Consumption, type HeldBytes, noBytesHeld } from '../../lib/queue/amqp/consumption.js';
import { MessageSizes } from '../../lib/queue/amqp/prefetch.js';
import { Replacing } from '../../lib/queue/amqp/replacing.js';
import { manualClock } from '../support/clock.js';
import { silentLogger } from '../support/logger.js';

const MEBIBYTE = 2 ** 20;

/** A consumed queue whose channel delivers what the test says, and what was replaced. */
async function consumed({
  prefetch = 2_000,
  held = noBytesHeld(MEBIBYTE),
}: {
  prefetch?: number;
  held?: HeldBytes;
} = {}) {
  let receive: (message: ConsumeMessage | null) => void = () => {};
  const acks: number[] = [];
  const channel = Object.assign(new EventEmitter(), {
    prefetch: async () => {},
    consume: async (_: string, callback: typeof receive) => {
      receive = callback;
    },
    ack: ({ fields }: { fields: { deliveryTag: number } }) => acks.push(fields.deliveryTag),
    close: async () => void channel.emit('close'),
  });
  const consumption = new Consumption({
    queue: 'q',
    priority: false,
    prefetch,
    // What is used of a channel stands above.
    channel: channel as unknown as Channel,
    sizes: new MessageSizes(),
    held,
  });
  await consumption.consume(true);
  const clock = manualClock();
  const replaced: Consumption[] = [];
  const replacing = new Replacing({
    log: silentLogger,
    opening: () => {
      const limits = { most: 2_000, bytes: MEBIBYTE / 2 };
      return {
        classic: true,
        limits,
        held,
        clock,
        get connection(): never {
          throw new Error('no connection');
        },
      };
    },
    pair: () => ({ priority: consumption, normal: consumption, held }),
    replaced: () => {},
    failed: () => replaced.push(consumption),
    pump: () => {},
  });
  consumption.listen({ arrived: (from) => replacing.arrived(from), ended: () => {} });
  let tag = 0;
  const deliver = (bytes: number) => {
    const fields = { consumerTag: '', deliveryTag: ++tag, redelivered: false, exchange: '', routingKey: '' };
    receive({ content: Buffer.alloc(bytes), fields, properties: {} as ConsumeMessage['properties'] });
  };
  const settle = (message: ConsumeMessage) => {
    consumption.settle(message.fields.deliveryTag, message.content.length, false);
    consumption.flush();
    replacing.settled(consumption);
  };
  return { consumption, clock, replacing, replaced, deliver, settle, held, acks };
}

it('keeps messages up to the bound of all memory and hands out those that came before', async () => {
  const { consumption, deliver, held } = await consumed();
  for (let i = 0; i < 30; i++) deliver(MEBIBYTE);
  expect(held.bytes).toBe(17 * MEBIBYTE);
  expect(consumption.overrun).toBe(true);
  let taken = 0;
  for (; consumption.hasNext; taken++) consumption.take();
  expect(taken).toBe(17);
});

it('keeps a message that is larger than all memory where it is the only one', async () => {
  const { consumption, deliver } = await consumed();
  deliver(20 * MEBIBYTE);
  expect([consumption.hasNext, consumption.overrun]).toEqual([true, false]);
});

it('is replaced once everything that was kept is settled, and not before', async () => {
  const { consumption, deliver, settle } = await consumed();
  for (let i = 0; i < 30; i++) deliver(MEBIBYTE);
  const kept: ConsumeMessage[] = [];
  while (consumption.hasNext) kept.push(consumption.take());
  for (const message of kept.slice(0, -1)) settle(message);
  expect(consumption.ended).toBe(false);
  settle(kept.at(-1)!);
  expect(consumption.ended).toBe(true);
});

it('is left alone as long as the other queue of its pair takes up all memory', async () => {
  const held = { bytes: 17 * MEBIBYTE, limit: 17 * MEBIBYTE };
  const { consumption, deliver, replacing } = await consumed({ held });
  deliver(300);
  deliver(300);
  expect([consumption.overrun, consumption.ended]).toEqual([true, false]);
  held.bytes = 10 * MEBIBYTE;
  replacing.settled(consumption);
  expect(consumption.ended).toBe(false);
  held.bytes = MEBIBYTE;
  replacing.settled(consumption);
  expect(consumption.ended).toBe(true);
});

it('is replaced when its prefetch does not suit the sizes and nothing of it is open, and else soon goes on', async () => {
  const { consumption, clock, deliver, settle, held } = await consumed();
  for (let i = 0; i < 63; i++) deliver(10_000);
  const open = consumption.take();
  deliver(10_000);
  expect([consumption.holding, consumption.hasNext]).toEqual([true, false]);
  clock.pass(100);
  expect([consumption.holding, consumption.hasNext, consumption.ended]).toEqual([false, true, false]);
  settle(open);
  expect(consumption.ended).toBe(false);
  // It rests a while before the next attempt, which finds it idle.
  clock.pass(20_000);
  const rest: ConsumeMessage[] = [];
  while (consumption.hasNext) rest.push(consumption.take());
  for (const message of rest) settle(message);
  for (let i = 0; i < 64; i++) deliver(10_000);
  expect(consumption.ended).toBe(true);
  expect(held.bytes).toBe(0);
});
