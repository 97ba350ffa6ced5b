/**
 * The URL of a PostgreSQL server, read as libpq reads it, parameters included: what PostgreSQL's documentation says of one holds here,
 * and what is not known is refused. Refused: the parser of pg, which takes every parameter and does something else with `sslmode`;
 * and JavaScript's URL, which cuts a password at its #.
 *
 * Nothing of the part with the password is ever shown, not even where it was taken for something else.
 */
import { isAbsolute, resolve } from 'node:path';
import { nearest } from '../runtime/nearest.js';
import { readHost } from './host.js';
import { Refusal } from './refusal.js';
import { NO_TLS_FILES, type TlsFiles, type TlsPart } from './tls-files.js';

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** Null: not given, and pg takes its default or the variable PG... */
export interface PostgresUrl {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string | null;
  readonly port: number | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly applicationName: string | null;
  /** Settings of the server, as its command line takes them. */
  readonly options: string | null;
  readonly connectTimeoutMs: number | null;
  readonly sslMode: SslMode;
  readonly sslModeGiven: boolean;
  /** Whether the server's certificate is believed, whether it must be of this host, too. */
  readonly verify: 'nothing' | 'authority' | 'everything';
  /** TLS from the first byte. */
  readonly directTls: boolean;
  readonly files: TlsFiles;
}

const SHAPE = 'postgres://host:5432/database, with user:password@ before the host';
const ENCODED = 'signs such as @ : / ? # % in a name or password are written %40 %3A %2F %3F %23 %25';
const PARTS = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^@/?]*)(?:\/([^@?]*))?(?:\?([^@]*))?$/;

/** The parameters, by what libpq calls them. */
const PARAMETERS = [
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'application_name',
  'options',
  'connect_timeout',
  'ssl',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
] as const;
type Parameter = (typeof PARAMETERS)[number];

const FILE_PARAMETERS: ReadonlyMap<TlsPart, Parameter> = new Map([
  ['ca', 'sslrootcert'],
  ['cert', 'sslcert'],
  ['key', 'sslkey'],
  ['passphrase', 'sslpassword'],
]);

const FILES: readonly string[] = ['sslrootcert', 'sslcert', 'sslkey'];
/** In place of the file: the authorities that the system trusts, which are those of Node.js here. */
const SYSTEM = 'system';

const LONGEST_CONNECT_S = 3_600;

/** What the parameter of a file of TLS is called. */
export function parameterOf(part: TlsPart): string {
  return FILE_PARAMETERS.get(part) ?? part;
}

/** @throws Refusal, which shows nothing of a password */
export function readPostgresUrl(given: unknown): PostgresUrl {
  if (typeof given !== 'string' || !/^postgres(?:ql)?:\/\/./.test(given))
    throw new Refusal(SHAPE, 'it begins otherwise');
  if (/\s/.test(given)) throw new Refusal(SHAPE, 'there is a blank in it, which is written %20 in a name or password');
  const parts = PARTS.exec(given);
  if (parts === null) throw new Refusal(SHAPE, `a sign in the name or password is not encoded: ${ENCODED}`);
  const [, login = '', place = '', path = '', query = ''] = parts;
  const parameters = readParameters(query);
  const colon = login.indexOf(':');
  const [user, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  const { host, port } = readPlace(place);
  const value = (name: Parameter, otherwise: string) => parameters.get(name) ?? (decoded(otherwise) || null);
  const givenPort = parameters.get('port') ?? port;
  return {
    host: hostOf(parameters.get('host') ?? decoded(host)),
    port: givenPort === '' ? null : portOf(givenPort),
    user: value('user', user),
    password: value('password', password),
    database: value('dbname', path),
    applicationName: value('application_name', ''),
    options: value('options', ''),
    connectTimeoutMs: connectTimeoutOf(parameters),
    ...encryptionOf(parameters),
  };
}

/** The same URL with the files of TLS by absolute paths. */
export function withFilesFrom(dir: string, url: string): string {
  const [address = '', query] = url.split(/\?(.*)/s);
  if (query === undefined) return url;
  const anchored = query.split('&').map((pair) => {
    const [name = '', path = ''] = pair.split(/=(.*)/s);
    if (!FILES.includes(name) || path === SYSTEM || isAbsolute(decoded(path))) return pair;
    return `${name}=${encodeURIComponent(resolve(dir, decoded(path)))}`;
  });
  return `${address}?${anchored.join('&')}`;
}

/** Whether the connection goes through a Unix socket, which is never encrypted. */
export function isSocketFolder(host: string | null): boolean {
  return host?.startsWith('/') ?? false;
}

function readPlace(place: string): { readonly host: string; readonly port: string } {
  if (place.includes(',')) throw new Refusal('one host and port', 'several servers in one URL are not supported');
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(place);
  // Whatever stands there may be a piece of a password.
  if (parts === null) {
    const wrong = 'what follows the host is no port (an IPv6 address stands in brackets)';
    throw new Refusal(SHAPE, `${wrong}, or a sign in the name or password is not encoded: ${ENCODED}`);
  }
  return { host: parts[1] ?? '', port: parts[2] ?? '' };
}

function hostOf(host: string): string | null {
  if (host === '' || isSocketFolder(host)) return host || null;
  try {
    return readHost(host);
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(`${error.allowed} as host`, ENCODED);
    throw error;
  }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new Refusal('a port from 1 to 65535', 'it stands behind the host, as in host:5432');
  return port;
}

function readParameters(query: string): ReadonlyMap<Parameter, string> {
  const read = new Map<Parameter, string>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(pair) ?? [];
    const parameter = PARAMETERS.find((known) => known === name);
    if (parameter === undefined) throw unknown(name);
    if (value === undefined || value === '') throw new Refusal(`a value for the parameter ${parameter}`);
    if (read.has(parameter)) throw new Refusal(`the parameter ${parameter} once`, 'it was given twice');
    read.set(parameter, decoded(value));
  }
  return read;
}

function unknown(name: string): Refusal {
  const known = `the parameters ${PARAMETERS.join(', ')}`;
  // Anything else may be a piece of a password with a question mark.
  if (!/^[a-z_]{1,40}$/i.test(name)) return new Refusal(known, ENCODED);
  const near = nearest(name, PARAMETERS);
  const meant = near === null ? '' : ` (did you mean ${near}?)`;
  return new Refusal(known, `"${name}" is none of them${meant}`);
}

function connectTimeoutOf(parameters: ReadonlyMap<Parameter, string>): number | null {
  const text = parameters.get('connect_timeout');
  if (text === undefined) return null;
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= LONGEST_CONNECT_S) return seconds * 1_000;
  throw new Refusal(`a number of seconds from 1 to ${LONGEST_CONNECT_S} as connect_timeout`);
}

/** What `sslmode` means to libpq; `no-verify` is the word of Node.js for `require` without an authority. */
function encryptionOf(
  parameters: ReadonlyMap<Parameter, string>,
): Pick<PostgresUrl, 'sslMode' | 'sslModeGiven' | 'verify' | 'directTls' | 'files'> {
  const sslMode = sslModeOf(parameters);
  const sslModeGiven = parameters.has('sslmode') || parameters.has('ssl');
  const directTls = choiceOf(parameters, 'sslnegotiation', ['postgres', 'direct']) === 'direct';
  if (directTls && (sslMode === 'disable' || sslMode === 'prefer')) {
    throw new Refusal('sslnegotiation=direct with sslmode=require or more');
  }
  const files = sslMode === 'disable' ? NO_TLS_FILES : filesOf(parameters);
  if (parameters.get('sslrootcert') === SYSTEM && sslMode !== 'disable' && sslMode !== 'verify-full') {
    throw new Refusal(
      'sslrootcert=system with sslmode=verify-full',
      'anybody can have a certificate of such an authority',
    );
  }
  if (sslMode === 'verify-ca' && files.ca === null) {
    throw new Refusal('sslmode=verify-ca with sslrootcert', 'without an authority of its own it would believe anybody');
  }
  const shared = { sslMode, sslModeGiven, directTls, files };
  if (sslMode === 'verify-full') return { ...shared, verify: 'everything' };
  const byAuthority = sslMode === 'verify-ca' || (sslMode === 'require' && files.ca !== null);
  return { ...shared, verify: byAuthority ? 'authority' : 'nothing' };
}

function sslModeOf(parameters: ReadonlyMap<Parameter, string>): SslMode {
  const mode = choiceOf(parameters, 'sslmode', SSL_MODES);
  const flag = choiceOf(parameters, 'ssl', ['true']);
  if (mode !== null && flag !== null) throw new Refusal('sslmode or ssl=true', 'both were given');
  return mode ?? (flag === null ? 'disable' : 'require');
}

function filesOf(parameters: ReadonlyMap<Parameter, string>): TlsFiles {
  const value = (part: TlsPart) => parameters.get(FILE_PARAMETERS.get(part) ?? 'sslmode') ?? null;
  const ca = value('ca');
  return { ca: ca === SYSTEM ? null : ca, cert: value('cert'), key: value('key'), passphrase: value('passphrase') };
}

function choiceOf<const T extends string>(
  parameters: ReadonlyMap<Parameter, string>,
  name: Parameter,
  choices: readonly T[],
): T | null {
  const given = parameters.get(name);
  if (given === undefined) return null;
  const chosen = choices.find((each) => each === given);
  if (chosen !== undefined) return chosen;
  const known = choices.length === 1 ? choices[0] : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
  throw new Refusal(`${known} as ${name}`, `given was ${JSON.stringify(given.slice(0, 40))}`);
}

function decoded(text: string): string {
  try {
    const plain = decodeURIComponent(text);
    if (!plain.includes('\0')) return plain;
  } catch {
    // Told below.
  }
  throw new Refusal(SHAPE, `a % is not followed by the two hexadecimal digits of a sign: ${ENCODED}`);
}
