/**
 * Client: how pg is told where the server is and how the connection is encrypted, and why it would not connect. pg itself reads no
 * URL here: it takes `sslmode` for something else than PostgreSQL does.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import { authority } from '../../config/host.js';
import { isSocketFolder, type PostgresUrl, parameterOf, readPostgresUrl } from '../../config/postgres-url.js';
import { readTlsFiles, TlsFileError } from '../../config/tls-files.js';
import { isHangUp, reasonOf, speaksTls, type TlsFault, tlsFaultOf } from '../../runtime/connect-faults.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { sentenceOf } from './failures.js';

const CONNECT_TIMEOUT_MS = 10_000;
const ASKED_MS = 2_000;
/** pg's words for a server that answers the question for TLS with no, and with anything else. */
const NO_TLS = 'The server does not support SSL connections';
/** The first message of a client that wants TLS: its length and a number that is no version. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const KEY = 'processing_core.store.url';

/** Where a connection leads, as far as it may be printed. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
}

/** Whether a connection begins encrypted; with `prefer` it may go on in plain. */
export function beginsEncrypted({ sslMode, host }: PostgresUrl): boolean {
  return sslMode !== 'disable' && !isSocketFolder(host);
}

/** @throws ApplicationError STORE_DENIED for a file of TLS that cannot be used */
export function clientConfigOf(server: PostgresUrl, encrypted: boolean): pg.ClientConfig {
  const { host, port, user, password, database, options, connectTimeoutMs, directTls } = server;
  const given = { host, port, user, password, database, options };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)),
    ssl: encrypted ? encryptionOf(server) : false,
    sslnegotiation: encrypted && directTls ? 'direct' : 'postgres',
    connectionTimeoutMillis: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  };
}

function encryptionOf({ files, verify }: PostgresUrl): pg.ClientConfig['ssl'] {
  try {
    return {
      ...readTlsFiles(files),
      rejectUnauthorized: verify !== 'nothing',
      ...(verify === 'authority' && { checkServerIdentity: () => undefined }),
    };
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    throw refused(`${KEY}: ${parameterOf(error.part)}: ${error.sentence}`, error);
  }
}

/** Whether a server said that it has no TLS, so that one that only prefers it goes on in plain. */
export function hasNoTls(error: unknown): boolean {
  return messageOf(error) === NO_TLS;
}

/** How a server is named in logs and errors. */
export function placeOf({ host, port }: Pick<Target, 'host' | 'port'>): string {
  return `PostgreSQL at ${isSocketFolder(host) ? `${host} (port ${port})` : authority(host, port)}`;
}

/** The server and database of a URL, without its secrets. */
export function nameOf(url: string): string {
  const { host, port, database, user } = readPostgresUrl(url);
  const place = placeOf({ host: host ?? pg.defaults.host ?? 'localhost', port: port ?? pg.defaults.port ?? 5_432 });
  return `${place}, database ${database ?? user ?? 'by default'}`;
}

/**
 * Why no connection could be made, in a sentence that says what to do. `first`: there was none yet, so that a server which hangs up is
 * asked whether it speaks TLS.
 */
export async function connectFailure(
  error: unknown,
  target: Target,
  server: PostgresUrl,
  { encrypted, first }: { readonly encrypted: boolean; readonly first: boolean },
): Promise<ApplicationError> {
  if (error instanceof ApplicationError) return error;
  const place = placeOf(target);
  const mode = `sslmode=${server.sslMode}`;
  if (hasNoTls(error)) {
    const how = `switch it on there, or take sslmode=disable (${KEY})`;
    return refused(`${place} does not speak TLS, and ${mode} asks for it: ${how}`, error);
  }
  const fault = encrypted ? tlsFaultOf(error) : null;
  if (fault !== null)
    return refused(`${place} ${tlsSentence(fault, server)}: ${reasonOf(error)} (${KEY}: ${mode})`, error);
  if (error instanceof pg.DatabaseError) return answeredNo(error, target, encrypted);
  const silent = messageOf(error) === 'timeout expired';
  const mayBeTls = first && !silent && isHangUp(error) && !server.directTls && !isSocketFolder(target.host);
  if (mayBeTls && (await speaksTls(target))) {
    const how = 'it takes sslmode=require or more with sslnegotiation=direct';
    return refused(`${place} speaks TLS from the first byte, and ${mode} does not begin so: ${how} (${KEY})`, error);
  }
  const seconds = (server.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1_000;
  const reason = silent ? `no answer within ${seconds} s` : reasonOf(error);
  const sentence = `${place}, database ${target.database}, cannot be reached: ${reason} (${KEY})`;
  return new ApplicationError('STORE_UNAVAILABLE', sentence, { cause: error });
}

function tlsSentence(fault: TlsFault, { files }: PostgresUrl): string {
  if (fault === 'plain-peer') return 'does not speak TLS on this port';
  if (fault === 'own-certificate') return `refuses our certificate (sslcert, ${files.cert ?? 'not given'})`;
  return `has a certificate that is not accepted (sslrootcert, ${files.ca ?? 'not given: those that Node.js trusts'})`;
}

async function answeredNo(error: pg.DatabaseError, target: Target, encrypted: boolean): Promise<ApplicationError> {
  const { user, database } = target;
  const place = placeOf(target);
  const code = error.code ?? '';
  if (code.startsWith('28')) {
    const plain = !encrypted && code === '28000' && (await offersTls(target));
    const how = plain ? 'it speaks TLS and this connection does not: add sslmode=require to' : 'check';
    return refused(`${place} refuses user ${user}: ${sentenceOf(error)}; ${how} ${KEY}`, error);
  }
  if (code === '3D000') {
    const how = `make it (createdb ${database}) or correct ${KEY}`;
    return refused(`${place} has no database ${database}: ${how}`, error);
  }
  if (code.startsWith('42')) {
    const sentence = `${place}, database ${database}, user ${user}: ${sentenceOf(error)} (${KEY})`;
    return new ApplicationError('STORE_FAILED', sentence, { cause: error });
  }
  const sentence = `${place}, database ${database}, cannot be reached: ${sentenceOf(error)}`;
  return new ApplicationError('STORE_UNAVAILABLE', sentence, { cause: error });
}

/** Asks whether TLS could be had. */
async function offersTls({ host, port }: Target): Promise<boolean> {
  if (isSocketFolder(host)) return false;
  const socket = connect({ host, port, timeout: ASKED_MS });
  socket.on('timeout', () => socket.destroy(new Error('no answer')));
  try {
    await once(socket, 'connect');
    socket.write(SSL_REQUEST);
    const [answer] = await once(socket, 'data');
    return Buffer.isBuffer(answer) && answer.toString('latin1', 0, 1) === 'S';
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function refused(sentence: string, cause: unknown): ApplicationError {
  return new ApplicationError('STORE_DENIED', sentence, { cause });
}
