import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Acknowledger } from '../../lib/queue/amqp/acks.js';

/** What RabbitMQ holds unacknowledged on a channel. It closes the channel over a tag that is not among it. */
class Channel {
  readonly pending = new Set<number>();
  readonly acks: (readonly [tag: number, multiple: boolean])[] = [];

  deliver(tag: number): void {
    this.pending.add(tag);
  }

  ack(tag: number, multiple: boolean): void {
    if (!this.pending.has(tag)) throw new Error(`406: unknown delivery tag ${tag}`);
    this.acks.push([tag, multiple]);
    for (const each of this.pending) if (each === tag || (multiple && each < tag)) this.pending.delete(each);
  }
}

function made(prefetch = 2_000): { channel: Channel; acknowledger: Acknowledger; deliver: (count: number) => void } {
  const channel = new Channel();
  const acknowledger = new Acknowledger((tag, multiple) => channel.ack(tag, multiple), prefetch);
  let tag = 0;
  const deliver = (count: number) => {
    for (let i = 0; i < count; i++) {
      tag++;
      channel.deliver(tag);
      acknowledger.received(tag);
    }
  };
  return { channel, acknowledger, deliver };
}

it('acknowledges everything up to the first unfinished delivery in one go', () => {
  const { channel, acknowledger, deliver } = made();
  deliver(10);
  for (const tag of [3, 1, 2, 5, 4, 8]) acknowledger.finished(tag);
  acknowledger.flush();
  expect(channel.acks).toEqual([[5, true]]);
  expect(acknowledger.unfinished).toBe(4);
});

it('acknowledges nothing before it is told to flush', () => {
  const { channel, acknowledger, deliver } = made();
  deliver(2);
  acknowledger.finished(1);
  expect(channel.acks).toEqual([]);
});

it('acknowledges singly what is finished beyond a slow task, once it is old or takes up too much', () => {
  const { channel, acknowledger, deliver } = made(14);
  deliver(10);
  for (const tag of [2, 3]) acknowledger.finished(tag);
  acknowledger.flush();
  expect(channel.acks).toEqual([]);
  for (const tag of [5, 6, 7, 8, 9]) acknowledger.finished(tag);
  acknowledger.flush();
  expect(channel.acks).toEqual([2, 3, 5, 6, 7, 8, 9].map((tag) => [tag, false]));
  acknowledger.finished(10);
  acknowledger.flushBeyond();
  expect(channel.acks.at(-1)).toEqual([10, false]);
  for (const tag of [1, 4]) acknowledger.finished(tag);
  acknowledger.flush();
  expect(channel.acks.at(-1)).toEqual([4, true]);
  expect([...channel.pending]).toEqual([]);
});

it('acknowledges singly what is finished beyond a slow task as soon as that keeps messages from coming', () => {
  const { channel, acknowledger, deliver } = made(8);
  deliver(6);
  acknowledger.finished(6);
  acknowledger.flush();
  expect(channel.acks).toEqual([[6, false]]);
  deliver(1);
  acknowledger.finished(1);
  acknowledger.finished(7);
  acknowledger.flush();
  // What was in the way is done: the rest may follow together.
  expect(channel.acks.slice(1)).toEqual([[1, true]]);
});

it('does so as well where the first unfinished ones are done, and yet too little room is left', () => {
  const { channel, acknowledger, deliver } = made(8);
  deliver(8);
  for (const tag of [1, 6, 7, 8]) acknowledger.finished(tag);
  acknowledger.flush();
  expect(channel.acks).toEqual([[1, true], ...[6, 7, 8].map((tag) => [tag, false])]);
});

it('tells since when the oldest unfinished delivery is open', () => {
  const { acknowledger, deliver } = made();
  expect(acknowledger.ageMs(1_000)).toBe(0);
  deliver(2);
  expect(acknowledger.ageMs(2_000)).toBe(0);
  deliver(1);
  expect(acknowledger.ageMs(3_000)).toBe(1_000);
  acknowledger.finished(1);
  expect(acknowledger.ageMs(4_000)).toBe(2_000);
  acknowledger.finished(2);
  expect(acknowledger.ageMs(5_000)).toBe(2_000);
  acknowledger.finished(3);
  expect(acknowledger.ageMs(9_000)).toBe(0);
});

it('in any order of finishing acknowledges each delivery once, none too early, and never a tag the broker does not know', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ do: fc.constant('finish' as const), pick: fc.nat() }),
    fc.record({ do: fc.constantFrom('flush' as const, 'flush beyond' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (steps, prefetch) => {
      const { channel, acknowledger, deliver } = made(prefetch);
      const open = new Set<number>();
      let delivered = 0;
      const finish = (tag: number) => {
        open.delete(tag);
        acknowledger.finished(tag);
      };
      const check = () => {
        for (const tag of open) expect(channel.pending.has(tag)).toBe(true);
        expect(acknowledger.unfinished).toBe(open.size);
        expect(acknowledger.unacknowledged).toBe(channel.pending.size);
      };
      for (const each of steps) {
        if (each.do === 'deliver') {
          for (let i = 0; i < each.count; i++) open.add(++delivered);
          deliver(each.count);
        } else if (!('pick' in each)) {
          if (each.do === 'flush') acknowledger.flush();
          else acknowledger.flushBeyond();
        } else if (open.size > 0) finish([...open][each.pick % open.size]!);
        check();
      }
      for (const tag of [...open]) finish(tag);
      acknowledger.flush();
      acknowledger.flushBeyond();
      expect(channel.pending.size).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});
