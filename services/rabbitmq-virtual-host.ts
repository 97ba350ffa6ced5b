/**
 * A virtual host of a broker for each user of it, made in 30 ms through the management plugin. Refused: `rabbitmqctl`, which starts a
 * virtual machine of its own for each call and takes half a second.
 */
import { randomBytes } from 'node:crypto';

/** Long enough for a broker that is busy; one that answers nothing must not hold up a test. */
const MANAGEMENT_MS = 30_000;

/** How to reach a broker; plain data, so that it can be handed to another process. */
export interface RabbitMqAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Of the management plugin, without a path. */
  readonly managementUrl: string;
}

export interface TestVirtualHost extends RabbitMqAddress {
  readonly virtualHost: string;
  /** amqp:// with everything in it. */
  readonly url: string;
  /** Calls the management API: `path` stands below /api, `%v` in it for the virtual host. Null where nothing was answered. */
  manage(method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  remove(): Promise<void>;
}

export interface RabbitMqService {
  readonly address: RabbitMqAddress;
  /** A fresh, empty virtual host with all rights for the user of the address; what its name begins with tells whose it is. */
  virtualHost(prefix?: string): Promise<TestVirtualHost>;
  /** Ends a private node and removes its folder; leaves one that ran before alone. */
  stop(): Promise<void>;
}

/** A broker that somebody else brought up. */
export function rabbitMqAt(address: RabbitMqAddress): RabbitMqService {
  return { address, virtualHost: (prefix) => makeVirtualHost(address, prefix), stop: async () => {} };
}

/** Throws what the management plugin answers. */
export async function makeVirtualHost(address: RabbitMqAddress, prefix = 'dp3-test'): Promise<TestVirtualHost> {
  const virtualHost = `${prefix}-${randomBytes(6).toString('hex')}`;
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
    signal: AbortSignal.timeout(MANAGEMENT_MS),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the management plugin answers ${response.status} to ${method} ${path}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}
