/**
 * The queues of an application as they are wanted, and how those really are that somebody else declared. The broker tells neither the type
 * nor the arguments of a queue; but it refuses to declare an existing queue otherwise than it is, and names one difference. So the queue is
 * declared, corrected by that, again and again until it is taken. Refused: the management plugin's API, which not every broker has and
 * not every user may ask.
 */
import type { Channel } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { exchangeNames, queueNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
import { whereIs } from './refusal.js';

/** From this version on a quorum queue drops what was delivered 20 times, unless told otherwise. */
export const DELIVERY_LIMIT_SINCE = 4;

/** More differences than there are arguments: the broker's words were not understood. */
const MOST_DIFFERENCES = 20;

/** Properties of a queue as they are declared; arguments by their names at the broker. */
export interface QueueShape {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: ReadonlyMap<string, string | number | boolean>;
}

export interface WantedQueue {
  readonly name: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly index: number;
  readonly normal: boolean;
}

/** Where the content of a queue stays while the queue is made anew (repair.ts). */
export function spareOf(queue: string): string {
  return `${queue}-repair`;
}

/** As long as this queue is there, queues of the application are being made anew (repair.ts), and nothing may run. */
export function markerOf(app: string): string {
  return `${app}-worker-repair`;
}

/** The queue pairs of these indexes. */
export function queuesOf(app: string, indexes: readonly number[]): WantedQueue[] {
  const exchanges = exchangeNames(app);
  return indexes.flatMap((index) => {
    const names = queueNames(app, index);
    const routingKey = String(index);
    return [
      { name: names.normal, exchange: exchanges.normal, routingKey, index, normal: true },
      { name: names.priority, exchange: exchanges.priority, routingKey, index, normal: false },
    ];
  });
}

/** DP3 declares classic queues without a type, and so do we where they are wanted: another argument would be a clash for its script. */
export function shapeOf({ normal }: WantedQueue, version: string, broker: BrokerConfiguration): QueueShape {
  const args = new Map<string, string | number | boolean>();
  if (broker.queueType === 'quorum') {
    args.set('x-queue-type', 'quorum');
    args.set('x-single-active-consumer', true);
    // Before, there is no limit unless one is given, and -1 would be taken for one.
    if (Number.parseInt(version, 10) >= DELIVERY_LIMIT_SINCE) args.set('x-delivery-limit', -1);
  }
  if (normal) {
    args.set('x-max-length', broker.maxLength);
    args.set('x-overflow', 'reject-publish');
  }
  return { durable: true, autoDelete: false, arguments: args };
}

/** One difference that the broker found: what it is called, and what is current; null where there is nothing. */
export interface Difference {
  readonly name: string;
  readonly current: string | number | boolean | null;
}

const RECEIVED = ': received ';
const CURRENT = ' but current is ';

/** The difference named by a refused declaration (RabbitMQ, 406 PRECONDITION_FAILED); null where the error says something else. */
function differenceIn(error: unknown): Difference | null {
  const message = messageOf(error);
  const name = /inequivalent arg '([^']{1,255})' for /.exec(message)?.[1];
  const [receivedAt, currentAt] = [message.lastIndexOf(RECEIVED), message.lastIndexOf(CURRENT)];
  if (name === undefined || receivedAt < 0 || currentAt < receivedAt) return null;
  const received = message.slice(receivedAt + RECEIVED.length, currentAt);
  const current = message.slice(currentAt + CURRENT.length).replace(/"$/, '');
  const value = /^(?:the value )?'([^']*)'(?: of type '([^']*)')?$/.exec(current);
  if (value === null) return { name, current: null };
  const type = value[2] ?? /of type '([^']*)'/.exec(received)?.[1] ?? '';
  return { name, current: read(value[1] ?? '', type) };
}

/** The shape with the difference taken over. */
export function corrected(shape: QueueShape, { name, current }: Difference): QueueShape {
  if (name === 'durable') return { ...shape, durable: current === true };
  if (name === 'auto_delete') return { ...shape, autoDelete: current === true };
  const args = new Map(shape.arguments);
  if (current === null) args.delete(name);
  else args.set(name, current);
  return { ...shape, arguments: args };
}

/** Two values of one argument are told without their types. */
function read(text: string, type: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  const number = type !== 'longstr' && /^-?[0-9]+$/.test(text);
  return number ? Number(text) : text;
}

/** Declares a queue as it is wanted, then as the broker says that it is, until the broker agrees; or why it does not. */
export async function shapeFound(channels: Channels, name: string, wanted: QueueShape): Promise<QueueShape | Error> {
  let shape = wanted;
  for (let differences = 0; ; differences++) {
    const { durable, autoDelete, arguments: args } = shape;
    const options = { durable, autoDelete, arguments: Object.fromEntries(args) };
    const error = await channels.use((channel) => channel.assertQueue(name, options));
    if (error === null) return shape;
    const difference = codeOf(error) === 406 ? differenceIn(error) : null;
    if (difference === null || differences === MOST_DIFFERENCES) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
    shape = corrected(shape, difference);
  }
}

/** What a refused operation means: rights that are missing, or something in the way. */
export function explained(error: unknown, what: string, broker: BrokerConfiguration): ApplicationError {
  if (error instanceof ApplicationError) return error;
  const code = codeOf(error);
  const why = `the ${what} at ${whereIs(broker)}: ${messageOf(error)}`;
  if (code === 403) {
    const advice = 'with msg_broker.declare: false nothing is declared at start';
    return new ApplicationError('QUEUE_REFUSED', `the user "${broker.username}" has no right to ${why}; ${advice}`);
  }
  if (code === 405 || code === 406) return new ApplicationError('QUEUE_REFUSED', `cannot declare ${why}`);
  return new ApplicationError('QUEUE_UNAVAILABLE', `cannot use ${why}`, { cause: error });
}

/** Reply code of AMQP; null for an error that is none of the broker's. */
export function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}

/** One channel after another: what the broker refuses takes its channel along. */
export class Channels {
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
