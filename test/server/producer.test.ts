/** A producer of a program on RabbitMQ whose broker is killed: what was confirmed is there, and what was not is sent when it is back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import amqp from 'amqplib';
import { expect, it, onTestFinished } from 'vitest';
import { queueNames } from '../../lib/queue/names.js';
import { ROOT } from '../cli/program.js';
import { BROKERS, ownBroker } from '../support/brokers.js';
import { freshDatabase } from '../support/postgres.js';
import { APP, streamApplication } from '../support/stream-application.js';

const CALLS = 4_000;

it('sends on after the broker was killed, and loses nothing', async () => {
  const node = await ownBroker(BROKERS[0] ?? '');
  const broker = await node.virtualHost();
  const database = await freshDatabase();
  const application = streamApplication({ broker, storeUrl: database.url, numProcesses: 1 });
  onTestFinished(() => application.dispose());
  application.succeed(['setup']);

  const script = join(ROOT, 'test', 'support', 'producing.mjs');
  const child = spawn(process.execPath, [script, application.configDir, 'ip', '192.0.2.', 'event', String(CALLS)]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let confirmed = 0;
  const lines: string[] = [];
  let restarted: Promise<void> | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('confirmed')) confirmed++;
    else lines.push(line);
    if (confirmed === 500) restarted ??= node.kill().then(() => node.resume());
  }
  await restarted;
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(confirmed).toBe(CALLS);
  expect(lines).toContain('waits away');
  expect(lines.slice(-2)).toEqual(['goes on', 'closed']);

  const connection = await amqp.connect(broker.url);
  onTestFinished(() => connection.close());
  const channel = await connection.createChannel();
  const ids = new Set<string>();
  await new Promise<void>((resolve) => {
    void channel.consume(
      queueNames(APP, 0).normal,
      (message) => {
        ids.add(message?.properties.messageId);
        if (ids.size === CALLS) resolve();
      },
      { noAck: true },
    );
  });
}, 120_000);
