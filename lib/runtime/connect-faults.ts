/**
 * Why no connection could be made, told from the errors of Node.js: in words that name what to look at, and whether one side speaks TLS and
 * the other does not. A server that hears the other language hangs up without a word, so it is asked again in that language.
 */
import { type ConnectionOptions, connect } from 'node:tls';
import { messageOf } from './errors.js';

/** `plain-peer`: it speaks no TLS. `certificate`: its certificate is not believed. `own-certificate`: it refuses ours, or wants one. */
export type TlsFault = 'plain-peer' | 'certificate' | 'own-certificate';

/** What OpenSSL says of bytes that are no TLS. */
const PLAIN_PEER = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_UNKNOWN_PROTOCOL',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNEXPECTED_MESSAGE',
]);
/** Codes of a chain that does not hold, as Node.js names those of OpenSSL. */
const CERTIFICATE =
  /^(?:ERR_TLS_CERT_ALTNAME_INVALID|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_)/;
/** Alerts of a server about the certificate of its client. */
const OWN_CERTIFICATE = /CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|DECRYPT_ERROR/;
const ALERT = /^ERR_SSL_.*ALERT/;
/** A server that is there answers a handshake within this time. */
const PROBE_MS = 2_000;

/** The code of an error, or of the first that it gathers; empty where there is none. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : '';
}

export function tlsFaultOf(error: unknown): TlsFault | null {
  const code = codeOf(error);
  if (PLAIN_PEER.has(code)) return 'plain-peer';
  if (CERTIFICATE.test(code)) return 'certificate';
  return code.includes('ALERT_') && OWN_CERTIFICATE.test(code) ? 'own-certificate' : null;
}

/** Whether the server ended the conversation, or said what nobody understands: it may be of the other language. */
export function isHangUp(error: unknown): boolean {
  const code = codeOf(error);
  return code === '' || code === 'ECONNRESET' || code === 'EPIPE';
}

/** With the code, which stays the same where messages are translated; of a name with several addresses, what each of them said. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOTFOUND') return 'no server of that name is known (ENOTFOUND)';
  if (code === 'EAI_AGAIN') return 'the name cannot be looked up at the moment (EAI_AGAIN)';
  const message = messagesIn(error);
  if (message === '') return code || 'no reason was given';
  return code === '' || message.includes(code) ? message : `${message} (${code})`;
}

/** Whether a server speaks TLS from the first byte. Its certificate does not matter. */
export function speaksTls(server: Pick<ConnectionOptions, 'host' | 'port'>): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...server, rejectUnauthorized: false, timeout: PROBE_MS });
    const end = (speaks: boolean) => {
      socket.destroy();
      resolve(speaks);
    };
    socket.once('secureConnect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.on('error', (error) => end(ALERT.test(codeOf(error))));
    socket.once('close', () => resolve(false));
  });
}

/** OpenSSL's own reason stands between addresses and names of its files. */
function messagesIn(error: unknown): string {
  if (error instanceof Error && 'reason' in error && codeOf(error).startsWith('ERR_SSL_')) return String(error.reason);
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return messageOf(error);
}
