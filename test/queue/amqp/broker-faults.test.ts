/** Faults of the whole broker, on a node of its own: what is persistent survives its crash, and an alarm stops nobody from acknowledging. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../../services/rabbitmq-node.js';
import { AmqpBed } from '../../support/amqp-bed.js';
import { AmqpConsumer, compileAmqpProcess } from '../../support/amqp-consumer.js';
import type { CompiledProgram } from '../../support/compiled.js';
import { CountingPath, numberedTasks } from '../../support/counting-path.js';

let broker: PrivateRabbitMq;
let program: CompiledProgram;
beforeAll(async () => {
  program = compileAmqpProcess();
  broker = await startPrivateRabbitMq();
}, 120_000);
afterAll(async () => {
  program.remove();
  await broker.stop();
});

async function bed(): Promise<AmqpBed> {
  const host = await broker.virtualHost();
  const made = new AmqpBed({ address: host, numProcesses: 1, broker: { maxLength: 100_000 } });
  onTestFinished(async () => {
    await made.close();
    await host.remove();
  });
  return made;
}

it('a crash of the broker in the middle of 50,000 persistent tasks loses, doubles and reorders none', async () => {
  const total = 50_000;
  const made = await bed();
  const writer = await made.writer();
  for (let n = 0; n < total / 2; n += 5_000) await writer.send(numberedTasks(n, n + 5_000));
  const path = new CountingPath({ events: made.events });
  await path.start(await made.reader(0, { tasks: 4_000 }));
  const sending = (async () => {
    for (let n = total / 2; n < total; n += 5_000) await writer.send(numberedTasks(n, n + 5_000));
  })();
  await path.untilDone(5_000);
  await broker.kill();
  await broker.resume();
  await sending;
  await path.untilDone(total);
  await path.stop();
  expect(path.wrong).toEqual([]);
  expect(path.done).toBe(total);
});

it('an alarm that blocks publishing lets tasks be processed and acknowledged', async () => {
  const made = await bed();
  const writer = await made.writer();
  await writer.send(numberedTasks(0, 3_000));
  await broker.alarm(true);
  onTestFinished(() => broker.alarm(false));
  const late = writer.send(numberedTasks(3_000, 3_100));
  const path = new CountingPath({ events: made.events });
  const reader = await made.reader(0);
  await path.start(reader);
  await path.untilDone(3_000);
  await expect.poll(() => reader.window.tasks, { timeout: 5_000 }).toBe(0);
  await expect.poll(() => reader.depth(), { timeout: 5_000 }).toEqual({ normal: 0, priority: 0 });
  await broker.alarm(false);
  await late;
  await path.untilDone(3_100);
  await path.stop();
  expect(path.wrong).toEqual([]);
});

it('2,000 waiting messages of a mebibyte each are processed in less than 512 MiB', async () => {
  const total = 2_000;
  const host = await broker.virtualHost();
  onTestFinished(() => host.remove());
  const made = new AmqpBed({ address: host, numProcesses: 1 });
  onTestFinished(() => made.close());
  const writer = await made.writer();
  for (let n = 0; n < total; n += 200) await writer.send(numberedTasks(n, n + 200, { padding: 2 ** 20 }));
  const consumer = new AmqpConsumer(program, { address: host, runtimeDir: made.runtimeDir });
  await consumer.until(({ done }) => done === total);
  expect(consumer.last.wrong).toEqual([]);
  expect(consumer.last.mostBytes).toBeLessThan(512 * 2 ** 20);
});
