/** Since when nothing can come again, against a broker in memory whose messages are on their way for as long as chance will have it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type QueueLook, RedeliveryHorizon } from '../../lib/queue/amqp/horizon.js';

function look(given: Partial<QueueLook>): QueueLook {
  return { at: 0, acknowledged: 0, waiting: 0, received: 0, ...given };
}

test('knows nothing before the first look, and at once when nothing waits and all is acknowledged', () => {
  const settled = new RedeliveryHorizon();
  expect(settled.before).toBeNull();
  settled.looked(look({ at: 10, acknowledged: 5, received: 5 }));
  expect(settled.before).toBe(10);
});

test('waits for an acknowledgement until a later look', () => {
  const settled = new RedeliveryHorizon();
  settled.looked(look({ at: 10, acknowledged: 4, received: 5 }));
  expect(settled.before).toBeNull();
  settled.looked(look({ at: 20, acknowledged: 5, received: 9 }));
  expect(settled.before).toBe(10);
});

test('goes forward under a load that never lets the queues run empty', () => {
  const settled = new RedeliveryHorizon();
  let tag = 0;
  for (let at = 1; at <= 50; at++) {
    settled.looked(look({ at, acknowledged: tag, waiting: 300, received: tag + 50 }));
    tag += 100;
  }
  expect(settled.before).toBeGreaterThan(35);
});

test('begins anew when the channel is lost', () => {
  const settled = new RedeliveryHorizon();
  settled.looked(look({ at: 10, acknowledged: 0, received: 5 }));
  settled.lost();
  settled.looked(look({ at: 20, acknowledged: 3, received: 8 }));
  expect(settled.before).toBeNull();
});

interface Sent {
  readonly put: number;
  readonly tag: number;
}

/** A channel with its queue, whose messages are the moments when they were put there: what the broker sends arrives later, and so do our acknowledgements. */
class Channel {
  private readonly ready: number[] = [];
  private readonly onTheWay: Sent[] = [];
  private readonly unacknowledged: Sent[] = [];
  private readonly acknowledging: number[] = [];
  private readonly finished = new Set<number>();
  private sentTags = 0;
  private received = 0;
  private acknowledged = 0;

  constructor(private readonly settled: RedeliveryHorizon) {}

  put(moment: number): void {
    this.ready.push(moment);
  }

  send(): void {
    const put = this.ready.shift();
    if (put === undefined) return;
    const sent = { put, tag: ++this.sentTags };
    this.onTheWay.push(sent);
    this.unacknowledged.push(sent);
  }

  receive(): void {
    const sent = this.onTheWay.shift();
    if (sent === undefined) return;
    this.received = sent.tag;
  }

  /** Acknowledges what is finished from the first on; the broker learns of it later. */
  finish(skip: number): void {
    const tag = this.acknowledged + 1 + skip;
    if (tag <= this.received) this.finished.add(tag);
    while (this.finished.delete(this.acknowledged + 1)) this.acknowledging.push(++this.acknowledged);
  }

  /** The broker hears acknowledgements up to a question, and answers it behind what it sent before. */
  look(at: number): void {
    const { acknowledged } = this;
    this.hear(this.acknowledging.length);
    const waiting = this.ready.length;
    // The first answer may overtake deliveries; the second comes behind them.
    while (this.onTheWay.length > 0) this.receive();
    this.settled.looked({ at, acknowledged, waiting, received: this.received });
  }

  hear(count: number): void {
    const heard = new Set(this.acknowledging.splice(0, count));
    for (let n = this.unacknowledged.length - 1; n >= 0; n--) {
      if (heard.has(this.unacknowledged[n]!.tag)) this.unacknowledged.splice(n, 1);
    }
  }

  lose(): void {
    this.ready.unshift(...this.unacknowledged.map(({ put }) => put));
    for (const list of [this.unacknowledged, this.onTheWay, this.acknowledging]) list.length = 0;
    this.finished.clear();
    [this.sentTags, this.received, this.acknowledged] = [0, 0, 0];
    this.settled.lost();
  }

  get oldest(): number {
    return Math.min(...this.ready, ...this.unacknowledged.map(({ put }) => put));
  }
}

test('never calls settled what can still come, whatever is on its way, finished late or returned', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ what: fc.constant('put' as const) }) },
    { weight: 6, arbitrary: fc.record({ what: fc.constant('send' as const) }) },
    { weight: 6, arbitrary: fc.record({ what: fc.constant('receive' as const) }) },
    { weight: 8, arbitrary: fc.record({ what: fc.constant('finish' as const), skip: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('look' as const) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('hear' as const), count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('lose' as const) }) },
  );
  let known = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), (steps) => {
      const settled = new RedeliveryHorizon();
      const channel = new Channel(settled);
      for (const [now, each] of steps.entries()) {
        if (each.what === 'put') channel.put(now);
        else if (each.what === 'send') channel.send();
        else if (each.what === 'receive') channel.receive();
        else if (each.what === 'finish') channel.finish(each.skip);
        else if (each.what === 'look') channel.look(now);
        else if (each.what === 'hear') channel.hear(each.count);
        else channel.lose();
        if (settled.before === null) continue;
        known++;
        expect(channel.oldest).toBeGreaterThanOrEqual(settled.before);
      }
    }),
    { numRuns: 1_000 },
  );
  expect(known).toBeGreaterThan(1_000);
});
