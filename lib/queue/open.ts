/** Opens the queues of a broker, as they are configured. */
import type { Configuration } from '../config/configuration.js';
import type { Problem } from '../model/problem.js';
import type { Logger } from '../observability/logger.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { AmqpConnection } from './amqp/connection.js';
import { type InspectOptions, inspectBroker } from './amqp/inspect.js';
import { type Repaired, repairTopology } from './amqp/repair.js';
import { AmqpReader } from './amqp/source.js';
import { setUpTopology } from './amqp/topology.js';
import { AmqpWriter } from './amqp/writer.js';
import type { ReadLimits, TaskReader, TaskWriter } from './queue.js';

/** Queues of a broker; each reader and writer has a connection of its own. */
export interface RabbitMqQueue {
  readonly configuration: Pick<Configuration, 'app' | 'numProcesses' | 'broker'>;
  readonly log: Logger;
  /** Attempts at the first connection before it fails; without a limit where it is not given. */
  readonly tries?: number;
  readonly clock?: Clock;
}

/** What reading needs beyond that: what is acknowledged when, and where attempts are counted. */
export interface RabbitMqReading extends RabbitMqQueue {
  readonly configuration: Pick<Configuration, 'app' | 'numProcesses' | 'broker' | 'delivery' | 'runtimeDir'>;
}

/** The reader of an index. */
export function openReader(queue: RabbitMqReading, index: number, limits: ReadLimits): TaskReader {
  const { configuration, log, clock = systemClock } = queue;
  const { app, broker, delivery, runtimeDir } = configuration;
  const connection = new AmqpConnection({ app, broker, log, purpose: 'consuming', clock });
  const atMostOnce = delivery === 'at-most-once';
  return new AmqpReader({ app, index, limits, broker, atMostOnce, runtimeDir, connection, clock, log });
}

export function openWriter(queue: RabbitMqQueue): TaskWriter {
  const { configuration, ...rest } = queue;
  const { app, numProcesses, broker } = configuration;
  return new AmqpWriter({ app, numProcesses, broker, ...rest });
}

/** Makes queues and exchanges where they do not make themselves; returns what was missing. Throws QUEUE_REFUSED, QUEUE_UNAVAILABLE. */
export function declareQueues({ configuration, log, tries = 1 }: RabbitMqQueue): Promise<string[]> {
  const { app, numProcesses, broker } = configuration;
  return setUpTopology({ app, numProcesses, broker, log, tries });
}

/** Makes queues anew that lose tasks as they are, with all that waits in them. Throws QUEUE_REFUSED, QUEUE_UNAVAILABLE. */
export function repairQueues({ configuration, log, tries = 1 }: RabbitMqQueue): Promise<readonly Repaired[]> {
  const { app, numProcesses, broker } = configuration;
  return repairTopology({ app, numProcesses, broker, log, tries });
}

/** What the broker would do to tasks. */
export function inspectQueues(
  { configuration, log }: RabbitMqQueue,
  how: Pick<InspectOptions, 'indexes' | 'byAmqp' | 'asWanted'>,
): Promise<readonly Problem[]> {
  const { app, broker } = configuration;
  return inspectBroker({ app, broker, log, ...how });
}
