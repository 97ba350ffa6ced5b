/**
 * Exchanges, queues and bindings of an application, named and declared as DP3's script declares them (wire.md).
 *
 * What is missing is declared; what exists is used as it is, if tasks are safe there. With `msg_broker.declare: false` nothing is
 * declared: what is missing is waited for, with DP3's pauses. A refused declaration closes its channel, so each gets a fresh one.
 */
import type { Channel } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Logger } from '../../observability/logger.js';
import { RECONNECT_STEPS_MS } from '../../runtime/backoff.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { exchangeNames, queueNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
import { clash, corrected, differenceIn, judge, type QueueShape } from './queue-arguments.js';
import { whereIs } from './refusal.js';

/** From this version on a quorum queue drops what was delivered 20 times, unless told otherwise. */
const DELIVERY_LIMIT_SINCE = 4;
/** More differences than there are arguments: the broker's words were not understood. */
const MOST_DIFFERENCES = 20;
/**
 * How long a quorum queue that was just declared is left alone. The broker saves the name of its log after half a second without
 * another, a second at most (seen on 3.10); one that crashes before comes back with a queue that is empty and never answers a consumer.
 */
const SAVED_AFTER_MS = 1_500;

export interface TopologyOptions {
  readonly app: string;
  /** Process indexes whose queue pairs are meant; the exchanges always are. */
  readonly indexes: readonly number[];
  readonly broker: BrokerConfiguration;
  readonly log: Logger;
}

interface Queue {
  readonly name: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly normal: boolean;
}

/**
 * Makes sure that everything is there. Throws QUEUE_REFUSED for a queue that can not be used, QUEUE_MISSING for what nobody declares,
 * QUEUE_UNAVAILABLE when the connection is lost.
 */
export async function ensureTopology(connection: AmqpConnection, options: TopologyOptions): Promise<void> {
  if (options.broker.declare) await declareTopology(connection, options);
  else await awaitTopology(connection, options);
}

/** Declares what is missing, whatever `declare` says. Errors as above, but QUEUE_MISSING. */
export async function declareTopology(connection: AmqpConnection, options: TopologyOptions): Promise<void> {
  const channels = new Channels(connection);
  let fresh = false;
  try {
    for (const name of Object.values(exchangeNames(options.app))) await declareExchange(channels, name, options);
    for (const queue of queuesOf(options)) {
      if (options.broker.queueType === 'quorum') fresh ||= await isMissing(channels, queue);
      await declareQueue(channels, queue, connection, options);
    }
  } finally {
    await channels.close();
    // Also where something else failed: the next attempt finds them there.
    if (fresh) {
      const message = 'quorum queues were declared; they are used once the broker has saved them';
      options.log.info(message, { pauseMs: SAVED_AFTER_MS });
      await connection.wait(SAVED_AFTER_MS);
    }
  }
}

async function isMissing(channels: Channels, { name }: Queue): Promise<boolean> {
  return codeOf(await channels.use((channel) => channel.checkQueue(name))) === 404;
}

/** Names of what is missing. */
export async function missingTopology(connection: AmqpConnection, options: TopologyOptions): Promise<string[]> {
  const missing: string[] = [];
  const channels = new Channels(connection);
  const look = async (what: string, check: (channel: Channel) => Promise<unknown>) => {
    const error = await channels.use(check);
    if (error === null) return;
    if (codeOf(error) !== 404) throw explained(error, what, options);
    missing.push(what);
  };
  try {
    for (const name of Object.values(exchangeNames(options.app))) {
      await look(`exchange "${name}"`, (channel) => channel.checkExchange(name));
    }
    for (const { name } of queuesOf(options)) await look(`queue "${name}"`, (channel) => channel.checkQueue(name));
  } finally {
    await channels.close();
  }
  return missing;
}

async function awaitTopology(connection: AmqpConnection, options: TopologyOptions): Promise<void> {
  const { broker, log } = options;
  for (const pauseMs of [...RECONNECT_STEPS_MS, null]) {
    const missing = await missingTopology(connection, options);
    if (missing.length === 0) return;
    const [first = ''] = missing;
    const what = missing.length === 1 ? first : `${first} and ${missing.length - 1} more`;
    if (pauseMs !== null) {
      log.warn('something is missing at the broker; it is looked for again', { missing: what, pauseMs });
      if (await connection.wait(pauseMs)) continue;
    }
    const how = 'msg_broker.declare is false: declare it by hand, or with npx dp3-cluster setup';
    throw new ApplicationError('QUEUE_MISSING', `the ${what} is missing at ${whereIs(broker)}; ${how}`);
  }
}

function queuesOf({ app, indexes }: TopologyOptions): Queue[] {
  const exchanges = exchangeNames(app);
  return indexes.flatMap((index) => {
    const names = queueNames(app, index);
    const routingKey = String(index);
    return [
      { name: names.normal, exchange: exchanges.normal, routingKey, normal: true },
      { name: names.priority, exchange: exchanges.priority, routingKey, normal: false },
    ];
  });
}

async function declareExchange(channels: Channels, name: string, options: TopologyOptions): Promise<void> {
  const error = await channels.use((channel) => channel.assertExchange(name, 'direct', { durable: true }));
  if (error === null) return;
  if (codeOf(error) !== 406) throw explained(error, `exchange "${name}"`, options);
  const sentence = `the exchange "${name}" at ${whereIs(options.broker)} is not direct and durable: ${messageOf(error)}`;
  throw new ApplicationError('QUEUE_REFUSED', sentence, { cause: error });
}

async function declareQueue(
  channels: Channels,
  queue: Queue,
  connection: AmqpConnection,
  options: TopologyOptions,
): Promise<void> {
  const wanted = shapeOf(queue, connection, options.broker);
  let shape = wanted;
  for (let differences = 0; ; differences++) {
    const error = await channels.use((channel) => channel.assertQueue(queue.name, assertOptions(shape)));
    if (error === null) break;
    const difference = codeOf(error) === 406 ? differenceIn(error) : null;
    if (difference === null || differences === MOST_DIFFERENCES) {
      throw explained(error, `queue "${queue.name}"`, options);
    }
    shape = corrected(shape, difference);
  }
  if (shape !== wanted) useAsItIs(queue, wanted, shape, options);
  const { name, exchange, routingKey } = queue;
  const error = await channels.use((channel) => channel.bindQueue(name, exchange, routingKey));
  if (error !== null) throw explained(error, `binding of queue "${name}"`, options);
}

function useAsItIs(queue: Queue, wanted: QueueShape, found: QueueShape, { broker, log }: TopologyOptions): void {
  const { refused, warnings } = judge(found, broker.queueType, queue.normal);
  if (refused.length > 0) throw clash(queue.name, whereIs(broker), refused);
  const shown = (shape: QueueShape) => Object.fromEntries(shape.arguments);
  log.info('a queue was declared otherwise and is used as it is', {
    queue: queue.name,
    found: shown(found),
    wanted: shown(wanted),
  });
  for (const why of warnings) log.warn('a queue is not as safe as it could be', { queue: queue.name, why });
}

/** DP3 declares classic queues without a type, and so do we: another argument would be a clash for its script. */
function shapeOf({ normal }: Queue, connection: AmqpConnection, broker: BrokerConfiguration): QueueShape {
  const args = new Map<string, string | number | boolean>();
  if (broker.queueType === 'quorum') {
    args.set('x-queue-type', 'quorum');
    args.set('x-single-active-consumer', true);
    // Before, there is no limit unless one is given, and -1 would be taken for one.
    if (Number.parseInt(connection.serverVersion, 10) >= DELIVERY_LIMIT_SINCE) args.set('x-delivery-limit', -1);
  }
  if (normal) {
    args.set('x-max-length', broker.maxLength);
    args.set('x-overflow', 'reject-publish');
  }
  return { durable: true, autoDelete: false, arguments: args };
}

function assertOptions({ durable, autoDelete, arguments: args }: QueueShape) {
  return { durable, autoDelete, arguments: Object.fromEntries(args) };
}

/** What a refused operation means: rights that are missing, or something in the way. */
function explained(error: unknown, what: string, { broker }: TopologyOptions): ApplicationError {
  if (error instanceof ApplicationError) return error;
  const code = codeOf(error);
  const why = `the ${what} at ${whereIs(broker)}: ${messageOf(error)}`;
  if (code === 403) {
    const advice = 'with msg_broker.declare: false nothing is declared at start';
    return new ApplicationError('QUEUE_REFUSED', `the user "${broker.username}" has no right to ${why}; ${advice}`);
  }
  if (code === 405 || code === 406) return new ApplicationError('QUEUE_REFUSED', `can not declare ${why}`);
  return new ApplicationError('QUEUE_UNAVAILABLE', `can not use ${why}`, { cause: error });
}

/** Reply code of AMQP; null for an error that is none of the broker's. */
function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}

/** One channel after another: a refused operation takes its channel along. */
class Channels {
  private channel: Channel | null = null;

  constructor(private readonly connection: AmqpConnection) {}

  /** The error of the operation, null when it succeeded. Throws QUEUE_UNAVAILABLE when there is no channel. */
  async use(operation: (channel: Channel) => Promise<unknown>): Promise<unknown> {
    const { connection } = this;
    this.channel ??= await connection.openChannel(() => {});
    try {
      await connection.answer(operation(this.channel), 'a queue or an exchange is looked for');
      return null;
    } catch (error) {
      this.channel = null;
      return error;
    }
  }

  async close(): Promise<void> {
    if (this.channel !== null) await this.connection.closeChannel(this.channel);
  }
}
