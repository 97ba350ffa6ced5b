/**
 * Asks the management API of RabbitMQ for what AMQP does not show: the arguments of queues, and the policies that hold for them beside
 * those. It reads only, and only when something starts or is checked. What the API says of a queue's policy is not used: it comes from
 * statistics, which may be switched off and are minutes old for a queue that rests (seen on 3.10 and 4.0); lists of policies are current.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { BrokerConfiguration } from '../../config/configuration.js';
import { authority } from '../../config/host.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { tlsOptionsOf } from './connection.js';
import type { QueueShape } from './queue-shape.js';

/** A site-wide setting of the broker for the queues whose names match its pattern; of several the one with the highest priority holds. */
export interface Policy {
  readonly name: string;
  /** Set by an operator: it holds beside the other kind. */
  readonly operator: boolean;
  readonly pattern: string;
  readonly appliesTo: string;
  readonly priority: number;
  readonly definition: ReadonlyMap<string, unknown>;
}

/** What a broker tells of the queues of an application. */
export interface BrokerView {
  readonly version: string;
  readonly queues: ReadonlyMap<string, QueueShape>;
  readonly policies: readonly Policy[];
}

/** For all questions together: a broker that is busy must not hold up a start for longer. */
const ANSWER_MS = 5_000;
const ANSWER_BYTES = 8 * 2 ** 20;
const QUEUES_A_PAGE = 100;

/** Where a broker's API is asked. Never with its password. */
function managementOf({ host, tls, managementPort }: BrokerConfiguration): string {
  return `${tls ? 'https' : 'http'}://${authority(host, managementPort ?? 0)}`;
}

/** Queues of this application and all policies of its virtual host. Throws an Error whose message says what was in the way. */
export async function viewOf(
  broker: BrokerConfiguration,
  app: string,
  clock: Clock = systemClock,
): Promise<BrokerView> {
  const giveUp = new AbortController();
  const cancel = clock.after(ANSWER_MS, () => giveUp.abort(), true);
  const ask = (path: string) => answerOf(broker, path, giveUp.signal);
  const host = encodeURIComponent(broker.virtualHost);
  try {
    const overview = fieldsOf(await ask('/overview'));
    const policies = [
      ...listOf(await ask(`/policies/${host}`)).map((each) => policyOf(each, false)),
      ...listOf(await ask(`/operator-policies/${host}`)).map((each) => policyOf(each, true)),
    ];
    const queues = new Map<string, QueueShape>();
    const pattern = encodeURIComponent(`^${app.replaceAll('.', '\\.')}-worker-[0-9]+(-pri)?$`);
    for (let page = 1, pages = 1; page <= pages; page++) {
      const which = `page=${page}&page_size=${QUEUES_A_PAGE}&use_regex=true&name=${pattern}&disable_stats=true`;
      const found = fieldsOf(await ask(`/queues/${host}?${which}`));
      for (const queue of listOf(found.get('items'))) queues.set(String(queue.get('name')), shapeOf(queue));
      pages = Number(found.get('page_count') ?? 1);
    }
    return { version: String(overview.get('rabbitmq_version') ?? ''), queues, policies };
  } finally {
    cancel();
  }
}

type JsonFields = ReadonlyMap<string, unknown>;

function fieldsOf(value: unknown): JsonFields {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

function listOf(value: unknown): JsonFields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function policyOf(given: JsonFields, operator: boolean): Policy {
  return {
    name: String(given.get('name')),
    operator,
    pattern: String(given.get('pattern')),
    appliesTo: String(given.get('apply-to') ?? 'all'),
    priority: Number(given.get('priority') ?? 0),
    definition: fieldsOf(given.get('definition')),
  };
}

function shapeOf(queue: JsonFields): QueueShape {
  const args = new Map<string, string | number | boolean>();
  for (const [name, value] of fieldsOf(queue.get('arguments'))) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') args.set(name, value);
  }
  const type = queue.get('type');
  if (typeof type === 'string') args.set('x-queue-type', type);
  return { durable: queue.get('durable') === true, autoDelete: queue.get('auto_delete') === true, arguments: args };
}

async function answerOf(broker: BrokerConfiguration, path: string, signal: AbortSignal): Promise<unknown> {
  const where = managementOf(broker);
  try {
    const answer = await exchange(broker, path, signal);
    const body = await bodyOf(answer);
    if (answer.statusCode === 200) return JSON.parse(body) as unknown;
    throw new Error(refusalOf(answer.statusCode ?? 0, broker));
  } catch (error) {
    if (signal.aborted) throw new Error(`${where} does not answer within ${ANSWER_MS / 1_000} s`);
    if (error instanceof SyntaxError) throw new Error(`${where} answers, but is no management API of RabbitMQ`);
    throw new Error(`${where}: ${messageOf(error)}`);
  }
}

function exchange(broker: BrokerConfiguration, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { host, managementPort: port, tls, username, password } = broker;
  return new Promise((resolve, reject) => {
    const options = { host, port, path: `/api${path}`, auth: `${username}:${password}`, signal };
    const request = tls
      ? requestHttps({ ...options, ...tlsOptionsOf(broker) }, resolve)
      : requestHttp(options, resolve);
    request.on('error', reject).end();
  });
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES) {
      answer.destroy();
      throw new Error(`the answer is longer than ${ANSWER_BYTES / 2 ** 20} MiB`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function refusalOf(status: number, { username, virtualHost }: BrokerConfiguration): string {
  if (status === 401 || status === 403) {
    return `the user "${username}" may not ask it: give it the tag management (rabbitmqctl set_user_tags ${username} management)`;
  }
  if (status === 404) return `it knows no virtual host "${virtualHost}", or is no management API of RabbitMQ`;
  return `it answers with status ${status}`;
}
