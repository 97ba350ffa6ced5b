/**
 * A RabbitMQ for tests, benches and the demo: the one that runs already (AMQP_URL, or localhost with the standard port and user) if
 * it lets us make virtual hosts, else a private node of the installed package, which the caller stops.
 * Faults that hit a whole broker (a crash, an alarm) need a private node in any case.
 */
import amqp from 'amqplib';
import { startPrivateRabbitMq } from './rabbitmq-node.js';
import {
  makeVirtualHost,
  type RabbitMqAddress,
  type RabbitMqService,
  rabbitMqAt,
  type TestVirtualHost,
} from './rabbitmq-virtual-host.js';

const STANDARD_PORT = 5_672;
const STANDARD_MANAGEMENT_PORT = 15_672;
/** A server on this machine or in its network answers within this; longer means that there is none. */
const ANSWER_MS = 3_000;

/** The RabbitMQ that runs already, else a private node. Throws when AMQP_URL is given and of no use, or when none can be started. */
export async function rabbitMqService(): Promise<RabbitMqService> {
  const given = process.env['AMQP_URL'];
  const address = addressOf(given ?? `amqp://guest:guest@localhost:${STANDARD_PORT}`);
  const trouble = await troubleWith(address);
  if (trouble === null) return rabbitMqAt(address);
  if (given === undefined) return startPrivateRabbitMq();
  throw new Error(
    `the RabbitMQ at AMQP_URL (${address.host}:${address.port}) cannot be used: ${trouble}. It must answer, and its management plugin ` +
      `(${address.managementUrl}, or AMQP_MANAGEMENT_URL) must let the user make virtual hosts. Without AMQP_URL a private node is started.`,
  );
}

/** The address that a URL names, its virtual host left out; the management plugin is looked for on the same host. */
function addressOf(url: string): RabbitMqAddress {
  const { hostname, port, username, password } = new URL(url);
  return {
    host: hostname,
    port: port === '' ? STANDARD_PORT : Number(port),
    username: decodeURIComponent(username) || 'guest',
    password: decodeURIComponent(password) || 'guest',
    managementUrl: process.env['AMQP_MANAGEMENT_URL'] ?? `http://${hostname}:${STANDARD_MANAGEMENT_PORT}`,
  };
}

/** Why a broker is of no use; null when all works, tried with a virtual host. */
async function troubleWith(address: RabbitMqAddress): Promise<string | null> {
  let host: TestVirtualHost | null = null;
  try {
    host = await makeVirtualHost(address);
    const connection = await amqp.connect(host.url, { timeout: ANSWER_MS });
    await connection.close();
    return null;
  } catch (error) {
    return error instanceof Error
      ? error.cause instanceof Error
        ? error.cause.message
        : error.message
      : String(error);
  } finally {
    await host?.remove().catch(() => {});
  }
}
