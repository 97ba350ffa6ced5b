/**
 * A RabbitMQ for tests, benches and the demo: the one that runs already (AMQP_URL, or localhost with the standard port and user) if
 * it lets us make virtual hosts, else a private node of the installed package, which the caller stops.
 *
 * Everybody works in a virtual host of his own, made in 30 ms through the management plugin; `rabbitmqctl` starts a virtual machine
 * of its own for each call, ten times as slow. Faults that hit a whole broker (a crash, an alarm) need a private node.
 */
import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';
import { startPrivateRabbitMq } from './rabbitmq-node.js';

/** How to reach a broker; plain data, so that it can be handed to another process. */
export interface RabbitMqAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Of the management plugin, without a path. */
  readonly managementUrl: string;
}

export interface RabbitMqService {
  readonly address: RabbitMqAddress;
  /** A fresh, empty virtual host with all rights for the user of the address. */
  virtualHost(): Promise<TestVirtualHost>;
  /** Ends a private node and removes its folder; leaves one that ran before alone. */
  stop(): Promise<void>;
}

export interface TestVirtualHost extends RabbitMqAddress {
  readonly virtualHost: string;
  /** amqp:// with everything in it. */
  readonly url: string;
  /** Calls the management API: `path` stands below /api, `%v` in it for the virtual host. Null where nothing was answered. */
  manage(method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  remove(): Promise<void>;
}

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
    `the RabbitMQ at AMQP_URL (${address.host}:${address.port}) can not be used: ${trouble}. It must answer, and its management plugin ` +
      `(${address.managementUrl}, or AMQP_MANAGEMENT_URL) must let the user make virtual hosts. Without AMQP_URL a private node is started.`,
  );
}

/** A broker that somebody else brought up. */
export function rabbitMqAt(address: RabbitMqAddress): RabbitMqService {
  return { address, virtualHost: () => makeVirtualHost(address), stop: async () => {} };
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
    return error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
  } finally {
    await host?.remove().catch(() => {});
  }
}

async function makeVirtualHost(address: RabbitMqAddress): Promise<TestVirtualHost> {
  const virtualHost = `dp3-test-${randomUUID()}`;
  const manage: TestVirtualHost['manage'] = (method, path, body) =>
    request(address, method, path.replace('%v', virtualHost), body);
  await manage('PUT', '/vhosts/%v');
  const rights = { configure: '.*', write: '.*', read: '.*' };
  await manage('PUT', `/permissions/%v/${encodeURIComponent(address.username)}`, rights);
  const user = `${encodeURIComponent(address.username)}:${encodeURIComponent(address.password)}`;
  const url = `amqp://${user}@${address.host}:${address.port}/${virtualHost}`;
  const remove = async () => void (await manage('DELETE', '/vhosts/%v'));
  return { ...address, virtualHost, url, manage, remove };
}

async function request(address: RabbitMqAddress, method: string, path: string, body?: unknown): Promise<unknown> {
  const credentials = Buffer.from(`${address.username}:${address.password}`).toString('base64');
  const response = await fetch(`${address.managementUrl}/api${path}`, {
    method,
    headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(ANSWER_MS * 10),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the management plugin answers ${response.status} to ${method} ${path}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}
