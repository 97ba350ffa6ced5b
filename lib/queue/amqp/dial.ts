/** Opens one connection to the broker, as amqplib makes it; what becomes of it is its owner's affair. */
import { connect as connectSocket } from 'node:net';
import amqp, { type ChannelModel } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import { tlsOptionsOf } from './tls-options.js';

/** A server that accepts a connection and then says nothing for so long is none. */
const HANDSHAKE_MS = 10_000;
/** Bytes that a socket takes before it wants to be drained; small ones cost a turn of the event loop each. */
const SOCKET_BUFFER_BYTES = 256 * 1024;

/**
 * `name` is what the broker shows of it; `signal` ends its socket. Throws what the network, the server or amqplib says, and TlsFileError.
 */
export async function dial(broker: BrokerConfiguration, name: string, signal: AbortSignal): Promise<ChannelModel> {
  const { host, port, tls, username, password, virtualHost: vhost, heartbeatMs } = broker;
  const common = { clientProperties: { connection_name: name }, noDelay: true, timeout: HANDSHAKE_MS };
  // tls.connect does not know of signals: it gets a socket that does.
  const transport = tls
    ? { socket: connectSocket({ host, port, signal }), ...tlsOptionsOf(broker) }
    : { signal, writableHighWaterMark: SOCKET_BUFFER_BYTES };
  const heartbeat = Math.max(1, Math.round(heartbeatMs / 1_000));
  const protocol = tls ? 'amqps' : 'amqp';
  const model = await amqp.connect(
    { protocol, hostname: host, port, username, password, vhost, heartbeat },
    { ...common, ...transport },
  );
  return model;
}
