/**
 * Why the broker cannot be used, in sentences that name the keys: what it refuses for good, told from what passes. amqplib leaves of a
 * refused handshake only its text, and of a refused virtual host not even that: the server's reason is in its log.
 */
import type { BrokerConfiguration } from '../../config/configuration.js';
import { authority } from '../../config/host.js';
import { TlsFileError, type TlsPart } from '../../config/tls-files.js';
import { codeOf, isHangUp, reasonOf, speaksTls, tlsFaultOf } from '../../runtime/connect-faults.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';

const TLS_KEYS: Readonly<Record<TlsPart, string>> = {
  ca: 'tls_ca_file',
  cert: 'tls_cert_file',
  key: 'tls_key_file',
  passphrase: 'tls_key_passphrase',
};

/** The broker as it is named in logs and errors: never with its password. */
export function whereIs({ host, port, virtualHost, tls }: BrokerConfiguration): string {
  return `${tls ? 'amqps' : 'amqp'}://${authority(host, port)}/${virtualHost === '/' ? '' : virtualHost}`;
}

/**
 * The error for a person when the server refused what is configured; null where another attempt may help. `first`: there was no connection
 * yet, so that a server which hangs up is asked whether it speaks TLS.
 */
export async function refusalOf(
  error: unknown,
  broker: BrokerConfiguration,
  first: boolean,
): Promise<ApplicationError | null> {
  const sentence = refusalIn(error, broker) ?? (await tlsRefusal(error, broker, first));
  return sentence === null ? null : new ApplicationError('QUEUE_REFUSED', sentence, { cause: error });
}

/** Why it could not be reached, where it did not refuse anything. */
export function unreachableBecause(error: unknown, { host }: BrokerConfiguration): string {
  const code = codeOf(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `${host}: ${reasonOf(error)}; check msg_broker.host`;
  return `${reasonOf(error)} (msg_broker.host, msg_broker.port)`;
}

function refusalIn(error: unknown, broker: BrokerConfiguration): string | null {
  const { username, virtualHost, host, port } = broker;
  const message = messageOf(error);
  const place = `the broker at ${authority(host, port)}`;
  if (error instanceof TlsFileError) return `msg_broker.${TLS_KEYS[error.part]}: ${error.sentence}`;
  if (/\bACCESS[-_]REFUSED\b/.test(message)) {
    const local = username === 'guest' ? '; the user guest is let in from localhost only' : '';
    return `${place} refuses the user "${username}": name or password is wrong (msg_broker.username, msg_broker.password)${local}`;
  }
  if (/Expected ConnectionOpenOk; got <?ConnectionClose/.test(message)) {
    return `${place} refuses the virtual host "${virtualHost}": it does not exist, or the user "${username}" may not use it (msg_broker.virtual_host)`;
  }
  return null;
}

/** What the two sides do not agree on, where one of them speaks TLS. */
async function tlsRefusal(
  error: unknown,
  { host, port, tls, tlsFiles }: BrokerConfiguration,
  first: boolean,
): Promise<string | null> {
  const place = `the broker at ${authority(host, port)}`;
  if (!tls) {
    const mayBeTls = first && isHangUp(error) && !messageOf(error).startsWith('connect ');
    if (!mayBeTls || !(await speaksTls({ host, port }))) return null;
    return `${place} speaks TLS on this port, and msg_broker.tls is false: set it to true, or give its plain port (usually 5672) as msg_broker.port`;
  }
  const fault = tlsFaultOf(error);
  if (fault === null) return null;
  if (fault === 'plain-peer') {
    return `${place} does not speak TLS on this port, and msg_broker.tls is true: give its TLS port (usually 5671) as msg_broker.port, or set msg_broker.tls to false`;
  }
  if (fault === 'own-certificate') {
    const ours = tlsFiles.cert === null ? 'not given' : tlsFiles.cert;
    return `${place} refuses our certificate (msg_broker.tls_cert_file, ${ours}): ${reasonOf(error)}`;
  }
  const keys = 'msg_broker.tls_ca_file names authorities to trust, msg_broker.tls_server_name another name';
  return `${place} has a certificate that is not accepted: ${reasonOf(error)} (${keys})`;
}
