/** A smaller prefetch than before: refused where quorum queues are consumed, of no matter where the queues are DP3's. */
import amqp from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../services/postgres.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { Application, type RunningProgram } from '../support/application.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

const APP = 'buses';
const BUS = `
entity: { id: bus, name: Bus, snapshot: false }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;

function start(host: TestVirtualHost, { url }: TestDatabase, prefetch: number): RunningProgram {
  const { virtualHost: virtual_host, username, password, port } = host;
  const processing_core = {
    worker_processes: 1,
    msg_broker: { kind: 'rabbitmq', host: host.host, port, virtual_host, username, password, prefetch },
    store: { kind: 'postgres', url },
  };
  const settings = JSON.stringify({ app: APP, processing_core, logging: { format: 'json' } });
  const application = new Application({ settings, entities: { bus: BUS } });
  onTestFinished(() => application.dispose());
  return application.start();
}

async function startAndStop(host: TestVirtualHost, database: TestDatabase, prefetch: number): Promise<void> {
  const program = start(host, database, prefetch);
  await program.line('worker ready');
  program.signal('SIGTERM');
  expect(await program.exited).toMatchObject({ code: 0 });
}

test("with DP3's classic queues the prefetch may become smaller", async () => {
  const [host, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  const connection = await amqp.connect(host.url);
  const channel = await connection.createChannel();
  const bounded = { 'x-max-length': 100_000, 'x-overflow': 'reject-publish' };
  await channel.assertQueue(`${APP}-worker-0`, { arguments: bounded });
  await channel.assertQueue(`${APP}-worker-0-pri`);
  await connection.close();
  for (const prefetch of [2_000, 100]) await startAndStop(host, database, prefetch);
});

test('with quorum queues a start with a smaller one is refused, with exit code 2', async () => {
  const [host, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  await startAndStop(host, database, 200);
  const program = start(host, database, 100);
  expect(await program.exited).toMatchObject({ code: 2 });
  expect(JSON.stringify(program.lines)).toContain('consumed with a prefetch of 200, configured is 100');
});
