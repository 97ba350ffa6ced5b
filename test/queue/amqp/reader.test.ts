import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Consumer } from '../../../lib/queue/amqp/consumer.js';
import { QueueDelivery } from '../../../lib/queue/delivery.js';
import { exchangeNames, queueNames } from '../../../lib/queue/names.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { AmqpBed, type AmqpBedOptions, APP } from '../../support/amqp-bed.js';
import { AmqpConsumer, compileAmqpProcess } from '../../support/amqp-consumer.js';
import type { CompiledProgram } from '../../support/compiled.js';
import { CountingPath, numberedTasks } from '../../support/counting-path.js';
import { ACK, amqpLength, HoldingProxy, isMethod } from '../../support/holding-proxy.js';
import { capturingLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { RawQueue } from '../../support/raw-queue.js';
import { Taken } from '../../support/taken.js';

let program: CompiledProgram;
beforeAll(() => {
  program = compileAmqpProcess();
});
afterAll(() => program.remove());

const TYPES = ['classic', 'quorum'] as const;

/** A bed on a fresh virtual host, for one index. */
async function bedOn(host: TestVirtualHost, { address, ...options }: Partial<AmqpBedOptions> = {}): Promise<AmqpBed> {
  const bed = new AmqpBed({ address: { ...host, ...address }, numProcesses: 1, ...options });
  onTestFinished(() => bed.close());
  return bed;
}

/** Sends messages as a program of somebody else does. */
async function publish(
  host: TestVirtualHost,
  messages: readonly { readonly body: Buffer; readonly options?: amqp.Options.Publish }[],
): Promise<void> {
  const connection = await amqp.connect(host.url);
  const channel = await connection.createConfirmChannel();
  for (const { body, options } of messages) channel.publish(exchangeNames(APP).normal, '0', body, options);
  await channel.waitForConfirms();
  await connection.close();
}

describe.each(TYPES)('a reader of %s queues', (queueType) => {
  const broker = { queueType };

  it('stands by for the owner and takes over within a second of its death', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { broker });
    const owner = new AmqpConsumer(program, { address: host, broker, runtimeDir: bed.runtimeDir });
    await owner.consumes();
    const taken = new Taken();
    const consuming = taken.consume(await bed.reader(0));
    await taken.until(() => taken.told.includes('standby'));
    await owner.kill();
    const killedAt = performance.now();
    await consuming;
    expect(performance.now() - killedAt).toBeLessThan(1_000);
    await (await bed.writer()).send(numberedTasks(0, 10));
    expect(await taken.take(10)).toHaveLength(10);
    expect(taken.told).toEqual(['standby']);
  });

  it('stands by and takes over also where nobody tells it of which type they are', async () => {
    const host = await freshVirtualHost();
    const owner = await (await bedOn(host, { broker })).reader(0);
    await new Taken().consume(owner);
    const user = `dp3-${host.virtualHost.slice(-12)}`;
    await host.manage('PUT', `/users/${user}`, { password: 'x', tags: '' });
    onTestFinished(async () => void (await host.manage('DELETE', `/users/${user}`)));
    await host.manage('PUT', `/permissions/%v/${user}`, { configure: '^$', write: '.*', read: '.*' });
    const address = { ...host, username: user, password: 'x' };
    const bed = await bedOn(host, { address, broker: { declare: false, queueType: 'quorum' } });
    const taken = new Taken();
    const consuming = taken.consume(await bed.reader(0));
    await taken.until(() => taken.told.includes('standby'));
    await (await bed.writer()).send(numberedTasks(0, 10));
    await owner.stop();
    await consuming;
    expect((await taken.take(10)).map(({ id }) => id)).toEqual(numberedTasks(0, 10).map(({ id }) => id));
  });

  it('has a full window while the broker hands out no more, although there is room', async () => {
    const bed = await bedOn(await freshVirtualHost(), { broker: { ...broker, prefetch: 4 } });
    await (await bed.writer()).send(numberedTasks(0, 8));
    const taken = new Taken();
    const reader = await bed.reader(0, { tasks: 100 });
    await taken.consume(reader);
    const first = await taken.take(4);
    expect(reader.window).toMatchObject({ tasks: 4, tasksLimit: 100, full: true });
    for (const delivery of first) delivery.settle();
    for (const delivery of await taken.take(4)) delivery.settle();
    await expect.poll(() => reader.window, { interval: 1 }).toMatchObject({ tasks: 0, full: false });
  });

  it('gives all others what slow tasks leave of the prefetch, without a pause', async () => {
    const bed = await bedOn(await freshVirtualHost(), { broker: { ...broker, prefetch: 8 } });
    await (await bed.writer()).send(numberedTasks(0, 65));
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    await taken.take(5);
    const startedAt = performance.now();
    for (let n = 0; n < 60; n++) (await taken.take(1))[0]!.settle();
    // Acknowledged once a second alone, they would take twenty.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('takes over from an owner that is stopped, after a few heartbeats, and gets its tasks in order', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { broker });
    const owner = new AmqpConsumer(program, {
      address: host,
      broker: { ...broker, heartbeatMs: 1_000 },
      runtimeDir: bed.runtimeDir,
    });
    await owner.consumes();
    owner.signal('SIGSTOP');
    const tasks = numberedTasks(0, 300);
    await (await bed.writer()).send(tasks);
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    expect((await taken.take(300)).map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
    owner.signal('SIGCONT');
  });

  it('lets go at once when it is stopped while it stands by', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { broker });
    await new Taken().consume(await bed.reader(0));
    const second = await bed.reader(0);
    const taken = new Taken();
    const consuming = expect(taken.consume(second)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await taken.until(() => taken.told.includes('standby'));
    await second.stop();
    await consuming;
  });

  it('gives open deliveries back in order and gets them again once its owner has settled down', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { broker });
    const tasks = numberedTasks(0, 500);
    await (await bed.writer()).send(tasks);
    const taken = new Taken();
    const reader = await bed.reader(0, { tasks: 200 });
    await taken.consume(reader);
    const first = await taken.take(200);
    for (const n of [0, 1, 2, 10, 17]) first[n]!.settle();
    let settleDown = () => {};
    taken.settlesDown = () => new Promise((resolve) => (settleDown = resolve));
    reader.requeueAll();
    expect(taken.told).toEqual(['lost']);
    expect(reader.window.tasks).toBe(0);
    first[5]!.settle(); // too late
    expect(taken.deliveries).toHaveLength(0);
    settleDown();
    const again = await taken.take(200);
    expect(taken.told).toEqual(['lost', 'restored']);
    const settled = new Set([0, 1, 2, 10, 17].map((n) => tasks[n]!.id));
    expect(again.map(({ id }) => id)).toEqual(
      tasks
        .map(({ id }) => id)
        .filter((id) => !settled.has(id))
        .slice(0, 200),
    );
  });

  it('recovers from an error of its channel without losing the connection', async () => {
    const host = await freshVirtualHost();
    const log = capturingLogger();
    const bed = await bedOn(host, { broker, log });
    await (await bed.writer()).send(numberedTasks(0, 10));
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    const [one] = await taken.take(10);
    if (one instanceof QueueDelivery && one.origin instanceof Consumer) {
      one.origin.settle(9_999, 0);
      one.origin.flush(true);
    }
    await taken.until(() => taken.told.includes('restored'));
    expect((await taken.take(10)).map(({ id }) => id)).toEqual(numberedTasks(0, 10).map(({ id }) => id));
    expect(log.lines.some(({ fields }) => String(fields['why']).includes('406'))).toBe(true);
    expect(log.lines.some(({ message }) => message.includes('connection to the broker is lost'))).toBe(false);
  });

  it.each([true, false])(
    'recovers from the loss of its queues with what runs and in order, where declare is %s',
    async (declare) => {
      const host = await freshVirtualHost();
      const others = await bedOn(host, { broker });
      const writer = await others.writer();
      const bed = await bedOn(host, { broker: { ...broker, declare } });
      const keys = 8;
      let [running, allRun, release] = [0, () => {}, () => {}];
      let released: Promise<void> | undefined;
      const hook = () => {
        if (++running === keys) allRun();
        return released;
      };
      const path = new CountingPath({ events: bed.events, hook });
      onTestFinished(() => {
        release();
        return path.stop();
      });
      await path.start(await bed.reader(0));
      const heard = (event: 'reader-lost' | 'reader-restored') =>
        new Promise<void>((resolve) => bed.events.on(event, () => resolve()));
      let sent = 0;
      const send = (count: number) => {
        sent += count;
        return writer.send(numberedTasks(sent - count, sent, { keys }));
      };
      for (const queue of Object.values(queueNames(APP, 0))) {
        const [lost, restored] = [heard('reader-lost'), heard('reader-restored')];
        const full = new Promise<void>((resolve) => (allRun = resolve));
        running = 0;
        released = new Promise<void>((resolve) => (release = resolve));
        await send(keys);
        await full;
        await host.manage('DELETE', `/queues/%v/${queue}`);
        await lost;
        released = undefined;
        release();
        // By hand, where the reader only looks.
        if (!declare) await others.reader(0);
        await restored;
        await send(2 * keys);
        await path.untilDone(sent);
      }
      expect(path.wrong).toEqual([]);
      expect(path.executed).toHaveLength(sent);
    },
  );

  it('keeps what is in memory under its bound, whatever the size of messages, and loses none of them', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { broker });
    const padding = 400_000;
    const writer = await bed.writer();
    await writer.send(numberedTasks(0, 100, { keys: 5 }));
    await writer.send(numberedTasks(100, 150, { keys: 5, padding }));
    await writer.send(numberedTasks(150, 300, { keys: 5 }));
    const path = new CountingPath({ events: bed.events });
    onTestFinished(() => path.stop());
    const reader = await bed.reader(0, { bytes: 2 ** 20 });
    let losses = 0;
    bed.events.on('reader-lost', () => losses++);
    let most = 0;
    bed.events.on('task-received', () => {
      most = Math.max(most, reader.window.bytes);
    });
    await path.start(reader);
    await path.untilDone(300);
    expect(path.wrong).toEqual([]);
    expect(most).toBeLessThan(2 ** 20 + padding + 1_000);
    // Its channels were replaced behind its back.
    expect(losses).toBe(0);
  });

  it('leaves a channel alone that could not keep its messages, as long as the other queue takes up all memory', async () => {
    const host = await freshVirtualHost();
    const log = capturingLogger();
    const bed = await bedOn(host, { broker, log });
    const [keys, small] = [60, 16];
    const writer = await bed.writer();
    await writer.send(numberedTasks(0, small, { keys }));
    await writer.send(numberedTasks(small, keys, { keys, padding: 400_000 }));
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const isSmall = (key: string) => Number(key.slice('bus:'.length)) < small;
    const path = new CountingPath({ events: bed.events, hook: ({ key }) => (isSmall(key) ? undefined : released) });
    onTestFinished(() => {
      release();
      return path.stop();
    });
    const reader = await bed.reader(0, { bytes: 2 ** 20 });
    await path.start(reader);
    const names = queueNames(APP, 0);
    const [normal, priority] = [await RawQueue.of(host.url, names.normal), await RawQueue.of(host.url, names.priority)];
    await expect.poll(() => normal.depth(), { timeout: 10_000, interval: 20 }).toBe(0);
    const replaced = () => log.lines.filter(({ message }) => message.includes('by another channel')).length;
    const before = replaced();
    const derived = numberedTasks(keys, keys + 2, { keys, padding: 500_000 });
    await writer.send(derived.map((task) => ({ ...task, priority: true })));
    await expect.poll(() => priority.depth(), { timeout: 10_000, interval: 20 }).toBe(0);
    for (let questions = 0; questions < 100; questions++) await priority.depth();
    expect(replaced()).toBe(before);
    release();
    await path.untilDone(keys + 2);
    expect(path.wrong).toEqual([]);
    expect(log.lines.filter(({ message }) => message.includes('consumed anew'))).toEqual([]);
  });
});

describe('what runs when a process ends', () => {
  it('counts an attempt for a task that kills its process, and for no other', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host);
    const tasks = numberedTasks(0, 20, { keys: 20 });
    await (await bed.writer()).send(tasks);
    for (let attempt = 0; attempt < 2; attempt++) {
      await new AmqpConsumer(program, { address: host, runtimeDir: bed.runtimeDir, deadly: 'bus:7' }).exited;
    }
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    await taken.until(() => taken.ids.includes('task 19'));
    expect(taken.deliveries.filter(({ attempts }) => attempts > 0).map(({ id, attempts }) => [id, attempts])).toEqual([
      ['task 7', 2],
    ]);
  });

  it('loses at most once only what had started: a task is acknowledged when it starts', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { delivery: 'at-most-once' });
    const tasks = numberedTasks(0, 40, { keys: 10 });
    await (await bed.writer()).send(tasks);
    const started: string[] = [];
    let four = () => {};
    const fourStarted = new Promise<void>((resolve) => (four = resolve));
    const never = new Promise<void>(() => {});
    const hook = ({ key }: { readonly key: string }, number: number) => {
      started.push(`${key} ${number}`);
      if (started.length === 4) four();
      return never;
    };
    const path = new CountingPath({ events: bed.events, delivery: 'at-most-once', threads: 4, hook });
    const reader = await bed.reader(0);
    await path.start(reader);
    await fourStarted;
    await reader.stop();
    expect(started).toEqual(['bus:0 1', 'bus:1 1', 'bus:2 1', 'bus:3 1']);
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    await taken.until(() => taken.ids.includes('task 39'));
    expect(taken.ids).toEqual(tasks.slice(4).map(({ id }) => id));
  });

  it('does not run a task at most once again that killed its process as soon as it ran', async () => {
    const host = await freshVirtualHost();
    const bed = await bedOn(host, { delivery: 'at-most-once' });
    // Eight start together: one of the priority queue and seven of the normal one, of which one waits behind another of its key.
    const [first, ...tasks] = numberedTasks(0, 40, { keys: 41 });
    const [again] = numberedTasks(41, 42, { keys: 41 });
    const [priority] = numberedTasks(40, 41, { keys: 41 }).map((task) => ({ ...task, priority: true }));
    const writer = await bed.writer();
    for (const each of [[priority!, first!], [again!], tasks]) await writer.send(each);
    const order = { address: host, runtimeDir: bed.runtimeDir, deadly: 'bus:3', delivery: 'at-most-once' } as const;
    expect(await new AmqpConsumer(program, order).exited).toEqual([null, 'SIGKILL']);
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    await taken.until(() => taken.ids.includes('task 39'));
    expect(taken.ids).toEqual([again!, ...tasks.slice(6)].map(({ id }) => id));
  });

  it.each(['at-most-once', 'at-least-once'] as const)(
    'does not run a task again whose acknowledgement was lost with the connection, %s',
    async (delivery) => {
      const host = await freshVirtualHost();
      const proxy = await HoldingProxy.to(host, amqpLength);
      proxy.swallows = (direction, message) => direction === 'up' && isMethod(message, ACK);
      const bed = await bedOn(host, { delivery, broker: { port: proxy.port } });
      const tasks = numberedTasks(0, 60, { keys: 20 });
      await (await bed.writer()).send(tasks.slice(0, 40));
      let again = 0;
      bed.events.on('task-known', () => again++);
      const path = new CountingPath({ events: bed.events, delivery, threads: 4 });
      onTestFinished(() => path.stop());
      await path.start(await bed.reader(0));
      await path.untilDone(40);
      proxy.swallows = () => false;
      proxy.cut();
      await (await bed.writer()).send(tasks.slice(40));
      await path.untilDone(60);
      expect([path.wrong, path.done, again]).toEqual([[], 60, 40]);
    },
  );

  it('processes nothing at most once that comes again after a loss', async () => {
    const bed = await bedOn(await freshVirtualHost(), { delivery: 'at-most-once' });
    const total = 40;
    await (await bed.writer()).send(numberedTasks(0, total, { keys: 10 }));
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    let four = () => {};
    const fourStarted = new Promise<void>((resolve) => (four = resolve));
    let started = 0;
    const hook = () => {
      if (++started === 4) four();
      return released;
    };
    const path = new CountingPath({ events: bed.events, delivery: 'at-most-once', threads: 4, hook });
    onTestFinished(() => path.stop());
    const reader = await bed.reader(0);
    await path.start(reader);
    await fourStarted;
    reader.requeueAll();
    release();
    await path.untilDone(total);
    expect(path.wrong).toEqual([]);
    expect(started).toBe(total);
  });
});

describe('messages of other programs', () => {
  it('are handed out as they are, with ids that tell them apart, and those that may be lost are told of once', async () => {
    const host = await freshVirtualHost();
    const log = capturingLogger();
    const bed = await bedOn(host, { log });
    const taken = new Taken();
    await taken.consume(await bed.reader(0));
    const drawn = randomUUID();
    const huge = Buffer.from(`{"etype":"bus","eid":1${'0'.repeat(40)}}`);
    const bodies = [
      { body: huge, options: { messageId: drawn, contentType: 'application/json' } },
      {
        body: Buffer.from([0xff, 0xfe, 0x00, 0x80]),
        options: { contentType: 'application/octet-stream', persistent: true },
      },
      { body: Buffer.from('text'), options: { messageId: 'order-17', contentType: 'text/plain', persistent: true } },
      {
        body: Buffer.from('text'),
        options: { messageId: 'order-18', headers: { 'x-any': 'thing' }, persistent: true },
      },
      { body: Buffer.from('text'), options: { persistent: true } },
    ];
    await publish(host, bodies);
    const got = await taken.take(bodies.length);
    expect(got.map(({ body }) => body)).toEqual(bodies.map(({ body }) => body));
    const ids = got.map(({ id }) => id);
    expect(ids[0]).toBe(drawn);
    expect(new Set(ids).size).toBe(bodies.length);
    expect(got.map(({ lacksId }) => lacksId)).toEqual([false, true, false, false, true]);
    // Nothing but the body tells a message without an id from another one; whoever processes them names one of the two anew.
    await publish(host, [bodies[4]!]);
    const [twin] = await taken.take(1);
    expect(twin!.id).toBe(ids[4]);
    twin!.id = 'own';
    expect([twin!.id, got[4]!.id]).toEqual(['own', ids[4]]);
    for (const delivery of [...got, twin!]) delivery.settle();
    expect(log.lines.filter(({ message }) => message.includes('not persistent'))).toHaveLength(1);
  });
});
