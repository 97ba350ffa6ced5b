/**
 * How a queue really is that somebody else declared. The broker tells neither the type nor the arguments of a queue; but it refuses to
 * declare an existing queue otherwise than it is, and names one difference. So the queue is declared, corrected by that, again
 * and again until it is taken. Refused: the management plugin's API, which not every broker has and not every user may ask.
 */
import { messageOf } from '../../runtime/errors.js';
import { type Channels, codeOf } from './channels.js';

/** More differences than there are arguments: the broker's words were not understood. */
const MOST_DIFFERENCES = 20;

/** Properties of a queue as they are declared; arguments by their names at the broker. */
export interface QueueShape {
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: ReadonlyMap<string, string | number | boolean>;
}

/** One difference that the broker found: what it is called, and what is current; null where there is nothing. */
export interface Difference {
  readonly name: string;
  readonly current: string | number | boolean | null;
}

const RECEIVED = ': received ';
const CURRENT = ' but current is ';

/** The difference named by a refused declaration (RabbitMQ, 406 PRECONDITION_FAILED); null where the error says something else. */
export function differenceIn(error: unknown): Difference | null {
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
