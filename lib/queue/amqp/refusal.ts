/**
 * What a broker refuses for good, told from what passes. amqplib leaves of a refused handshake only its text, and of a refused virtual
 * host not even that: the server's reason is in its log.
 */
import type { BrokerConfiguration } from '../../config/configuration.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';

/** The broker as it is named in logs and errors: never with its password. */
export function whereIs({ host, port, virtualHost, tls }: BrokerConfiguration): string {
  return `${tls ? 'amqps' : 'amqp'}://${host}:${port}/${virtualHost === '/' ? '' : virtualHost}`;
}

/** The error for a person when the server refused what is configured; null where another attempt may help. */
export function refusalOf(error: unknown, broker: BrokerConfiguration): ApplicationError | null {
  const sentence = refusalIn(messageOf(error), broker);
  return sentence === null ? null : new ApplicationError('QUEUE_REFUSED', sentence, { cause: error });
}

function refusalIn(message: string, broker: BrokerConfiguration): string | null {
  const { username, virtualHost, host, port } = broker;
  if (/\bACCESS[-_]REFUSED\b/.test(message)) {
    const local = username === 'guest' ? '; the user guest is let in from localhost only' : '';
    return `the broker at ${host}:${port} refuses the user "${username}": name or password is wrong (msg_broker.username, msg_broker.password)${local}`;
  }
  if (/Expected ConnectionOpenOk; got <?ConnectionClose/.test(message)) {
    return `the broker at ${host}:${port} refuses the virtual host "${virtualHost}": it does not exist, or the user "${username}" may not use it (msg_broker.virtual_host)`;
  }
  return null;
}
