/** The queues of a measurement on RabbitMQ, and how they are filled. */
import { connect } from 'amqplib';
import type { BrokerConfiguration } from '../../lib/config/configuration.js';
import { NO_TLS_FILES } from '../../lib/config/tls-files.js';
import { makeLogger } from '../../lib/observability/logger.js';
import { exchangeNames } from '../../lib/queue/names.js';
import { openWriter } from '../../lib/queue/open.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { taskMaker } from '../embedded/tasks.js';

export const APP = 'bench';
const SEND_BATCH = 2_000;
const LONGEST_QUEUE = 10_000_000;

/** As the schema's defaults, but with queues that hold everything. */
export function brokerOf({ host, port, username, password, virtualHost }: TestVirtualHost): BrokerConfiguration {
  return {
    kind: 'rabbitmq',
    host,
    port,
    username,
    password,
    managementPort: null,
    virtualHost,
    tls: false,
    tlsFiles: NO_TLS_FILES,
    tlsServerName: null,
    prefetch: 2_000,
    queueType: 'quorum',
    declare: true,
    maxLength: LONGEST_QUEUE,
    heartbeatMs: 2_000,
    outstanding: 1_000,
    consumerTimeoutMs: 1_800_000,
  };
}

export const log = makeLogger((level, message, fields) => console.error(level, message, fields), 'warn', {});

/** Declares the queues of one index and puts so many persistent tasks into the normal one. */
export async function fill(host: TestVirtualHost, tasks: number, keys: number): Promise<void> {
  const configuration = { app: APP, numProcesses: 1, broker: brokerOf(host) };
  const writer = openWriter({ configuration, log });
  await writer.start();
  await writer.stop();
  const make = taskMaker(keys, 1);
  const connection = await connect(host.url);
  const channel = await connection.createConfirmChannel();
  for (let n = 0; n < tasks; n += SEND_BATCH) {
    for (let i = n; i < Math.min(n + SEND_BATCH, tasks); i++) {
      const { id, body } = make(i);
      channel.publish(exchangeNames(APP).normal, '0', body, { persistent: true, messageId: id });
    }
    await channel.waitForConfirms();
  }
  await connection.close();
}
