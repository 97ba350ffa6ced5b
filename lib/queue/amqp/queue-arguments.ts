/**
 * How a queue really is that somebody else declared. The broker tells neither the type nor the arguments of a queue; but it refuses to
 * declare an existing queue otherwise than it is, and names one difference. So the queue is declared, corrected by that, again
 * and again until it is taken. Refused: the management plugin's API, which not every broker has and not every user may ask.
 */
import { ApplicationError, messageOf } from '../../runtime/errors.js';

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

/** The difference named by a refused declaration (RabbitMQ, 406 PRECONDITION_FAILED); null where the error says something else. */
export function differenceIn(error: unknown): Difference | null {
  const found = /inequivalent arg '([^']+)' for .*: received (.*) but current is (.*?)"?$/s.exec(messageOf(error));
  if (found === null) return null;
  const [, name = '', received = '', current = ''] = found;
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

/** Uses that no queue of such a shape allows, and what is lost with it. */
export interface Judgement {
  readonly refused: readonly string[];
  readonly warnings: readonly string[];
}

/** What a found queue means for tasks that must not be lost. `normal`: full must mean that producers wait. */
export function judge(found: QueueShape, type: 'classic' | 'quorum', normal: boolean): Judgement {
  const refused: string[] = [];
  const warnings: string[] = [];
  const args = found.arguments;
  const actual = args.get('x-queue-type') ?? 'classic';
  if (!found.durable) refused.push('it is not durable: a restart of the broker would lose it with all tasks');
  if (found.autoDelete) refused.push('it is deleted with its last consumer, and all tasks with it');
  if (actual !== type) refused.push(`it is of type ${actual}, and msg_broker.queue_type is ${type}`);
  const single = args.get('x-single-active-consumer') === true;
  if (actual === 'classic' && single) {
    refused.push('it is classic with a single active consumer: RabbitMQ can lose the order there');
  }
  if (actual === 'quorum' && !single) {
    warnings.push('it has no single active consumer: two workers that take each other for dead may both read it');
  }
  const bounded = args.has('x-max-length') || args.has('x-max-length-bytes');
  const overflow = args.get('x-overflow') ?? 'drop-head';
  if (bounded && overflow === 'drop-head') refused.push('the broker drops tasks when it is full (x-overflow)');
  if (bounded && overflow === 'reject-publish-dlx') warnings.push('the broker copies what it rejects (x-overflow)');
  if (bounded && !normal) warnings.push('it is bounded: derived tasks may lose their order when it is full');
  if (args.has('x-message-ttl')) refused.push('the broker drops tasks that wait too long (x-message-ttl)');
  if (args.has('x-expires')) warnings.push('the broker deletes it when nobody uses it for long (x-expires)');
  if (args.has('x-max-priority')) refused.push('the broker reorders tasks by their priority (x-max-priority)');
  const limit = args.get('x-delivery-limit');
  if (typeof limit === 'number' && limit >= 0) {
    warnings.push(`the broker drops a task that was delivered more than ${limit} times (x-delivery-limit)`);
  }
  return { refused, warnings };
}

export function clash(queue: string, where: string, reasons: readonly string[]): ApplicationError {
  const sentence = `the queue "${queue}" at ${where} can not be used: ${reasons.join('; ')}. Remove it once it is empty, or configure what it is.`;
  return new ApplicationError('QUEUE_REFUSED', sentence);
}
