/** Addresses of servers and what encrypts the way to them: taken, or refused with the key, before anything is started. */
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHost } from '../../lib/config/host.js';
import { loadConfiguration, problemLine } from '../../lib/config/load.js';
import { readPostgresUrl } from '../../lib/config/postgres-url.js';
import { Refusal } from '../../lib/config/refusal.js';
import { makeCertificate, type TestCertificate } from '../support/certificates.js';
import { makeFolder } from '../support/folder.js';

type Section = Readonly<Record<string, unknown>>;

/** In server mode unless the environment says otherwise. */
function load(broker: Section, url: string, env = 'production', variables: NodeJS.ProcessEnv = {}, core: Section = {}) {
  const processing_core = { worker_processes: 1, msg_broker: broker, store: { url }, ...core };
  const dir = makeFolder({ 'default.yml': JSON.stringify({ processing_core }) });
  const { configuration, problems } = loadConfiguration({ dir, env }, variables);
  const errors = problems.filter(({ severity }) => severity === 'error').map(problemLine);
  return { dir, configuration, errors };
}

const URL_OF = 'postgres://me@db/dp3';
const SECRET = 'geheim';

/** What is said of a value that is refused; the value itself is shown by whoever asks, unless it is hidden. */
function refusalOf(read: (given: unknown) => unknown, given: string): string {
  try {
    read(given);
  } catch (error) {
    if (error instanceof Refusal) return `${error.hidden ? '' : `${given}: `}${error.allowed}; ${error.hint}`;
    throw error;
  }
  throw new Error(`${given} is taken`);
}

describe('the host of the broker', () => {
  it.each([
    ['rabbit.example.org', 'rabbit.example.org'],
    ['rabbit_1', 'rabbit_1'],
    ['192.0.2.1', '192.0.2.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
  ])('may be %s', (host, read) => {
    expect(readHost(host)).toBe(read);
  });

  it('is told by its key', () => {
    expect(load({ host: '[::1]' }, URL_OF).configuration?.broker.host).toBe('::1');
    expect(load({ host: 'rabbit:5672' }, URL_OF).errors).toEqual([
      expect.stringMatching(
        /default\.yml:1 processing_core\.msg_broker\.host: Given was "rabbit:5672", .*the port has/,
      ),
    ]);
    const { errors } = load({ host: `me:${SECRET}@rabbit` }, URL_OF);
    expect(errors).toEqual([expect.stringMatching(/processing_core\.msg_broker\.host: Allowed is /)]);
    expect(errors.join()).not.toContain(SECRET);
  });

  it.each([
    ['amqp://rabbit', /a URL is not: port, user and password have keys of their own/],
    [`amqp://me:${SECRET}@rabbit:5672/v`, /user and password have keys of their own/],
    [`me:${SECRET}@rabbit`, /user and password have keys of their own/],
    ['rabbit:5672', /the port has a key of its own/],
    ['[::1]:5672', /the port has a key of its own/],
    ['192.0.2.1:5672', /the port has a key of its own/],
    ['[rabbit]', /the name of a server/],
    ['rabbit/vhost', /the name of a server/],
    ['256.0.0.1', /the name of a server/],
    ['two words', /the name of a server/],
    ['one,two', /the name of a server/],
    ['-rabbit', /the name of a server/],
  ])('may not be %s', (host, error) => {
    const said = refusalOf(readHost, host);
    expect(said).toMatch(error);
    expect(said).not.toContain(SECRET);
  });
});

describe('the URL of the store', () => {
  const none = { host: null, port: null, user: null, password: null, database: null };
  it.each<[string, object]>([
    ['postgres://me:a%40b%2Fc@db:6432/dp3', { host: 'db', port: 6432, user: 'me', password: 'a@b/c', database: 'dp3' }],
    ['postgresql://me:a#b+c:d@db/dp3', { user: 'me', password: 'a#b+c:d', host: 'db', database: 'dp3' }],
    ['postgres://[::1]:6432/dp3', { host: '::1', port: 6432 }],
    ['postgres:///dp3?host=/var/run/postgresql', { ...none, host: '/var/run/postgresql', database: 'dp3' }],
    ['postgres://me@%2Fvar%2Frun%2Fpostgresql/dp3', { host: '/var/run/postgresql', user: 'me' }],
    ['postgres://localhost:1/?host=/tmp&port=5433&user=me&password=x%26y&dbname=d', { port: 5433, password: 'x&y' }],
    [
      'postgres://db/dp3?application_name=bees&options=-c%20role%3Dx',
      { applicationName: 'bees', options: '-c role=x' },
    ],
    ['postgres://db/dp3?connect_timeout=3', { connectTimeoutMs: 3_000 }],
    ['postgres://db/dp3', { sslMode: 'disable' }],
    ['postgres://db/dp3?ssl=true', { sslMode: 'require', verify: 'nothing' }],
    ['postgres://db/dp3?sslmode=prefer', { sslMode: 'prefer', verify: 'nothing' }],
    ['postgres://db/dp3?sslmode=no-verify', { verify: 'nothing' }],
    ['postgres://db/dp3?sslmode=require&sslrootcert=/ca', { verify: 'authority' }],
    ['postgres://db/dp3?sslmode=verify-ca&sslrootcert=/ca', { verify: 'authority' }],
    ['postgres://db/dp3?sslmode=verify-full', { verify: 'everything', files: { ca: null } }],
    ['postgres://db/dp3?sslmode=verify-full&sslrootcert=system', { verify: 'everything', files: { ca: null } }],
    ['postgres://db/dp3?sslmode=require&sslnegotiation=direct', { directTls: true }],
  ])('is read as libpq reads it: %s', (url, read) => {
    expect(readPostgresUrl(url)).toMatchObject(read);
  });

  it.each([
    [
      'postgres://db/dp3?sslmode=bogus',
      /disable, prefer, require, verify-ca, verify-full or no-verify as sslmode; .*"bogus"/,
    ],
    ['postgres://db/dp3?sslmode=allow', /verify-full or no-verify as sslmode; given was "allow"/],
    ['postgres://db/dp3?sslmod=require', /"sslmod" is none of them \(did you mean sslmode\?\)/],
    ['postgres://db/dp3?uselibpqcompat=true', /the parameters host, port, .*"uselibpqcompat" is none of them/],
    ['postgres://db/dp3?sslmode=require&sslmode=disable', /the parameter sslmode once; it was given twice/],
    ['postgres://db/dp3?sslmode', /a value for the parameter sslmode/],
    ['postgres://db/dp3?ssl=1', /true as ssl/],
    ['postgres://db/dp3?ssl=true&sslmode=disable', /sslmode or ssl=true; both were given/],
    ['postgres://db/dp3?sslmode=verify-ca', /sslmode=verify-ca with sslrootcert/],
    ['postgres://db/dp3?sslmode=require&sslrootcert=system', /sslrootcert=system with sslmode=verify-full/],
    ['postgres://db/dp3?sslnegotiation=direct', /sslnegotiation=direct with sslmode=require or more/],
    ['postgres://db/dp3?connect_timeout=soon', /a number of seconds from 1 to 3600 as connect_timeout/],
    ['postgres://one,two/dp3', /one host and port; several servers/],
    ['postgres://one:1,two:2/dp3', /one host and port; several servers/],
    ['postgres://db:99999/dp3', /a port from 1 to 65535/],
    ['postgres://::1/dp3', /an IPv6 address stands in brackets/],
    ['postgres://d b/dp3', /postgres:\/\/host:5432\/database/],
    ['postgres://db/%zz', /are written %40/],
    ['postgres://db/%00', /are written %40/],
    ['mysql://db/dp3', /postgres:\/\/host:5432\/database/],
    [`postgres://me:ge@${SECRET}@db/dp3`, /are written %40/],
    [`postgres://me:ge/${SECRET}@db/dp3`, /are written %40/],
    [`postgres://me:ge?${SECRET}@db/dp3`, /are written %40/],
    [`postgres://me:ge?${SECRET}=1@db/dp3`, /are written %40/],
    [
      `postgres://me:${SECRET}%@db/dp3`,
      /a % is not followed by the two hexadecimal digits of a sign: .* are written %40/,
    ],
    [`postgres://me:${SECRET} x@db/dp3`, /there is a blank in it, which is written %20/],
    [`postgres://me:${SECRET}@x@db/dp3`, /a sign in the name or password is not encoded: .* %40/],
    [`postgres://me:${SECRET}@db:port/dp3`, /what follows the host is no port/],
    [`postgres://me:${SECRET}@[::1/dp3`, /an IPv6 address stands in brackets/],
    [`http://me:${SECRET}@db/dp3`, /it begins otherwise/],
    [`postgres://me:${SECRET}@db/dp3?sslpassword=${SECRET}&sslmode=x`, /as sslmode/],
  ])('is refused, and no secret is shown: %s', (url, error) => {
    const said = refusalOf(readPostgresUrl, url).slice(`${url}: `.length);
    expect(said).toMatch(error);
    expect(said).not.toContain(SECRET);
  });

  it('is told by its key', () => {
    expect(load({}, 'postgres://db/dp3?sslmod=require').errors).toEqual([
      expect.stringMatching(/default\.yml:1 processing_core\.store\.url: Allowed is .*"sslmod" is none of them/),
    ]);
    const { errors } = load({}, `postgres://me:ge?${SECRET}=1@db/dp3`);
    expect(errors).toEqual([expect.stringMatching(/processing_core\.store\.url: Allowed is .*are written %40/)]);
    expect(errors.join()).not.toContain(SECRET);
  });

  it('shows neither its password nor that of a key', () => {
    const processing_core = {
      store: { url: `postgres://me:${SECRET}@db/dp3?sslpassword=${SECRET}&password=${SECRET}` },
    };
    const dir = makeFolder({ 'default.yml': JSON.stringify({ processing_core }) });
    const { settings } = loadConfiguration({ dir }, {});
    const shown = settings.find(({ key }) => key === 'processing_core.store.url')?.value;
    expect(shown).toBe('postgres://***@db/dp3?***');
  });

  it('is not weakened by a variable that is not read', () => {
    const environment = { PGSSLMODE: 'verify-full' };
    expect(load({}, URL_OF, 'production', environment).errors).toEqual([
      expect.stringMatching(/store\.url: The variable PGSSLMODE asks for verify-full, .*add \?sslmode=verify-full/),
    ]);
    expect(load({}, `${URL_OF}?sslmode=disable`, 'production', environment).errors).toEqual([]);
    expect(load({}, URL_OF, 'production', { PGSSLMODE: 'prefer' }).errors).toEqual([]);
  });
});

describe('the files of TLS', () => {
  let certificate: TestCertificate;
  let other: TestCertificate;
  let locked: TestCertificate;
  beforeAll(() => {
    [certificate, other, locked] = [makeCertificate(), makeCertificate(), makeCertificate(SECRET)];
    writeFileSync(join(certificate.folder, 'no-pem'), 'MIIB');
    writeFileSync(join(certificate.folder, 'damaged.pem'), certificate.pem.cert.replace(/\n..../, '\nAAAA'));
    symlinkSync('loop.pem', join(certificate.folder, 'loop.pem'));
  });
  afterAll(() => {
    for (const { folder } of [certificate, other, locked]) rmSync(folder, { recursive: true });
  });

  /** As keys of the broker and as parameters of the URL. */
  const NAMES = [
    ['ca', 'tls_ca_file', 'sslrootcert'],
    ['cert', 'tls_cert_file', 'sslcert'],
    ['key', 'tls_key_file', 'sslkey'],
    ['passphrase', 'tls_key_passphrase', 'sslpassword'],
  ] as const;
  type Part = (typeof NAMES)[number][0];
  type Files = Partial<Record<Part, string>>;

  function loadBoth(files: Files, env?: string) {
    const given = NAMES.flatMap(([part, key, parameter]) => {
      const value = files[part];
      return value === undefined ? [] : [{ key, parameter, value }];
    });
    const keys = Object.fromEntries(given.map(({ key, value }) => [key, value]));
    const parameters = given.map(({ parameter, value }) => `&${parameter}=${encodeURIComponent(value)}`).join('');
    return load({ tls: true, ...keys }, `${URL_OF}?sslmode=verify-full${parameters}`, env);
  }

  it('are taken, and their paths are relative to the configuration folder', () => {
    const { cert, key } = certificate;
    expect(loadBoth({ ca: other.cert, cert, key }).errors).toEqual([]);
    expect(loadBoth({ cert: locked.cert, key: locked.key, passphrase: SECRET }).errors).toEqual([]);
    const { dir, errors } = loadBoth({ ca: '../ca.pem' });
    expect(errors).toEqual([
      expect.stringMatching(`msg_broker.tls_ca_file: There is no file ${join(dir, '../ca.pem')}.`),
      expect.stringMatching(`store.url: sslrootcert: there is no file ${join(dir, '../ca.pem')}.`),
    ]);
  });

  it.each<[string, () => Files, Part, RegExp]>([
    ['a missing authority', () => ({ ca: '/no/ca.pem' }), 'ca', /here is no file \/no\/ca\.pem\.$/],
    ['a folder', () => ({ ca: '/tmp' }), 'ca', /\/tmp cannot be read: it is a folder\.$/],
    ['what is no PEM', () => ({ ca: join(certificate.folder, 'no-pem') }), 'ca', /holds no certificate in PEM form/],
    ['a damaged one', () => ({ ca: join(certificate.folder, 'damaged.pem') }), 'ca', /holds a damaged certificate/],
    ['a missing certificate', () => ({ cert: '/no/c', key: certificate.key }), 'cert', /here is no file \/no\/c\.$/],
    ['a missing key', () => ({ cert: certificate.cert, key: '/no/k' }), 'key', /here is no file \/no\/k\.$/],
    [
      'a key for a certificate',
      () => ({ cert: certificate.key, key: certificate.key }),
      'cert',
      /holds no certificate/,
    ],
    [
      'a certificate for a key',
      () => ({ cert: certificate.cert, key: certificate.cert }),
      'key',
      /no private key in PEM/,
    ],
    [
      'the key of another',
      () => ({ cert: certificate.cert, key: other.key }),
      'key',
      /is not the key of the certificate/,
    ],
    ['a certificate without key', () => ({ cert: certificate.cert }), 'cert', /ts key is not given\.$/],
    ['a key without certificate', () => ({ key: certificate.key }), 'key', /ts certificate is not given\.$/],
    [
      'no passphrase',
      () => ({ cert: locked.cert, key: locked.key }),
      'key',
      /is encrypted, and no passphrase is given/,
    ],
    [
      'a wrong passphrase',
      () => ({ cert: locked.cert, key: locked.key, passphrase: `not-${SECRET}` }),
      'passphrase',
      /t does not open the key in /,
    ],
    ['a passphrase without key', () => ({ passphrase: SECRET }), 'passphrase', /here is no key for it\.$/],
  ])('are refused by key and parameter: %s', (_, files, part, error) => {
    const [, key, parameter] = NAMES.find(([name]) => name === part) ?? ['', '', ''];
    const { errors } = loadBoth(files());
    expect(errors).toEqual([
      expect.stringMatching(new RegExp(`processing_core\\.msg_broker\\.${key}: `)),
      expect.stringMatching(new RegExp(`processing_core\\.store\\.url: ${parameter}: `)),
    ]);
    for (const line of errors) expect(line).toMatch(error);
    expect(errors.join()).not.toContain(SECRET);
  });

  it('are refused where they cannot be read', () => {
    expect(loadBoth({ ca: join(certificate.folder, 'loop.pem') }).errors).toEqual([
      expect.stringMatching(/tls_ca_file: .*loop\.pem cannot be read: ELOOP/),
      expect.stringMatching(/sslrootcert: .*loop\.pem cannot be read: ELOOP/),
    ]);
  });

  it('need a connection that is encrypted', () => {
    expect(load({ tls: false, tls_ca_file: certificate.cert, tls_server_name: 'x' }, URL_OF).errors).toEqual([
      expect.stringMatching(/msg_broker\.tls_ca_file: The connection is not encrypted: this key needs tls: true\./),
      expect.stringMatching(/msg_broker\.tls_server_name: The connection is not encrypted/),
    ]);
    expect(load({}, `${URL_OF}?sslmode=disable&sslrootcert=/no/ca.pem`).errors).toEqual([]);
  });

  it('are not looked for where no server is used', () => {
    expect(loadBoth({ ca: '/no/ca.pem' }, 'development').errors).toEqual([]);
  });
});

describe('rules about one kind of broker or store', () => {
  it.each<[string, Section, Section]>([
    ['a consumer time-out below hang_timeout', {}, { hang_timeout: '2h' }],
    ['keys of TLS without tls', { tls_ca_file: 'ca.pem' }, {}],
  ])('do not hold where it is not used: %s', (_, broker, core) => {
    expect(load(broker, URL_OF, 'development', {}, core).errors).toEqual([]);
    expect(load(broker, URL_OF, 'production', {}, core).errors).toHaveLength(1);
  });
});
