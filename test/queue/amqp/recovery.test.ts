/** What a reader does about trouble that does not pass by itself. Its time is the test's; that of its connection is real. */
import type { Channel } from 'amqplib';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import { AmqpConnection } from '../../../lib/queue/amqp/connection.js';
import { AmqpReader } from '../../../lib/queue/amqp/source.js';
import { queueNames } from '../../../lib/queue/names.js';
import { steps } from '../../../lib/runtime/backoff.js';
import { makeVirtualHost, type TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { AmqpBed, APP, brokerAt } from '../../support/amqp-bed.js';
import { manualClock } from '../../support/clock.js';
import { numberedTasks } from '../../support/counting-path.js';
import { capturingLogger, silentLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { Taken } from '../../support/taken.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const QUEUES = queueNames(APP, 0);

/** A broker that says that a queue is consumed and delivers nothing of it, as long as `deafTo` names the queue. */
class Connection extends AmqpConnection {
  deafTo: string | null = null;

  override async openChannel(closed?: (why: string) => void): Promise<Channel> {
    const channel = await super.openChannel(closed);
    const consume: Channel['consume'] = channel.consume.bind(channel);
    channel.consume = (queue, ...rest) =>
      queue === this.deafTo ? Promise.resolve({ consumerTag: 'none' }) : consume(queue, ...rest);
    return channel;
  }
}

async function place(host: TestVirtualHost, given: Partial<BrokerConfiguration> = {}) {
  const clock = manualClock();
  const log = capturingLogger();
  const broker = brokerAt(host, given);
  const bed = new AmqpBed({ address: host, numProcesses: 1, broker: { queueType: broker.queueType } });
  onTestFinished(() => bed.close());
  const backoff = steps([20]);
  const connection = new Connection({ app: APP, broker, purpose: 'consuming', log: silentLogger, backoff });
  const limits = { tasks: 1_000, bytes: 2 ** 26, normalEvery: 16 };
  const { runtimeDir } = bed;
  const reader = new AmqpReader({
    app: APP,
    index: 0,
    limits,
    broker,
    atMostOnce: false,
    runtimeDir,
    connection,
    clock,
    log,
  });
  onTestFinished(() => reader.stop());
  const writer = await bed.writer();
  await reader.start();
  return { reader, connection, clock, log, writer, taken: new Taken() };
}

it('says what is in the way, and consumes as soon as its connection is back, however long it meant to wait', async () => {
  const host = await freshVirtualHost();
  const proxy = await TcpProxy.to(host);
  const username = `dp3-${host.virtualHost.slice(-12)}`;
  await host.manage('PUT', `/users/${username}`, { password: 'x', tags: '' });
  onTestFinished(async () => void (await host.manage('DELETE', `/users/${username}`)));
  const may = (what: string) =>
    host.manage('PUT', `/permissions/%v/${username}`, { configure: what, write: what, read: what });
  await may('.*');
  const { reader, log, writer, taken } = await place(host, { port: proxy.port, username, password: 'x' });
  await taken.consume(reader);
  expect(reader.trouble).toBe(null);
  await may('^$');
  proxy.cut();
  await log.line('the queues cannot be consumed');
  expect(reader.trouble).toContain(`refused for user '${username}'`);
  await may('.*');
  // No time passes for the reader: only the connection can wake it.
  proxy.cut();
  await taken.until(() => taken.told.includes('restored'));
  expect(reader.trouble).toBe(null);
  await writer.send(numberedTasks(0, 3));
  expect(await taken.take(3)).toHaveLength(3);
});

it('says that the virtual host is gone', async () => {
  const host = await makeVirtualHost(inject('rabbitMq'));
  const { reader, taken } = await place(host);
  await taken.consume(reader);
  await host.remove();
  await expect.poll(() => reader.trouble, { timeout: 10_000, interval: 20 }).toContain('(msg_broker.virtual_host)');
});

describe.each(['classic', 'quorum'] as const)('a reader of %s queues of which one is silent', (queueType) => {
  it.each(['normal', 'priority'] as const)(
    'is built anew while the other one goes on, where it is the %s one',
    async (kind) => {
      const { reader, connection, clock, writer, taken } = await place(await freshVirtualHost(), { queueType });
      connection.deafTo = QUEUES[kind];
      await taken.consume(reader);
      connection.deafTo = null;
      /** A reader that is being built anew may pause, too. */
      const arrived = (id: string) => {
        const look = () => {
          clock.pass(20);
          return taken.ids.includes(id);
        };
        return expect.poll(look).toBe(true);
      };
      await writer.send(numberedTasks(0, 5).map((task) => ({ ...task, priority: kind === 'priority' })));
      for (let n = 5; !taken.told.includes('lost'); n++) {
        await writer.send(numberedTasks(n, n + 1).map((task) => ({ ...task, priority: kind === 'normal' })));
        await arrived(`task ${n}`);
        clock.pass(500);
      }
      await arrived('task 4');
      expect(taken.ids.filter((id) => ['task 0', 'task 1', 'task 2', 'task 3', 'task 4'].includes(id))).toHaveLength(5);
      expect(taken.told).toEqual(['lost', 'restored']);
    },
  );
});

it('gives up when it was built anew three times in vain', async () => {
  const host = await freshVirtualHost();
  const { reader, connection, clock, log, writer, taken } = await place(host);
  connection.deafTo = QUEUES.normal;
  await taken.consume(reader);
  await writer.send(numberedTasks(0, 5));
  while (!taken.told.includes('failed')) {
    clock.pass(500);
    await reader.depth();
  }
  const round = ['lost', 'restored'];
  expect(taken.told).toEqual([...round, ...round, ...round, 'failed']);
  const { fields } = await log.line('the reader cannot go on');
  expect(fields['error']).toMatchObject({ code: 'QUEUE_STUCK', message: expect.stringContaining(QUEUES.normal) });
});
