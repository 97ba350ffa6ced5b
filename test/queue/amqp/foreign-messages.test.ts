/** Messages of other programs, from a real broker through a worker's data path: what becomes of each, and that the next one follows. */

import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Emissions } from '../../../lib/commit/emissions.js';
import { Pipeline } from '../../../lib/pipeline/pipeline.js';
import { exchangeNames, queueNames } from '../../../lib/queue/names.js';
import { Placement } from '../../../lib/routing/placement.js';
import { systemClock } from '../../../lib/runtime/clock.js';
import { Troubles } from '../../../lib/runtime/troubles.js';
import { Records } from '../../../lib/store/records.js';
import { AmqpBed, APP } from '../../support/amqp-bed.js';
import { indexOf } from '../../support/index-of.js';
import { MemoryStore } from '../../support/memory-store.js';
import { workbench } from '../../support/modules.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { RawQueue } from '../../support/raw-queue.js';

const NUM_PROCESSES = 2;
const BUSES = Array.from({ length: 50 }, (_, n) => `bus ${n}`);
const [HERE = '', OTHER = ''] = BUSES.filter((eid) => indexOf(`bus:${eid}`, NUM_PROCESSES) === 0);
const ELSEWHERE = BUSES.find((eid) => indexOf(`bus:${eid}`, NUM_PROCESSES) === 1) ?? '';
const HUGE = 123_456_789_012_345_678_901_234_567_890n;

interface Message {
  readonly body: string | Buffer;
  readonly options?: amqp.Options.Publish;
}

/** A task as DP3's writer publishes it: Python's JSON without what was not set, and its properties. */
function byDp3(eid: string, attr: string, value: string): Message {
  const point = `{"etype": "bus", "eid": "${eid}", "attr": "${attr}", "v": ${value}, "t1": "2026-01-01T00:00:00", "src": "py"}`;
  const body = `{"etype": "bus", "eid": "${eid}", "data_points": [${point}]}`;
  return { body, options: { messageId: randomUUID(), correlationId: randomUUID(), timestamp: 1_767_225_600 } };
}

function withOptions({ body }: Message, options: amqp.Options.Publish): Message {
  return { body, options };
}

/** What a worker of index 0 made of the messages, once all are settled. */
async function processed(queueType: 'classic' | 'quorum', messages: readonly Message[]) {
  const host = await freshVirtualHost();
  const bed = new AmqpBed({ address: host, numProcesses: NUM_PROCESSES, broker: { queueType } });
  onTestFinished(() => bed.close());
  const { executor, spec } = workbench({});
  const store = new MemoryStore();
  const [reader, writer] = [await bed.reader(0), await bed.writer()];
  const stored = new Promise<void>((resolve) => {
    bed.events.on('commit-stored', () => store.stored.length === messages.length && resolve());
  });
  const connection = await amqp.connect(host.url);
  const channel = await connection.createConfirmChannel();
  for (const { body, options } of messages) channel.publish(exchangeNames(APP).normal, '0', Buffer.from(body), options);
  await channel.waitForConfirms();
  await connection.close();
  const pipeline = new Pipeline({
    ownership: await store.own(0),
    placement: new Placement(NUM_PROCESSES),
    delivery: 'effectively-once',
    spec,
    backend: { reader, writer, store },
    records: new Records(store, { bytes: 2 ** 20 }),
    execute: (task, delivery) => executor.execute(task, delivery),
    limits: {
      threads: 8,
      normalEvery: 16,
      commit: { tasks: 512, bytes: 2 ** 20, ageMs: 5 },
      outboxBatch: 100,
      messageBytes: 2 ** 20,
      future: { maxFutureMs: null, beyond: 'refuse' },
      maxAttempts: 3,
      maxRestarts: 20,
    },
    storeTroubles: new Troubles(),
    clock: systemClock,
    events: bed.events,
    emissions: new Emissions(),
    failed: (reason) => expect.unreachable(String(reason)),
  });
  onTestFinished(() => {
    pipeline.abandon('the test ends');
  });
  await pipeline.start();
  await stored;
  return { host, store, reader };
}

describe.each(['classic', 'quorum'] as const)('messages of other programs in %s queues', (queueType) => {
  it('are applied where they are tasks, whatever their properties, quarantined where not, and all acknowledged', async () => {
    const task = byDp3(OTHER, 'tag', 'true');
    const { host, store, reader } = await processed(queueType, [
      byDp3(HERE, 'int', String(HUGE)),
      { body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), options: { messageId: randomUUID() } },
      { body: 'text', options: { contentType: 'text/plain' } },
      { body: '{"etype": "tram", "eid": "1", "data_points": []}' },
      withOptions(task, { contentType: 'application/octet-stream', contentEncoding: 'gzip', headers: { 'x-any': 1 } }),
      withOptions(byDp3(OTHER, 'text', '"last"'), { contentType: 'text/plain', messageId: 'order-18' }),
      byDp3(HERE, 'int', '1.5'),
      byDp3(HERE, 'text', '"after all of them"'),
    ]);
    const here = store.records.get(`bus:${HERE}`)?.state;
    expect(here?.observations.get('int')).toMatchObject({ count: 1, newest: { v: HUGE } });
    expect(here?.plain.get('text')?.v).toBe('after all of them');
    const other = store.records.get(`bus:${OTHER}`)?.state;
    expect([other?.plain.get('text')?.v, other?.plain.has('tag')]).toEqual(['last', true]);
    expect(store.quarantined.map(({ code, body }) => [code, body.subarray(0, 12).toString('latin1')])).toEqual([
      ['MESSAGE_INVALID', '{\xff\xfe}'],
      ['MESSAGE_INVALID', 'text'],
      ['MESSAGE_INVALID', '{"etype": "t'],
      ['MESSAGE_INVALID', '{"etype": "b'],
    ]);
    await reader.stop();
    expect(await (await RawQueue.of(host.url, queueNames(APP, 0).normal)).depth()).toBe(0);
  });

  it('go on to their own index under their own id where they were sent to another one', async () => {
    const misrouted = byDp3(ELSEWHERE, 'text', '"elsewhere"');
    const { host, store, reader } = await processed(queueType, [misrouted, byDp3(HERE, 'text', '"here"')]);
    const { normal, priority } = queueNames(APP, 1);
    const queues = [await RawQueue.of(host.url, normal), await RawQueue.of(host.url, priority)];
    for (const queue of queues) await queue.consume();
    const id = misrouted.options?.messageId ?? '';
    await Promise.race(queues.map((queue) => queue.all([id])));
    const [message] = queues.flatMap(({ messages }) => messages);
    expect(JSON.parse(String(message?.content))).toMatchObject(JSON.parse(String(misrouted.body)));
    expect(store.stored.map(({ result }) => result.outcome)).toEqual(['forwarded', 'applied']);
    expect(store.records.has(`bus:${ELSEWHERE}`)).toBe(false);
    await reader.stop();
    expect(await (await RawQueue.of(host.url, queueNames(APP, 0).normal)).depth()).toBe(0);
  });
});
