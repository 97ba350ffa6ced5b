/**
 * Exchanges, queues and bindings of an application, named as DP3's script names them (wire.md).
 *
 * What is missing is declared; what exists is used as it is, if tasks are safe there. With `msg_broker.declare: false` nothing is
 * declared: what is missing is waited for, with DP3's pauses.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Channel } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Logger } from '../../observability/logger.js';
import { RECONNECT_STEPS_MS } from '../../runtime/backoff.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { exchangeNames } from '../names.js';
import { AmqpConnection } from './connection.js';
import { clash, judge, judgeAll, type QueueType, typeOf } from './queue-safety.js';
import {
  Channels,
  codeOf,
  explained,
  markerOf,
  type QueueShape,
  queuesOf,
  shapeFound,
  shapeOf,
  type WantedQueue,
} from './queue-shape.js';
import { whereIs } from './refusal.js';

/**
 * How long a quorum queue that was just declared is left alone. The broker saves the name of its log after half a second without
 * another, a second at most (seen on 3.10); one that crashes before comes back with a queue that is empty and never answers a consumer.
 */
export const SAVED_AFTER_MS = 1_500;

export interface TopologyOptions {
  readonly app: string;
  /** Process indexes whose queue pairs are meant; the exchanges always are. */
  readonly indexes: readonly number[];
  readonly broker: BrokerConfiguration;
  readonly log: Logger;
}

/** The types that the queues really have, by name; one that the broker does not tell us is missing. */
export type QueueTypes = ReadonlyMap<string, QueueType>;

type Remark = (log: Logger) => void;

export interface Topology {
  readonly types: QueueTypes;
  /** What a person should know of queues that somebody else declared. */
  readonly remarks: readonly Remark[];
}

/**
 * Makes sure that everything is there. Throws QUEUE_REFUSED for a queue that cannot be used, QUEUE_MISSING for what nobody declares,
 * QUEUE_UNAVAILABLE when the connection is lost.
 */
export async function ensureTopology(connection: AmqpConnection, options: TopologyOptions): Promise<Topology> {
  await refuseBrokenOff(connection, options);
  if (!options.broker.declare) await awaitTopology(connection, options);
  return options.broker.declare ? declareTopology(connection, options) : lookedAt(connection, options);
}

/** Declares what is missing, whatever `declare` says. Errors as above, but QUEUE_MISSING. */
export async function declareTopology(connection: AmqpConnection, options: TopologyOptions): Promise<Topology> {
  const channels = new Channels(connection);
  const found = new Map<WantedQueue, QueueShape>();
  let fresh = false;
  try {
    for (const name of Object.values(exchangeNames(options.app))) await declareExchange(channels, name, options);
    for (const queue of queuesOf(options.app, options.indexes)) {
      if (options.broker.queueType === 'quorum') fresh ||= await isMissing(channels, queue.name, options.broker);
      found.set(queue, await declareQueue(channels, queue, connection, options));
      await bindQueue(channels, queue, options);
    }
  } finally {
    await channels.close();
    // Also where something else failed: the next attempt finds them there.
    if (fresh) await untilSaved(connection, options.log);
  }
  return topologyOf(found, connection, options);
}

/** Waits until the broker has saved quorum queues that were just declared. */
export async function untilSaved(connection: AmqpConnection, log: Logger): Promise<void> {
  log.info('quorum queues were declared; they are used once the broker has saved them', { pauseMs: SAVED_AFTER_MS });
  await connection.wait(SAVED_AFTER_MS);
}

/** How the queues are that are there, found without making any; null where the user may not know. */
export async function inspectTopology(
  connection: AmqpConnection,
  options: TopologyOptions,
): Promise<ReadonlyMap<WantedQueue, QueueShape | null>> {
  const channels = new Channels(connection);
  const found = new Map<WantedQueue, QueueShape | null>();
  try {
    for (const queue of queuesOf(options.app, options.indexes)) {
      if (await isMissing(channels, queue.name, options.broker)) continue;
      const shape = await shapeFound(channels, queue.name, shapeOf(queue, connection.serverVersion, options.broker));
      if (shape instanceof Error && codeOf(shape) !== 403)
        throw explained(shape, `queue "${queue.name}"`, options.broker);
      found.set(queue, shape instanceof Error ? null : shape);
    }
  } finally {
    await channels.close();
  }
  return found;
}

/** Throws QUEUE_REFUSED while queues are being made anew (repair.ts): what waits may be elsewhere. */
async function refuseBrokenOff(connection: AmqpConnection, { app, broker }: TopologyOptions): Promise<void> {
  const channels = new Channels(connection);
  const missing = await isMissing(channels, markerOf(app), broker);
  await channels.close();
  if (missing) return;
  const sentence = `queues of ${app} at ${whereIs(broker)} are being made anew, or that was broken off: npx dp3-cluster setup --repair goes on with it`;
  throw new ApplicationError('QUEUE_REFUSED', sentence);
}

async function lookedAt(connection: AmqpConnection, options: TopologyOptions): Promise<Topology> {
  const found = new Map<WantedQueue, QueueShape>();
  for (const [queue, shape] of await inspectTopology(connection, options)) {
    if (shape === null) continue;
    refuseUnsafe(queue, shape, connection, options);
    found.set(queue, shape);
  }
  return topologyOf(found, connection, options);
}

/** Throws what is said but that it is there or not. */
export async function isMissing(channels: Channels, name: string, broker: BrokerConfiguration): Promise<boolean> {
  const error = await channels.use((channel) => channel.checkQueue(name));
  if (error === null || codeOf(error) === 404) return error !== null;
  throw explained(error, `queue "${name}"`, broker);
}

/** Names of what is missing. */
async function missingTopology(connection: AmqpConnection, options: TopologyOptions): Promise<string[]> {
  const missing: string[] = [];
  const channels = new Channels(connection);
  const look = async (what: string, check: (channel: Channel) => Promise<unknown>) => {
    const error = await channels.use(check);
    if (error === null) return;
    if (codeOf(error) !== 404) throw explained(error, what, options.broker);
    missing.push(what);
  };
  try {
    for (const name of Object.values(exchangeNames(options.app))) {
      await look(`exchange "${name}"`, (channel) => channel.checkExchange(name));
    }
    for (const { name } of queuesOf(options.app, options.indexes)) {
      await look(`queue "${name}"`, (channel) => channel.checkQueue(name));
    }
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

async function declareExchange(channels: Channels, name: string, options: TopologyOptions): Promise<void> {
  const error = await channels.use((channel) => channel.assertExchange(name, 'direct', { durable: true }));
  if (error === null) return;
  if (codeOf(error) !== 406) throw explained(error, `exchange "${name}"`, options.broker);
  const sentence = `the exchange "${name}" at ${whereIs(options.broker)} is not direct and durable: ${messageOf(error)}`;
  throw new ApplicationError('QUEUE_REFUSED', sentence, { cause: error });
}

/** Makes it where it is missing. Returns how it is; throws QUEUE_REFUSED where tasks are not safe there. */
async function declareQueue(
  channels: Channels,
  queue: WantedQueue,
  connection: AmqpConnection,
  options: TopologyOptions,
): Promise<QueueShape> {
  const shape = await shapeFound(channels, queue.name, shapeOf(queue, connection.serverVersion, options.broker));
  if (shape instanceof Error) throw explained(shape, `queue "${queue.name}"`, options.broker);
  refuseUnsafe(queue, shape, connection, options);
  return shape;
}

async function bindQueue(channels: Channels, queue: WantedQueue, options: TopologyOptions): Promise<void> {
  const { name, exchange, routingKey } = queue;
  const error = await channels.use((channel) => channel.bindQueue(name, exchange, routingKey));
  if (error !== null) throw explained(error, `binding of queue "${name}"`, options.broker);
}

function refuseUnsafe(
  queue: WantedQueue,
  shape: QueueShape,
  { serverVersion: version }: AmqpConnection,
  { broker }: TopologyOptions,
): void {
  const findings = judge({ ...queue, shape }, broker.queueType, { version, policies: [] });
  const refused = findings.filter((finding) => finding.refused);
  if (refused.length > 0) throw clash(queue.name, whereIs(broker), refused);
}

function topologyOf(
  found: ReadonlyMap<WantedQueue, QueueShape>,
  connection: AmqpConnection,
  options: TopologyOptions,
): Topology {
  const types = new Map([...found].map(([{ name }, shape]) => [name, typeOf(shape)]));
  return { types, remarks: remarksOn(found, connection, options) };
}

/** What is to be told of queues that were declared otherwise. */
function remarksOn(
  found: ReadonlyMap<WantedQueue, QueueShape>,
  { serverVersion: version }: AmqpConnection,
  { broker }: TopologyOptions,
): readonly Remark[] {
  const shown = (shape: QueueShape) => Object.fromEntries(shape.arguments);
  const others = [...found].flatMap(([queue, shape]): Remark[] => {
    const fields = { queue: queue.name, found: shown(shape), wanted: shown(shapeOf(queue, version, broker)) };
    if (isDeepStrictEqual(fields.found, fields.wanted)) return [];
    return [(log) => log.info('a queue was declared otherwise and is used as it is', fields)];
  });
  const judged = [...found].map(([queue, shape]) => ({ ...queue, shape }));
  const findings = judgeAll(judged, broker.queueType, { version, policies: [] });
  return [
    ...others,
    ...findings.map(({ queues, why, cure }): Remark => {
      const fields = { queues, why: `${why}; ${cure}` };
      return (log) => log.warn('queues are not as safe as they could be', fields);
    }),
  ];
}

export interface SetUpOptions {
  readonly app: string;
  readonly numProcesses: number;
  readonly broker: BrokerConfiguration;
  readonly log: Logger;
  /** Attempts to connect. */
  readonly tries: number;
}

/**
 * Declares everything that an application needs, for the command `setup`. Returns the names of what was missing. A second time it changes
 * nothing. Throws QUEUE_REFUSED, QUEUE_UNAVAILABLE.
 */
export async function setUpTopology({ app, numProcesses, broker, log, tries }: SetUpOptions): Promise<string[]> {
  const connection = new AmqpConnection({ app, broker, log, tries, purpose: 'setting up' });
  const indexes = Array.from({ length: numProcesses }, (_, index) => index);
  const options = { app, indexes, broker, log };
  try {
    await connection.start();
    await refuseBrokenOff(connection, options);
    const missing = await missingTopology(connection, options);
    const { remarks } = await declareTopology(connection, options);
    for (const remark of remarks) remark(log);
    return missing;
  } finally {
    await connection.stop();
  }
}
