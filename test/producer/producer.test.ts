import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { type DataProducer, openProducer, type ProducerPoint } from '../../lib/producer/producer.js';
import { ROOT } from '../cli/program.js';
import { contentOf } from '../support/content.js';
import { CountingApplication } from '../support/counters.js';

let counting: CountingApplication;
let producer: DataProducer | undefined;

afterEach(async () => {
  await producer?.close({ timeout: 0 });
  producer = undefined;
  await counting.application.dispose();
});

const seen = (n: number, id = 'c1'): ProducerPoint => ({
  type: 'counter',
  id,
  attr: 'seen',
  v: n,
  t1: new Date(Date.UTC(2026, 0, 1) + n * 1000),
});

async function open(): Promise<DataProducer> {
  counting = new CountingApplication();
  producer = await openProducer({ config: counting.application.configDir, env: 'test' });
  return producer;
}

async function numbersOf(id = 'c1') {
  const { application } = counting;
  const program = application.start();
  await program.line('worker ready', 2);
  await application.idle();
  const { counters } = await contentOf(application);
  application.succeed(['stop']);
  await program.exited;
  return counters[id]?.seen;
}

it('sends data-points and tasks that are processed once and in order', async () => {
  const producer = await open();
  await producer.send([]);
  await producer.send([seen(0), seen(1), seen(0, 'c2')]);
  await producer.sendTasks([producer.task('counter', 'c1', [{ attr: 'seen', v: 2, t1: '2026-01-01T00:00:02Z' }])]);
  expect(producer.pendingBytes).toBe(0);
  await producer.close();
  await producer.close();
  await expect(producer.send([seen(3)])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  expect(await numbersOf()).toEqual([0, 1, 2]);
});

it('refuses what is wrong with its place, before any of the call is sent', async () => {
  const producer = await open();
  const refusals: readonly [unknown, RegExp][] = [
    [[seen(0), { ...seen(1), attr: 'sen' }], /^points\[1\]: .*"sen" is no attribute of counter.*seen/],
    [[{ ...seen(0), v: 'x' }], /^points\[0\]: .*counter:c1.*attribute seen.*"x"/],
    [[{ ...seen(0), t1: new Date(Number.NaN) }], /^points\[0\]: .*t1.*Invalid Date/],
    [[{ ...seen(0), sorce: 'a' }], /^points\[0\]: .*sorce.*ignored/],
    [[null], /^points\[0\]: .*null/],
    ['text', /^points: given was "text", allowed is a list/],
  ];
  for (const [points, why] of refusals) {
    await expect(producer.send(points as ProducerPoint[])).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
      message: expect.stringMatching(why),
    });
  }
  expect(() => producer.task('counter', 'c1', [{ attr: 'nothing', v: 1 }])).toThrow(/nothing/);
  const foreign = { ...producer.task('counter', 'c1', [], { delete: true }) };
  await expect(producer.sendTasks([foreign])).rejects.toMatchObject({ code: 'MESSAGE_INVALID' });
  await producer.close();
  expect(await numbersOf()).toBeUndefined();
});

it('waits for a full queue, says so, and refuses what it would have to hold beyond its bound', async () => {
  counting = new CountingApplication();
  const { application } = counting;
  application.reconfigure((text) => text.replace('{ kind: embedded }', '{ kind: embedded, max_length: 100 }'));
  let blocked = () => {};
  const full = new Promise<void>((resolve) => {
    blocked = resolve;
  });
  producer = await openProducer({
    config: application.configDir,
    maxPendingBytes: 400,
    onObstacle: (obstacle) => {
      if (obstacle?.kind === 'full') blocked();
    },
  });
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  for (const n of numbers) await producer.send([seen(n)]);
  // Nobody empties the queue: the next one waits in the producer, and those that do not fit there are refused.
  const waiting = producer.send([seen(100)]).catch((error: unknown) => error);
  await full;
  expect(producer.obstacle).toMatchObject({ kind: 'full' });
  expect(producer.pendingBytes).toBeGreaterThan(0);
  await expect(producer.send(Array.from({ length: 10 }, (_, n) => seen(101 + n)))).rejects.toMatchObject({
    code: 'PRODUCER_FULL',
    message: expect.stringMatching(/allowed are 400 together.*a queue is full/),
  });
  await producer.close({ timeout: 0 });
  expect(await waiting).toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  expect(producer.pendingBytes).toBe(0);
  expect(await numbersOf()).toEqual(numbers);
});

it('has lost nothing that was confirmed when its process is killed', async () => {
  counting = new CountingApplication();
  const { configDir } = counting.application;
  const script = join(ROOT, 'test', 'support', 'producing.mjs');
  const child = spawn(process.execPath, [script, configDir, 'counter', 'c', 'seen', '1000000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const confirmed: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [, n] = /^confirmed (\d+)$/.exec(line) ?? [];
    if (n !== undefined) confirmed.push(Number(n));
    if (confirmed.length === 500) child.kill('SIGKILL');
  }
  if (child.signalCode === null) await once(child, 'exit');
  expect(confirmed.length).toBeGreaterThanOrEqual(500);
  const stored = await numbersOf('c0');
  expect(stored).toEqual(expect.arrayContaining(confirmed.filter((n) => n % 7 === 0)));
  expect(new Set(stored).size).toBe(stored?.length);
}, 60_000);
