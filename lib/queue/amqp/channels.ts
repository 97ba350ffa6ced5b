/**
 * Operations on a channel that the broker may refuse. A refusal takes its channel along, so the next one gets a fresh one.
 */
import type { Channel } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { AmqpConnection } from './connection.js';
import { whereIs } from './refusal.js';

/** What a refused operation means: rights that are missing, or something in the way. */
export function explained(error: unknown, what: string, broker: BrokerConfiguration): ApplicationError {
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
export function codeOf(error: unknown): number | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : null;
}

/** One channel after another. */
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
