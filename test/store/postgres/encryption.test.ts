/**
 * Encrypted connections to a real server: each `sslmode` means what PostgreSQL's documentation says, and where the two sides do not agree
 * the error says which of them speaks TLS, and names the key.
 */
import { chmodSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { Session } from '../../../lib/store/postgres/session.js';
import { type PrivatePostgres, startPrivatePostgres, type TestDatabase } from '../../../services/postgres.js';
import { makeCertificate, type TestCertificate } from '../../support/certificates.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

let server: PrivatePostgres;
let database: TestDatabase;
let certificate: TestCertificate;
let other: TestCertificate;

beforeAll(async () => {
  [certificate, other] = [makeCertificate(), makeCertificate()];
  server = await startPrivatePostgres();
  database = await server.database();
  const data = join(server.folder, 'data');
  const { uid, gid } = statSync(data);
  for (const [name, text] of Object.entries({
    'server.crt': certificate.pem.cert,
    'server.key': certificate.pem.key,
  })) {
    const path = join(data, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    chownSync(path, uid, gid);
  }
  const rules = join(data, 'pg_hba.conf');
  writeFileSync(rules, `hostnossl all careful 127.0.0.1/32 reject\n${readFileSync(rules, 'utf8')}`);
  await database.query(`create role careful login password 'hush'`);
  await setTls('on');
});
afterAll(async () => {
  await server.stop();
  for (const { folder } of [certificate, other]) rmSync(folder, { recursive: true });
});

async function setTls(state: 'on' | 'off'): Promise<void> {
  await database.query(`alter system set ssl = ${state}`);
  await database.query('select pg_reload_conf()');
  await vi.waitFor(async () => expect(await database.query('show ssl')).toEqual([{ ssl: state }]), { timeout: 10_000 });
}

/** The server, with these parameters in its URL; the files of the certificates stand for SERVER and OTHER. */
function urlOf(parameters: string, change: (url: URL) => void = () => {}): string {
  const url = new URL(database.url);
  url.search = parameters.replaceAll('SERVER', certificate.cert).replaceAll('OTHER', other.cert);
  change(url);
  return url.href;
}

/** Whether the connection is encrypted, as the server sees it. */
async function isEncrypted(url: string): Promise<boolean> {
  const session = new Session({ url, app: 'test', purpose: 'test' });
  onTestFinished(() => session.stop());
  await session.start();
  const [row] = await session.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  return row?.[0] === 't';
}

test.each([
  ['', '127.0.0.1', false],
  ['sslmode=disable&sslrootcert=/missing', '127.0.0.1', false],
  ['sslmode=prefer', '127.0.0.1', true],
  ['sslmode=require', '127.0.0.1', true],
  ['sslmode=no-verify', '127.0.0.1', true],
  ['sslmode=require&sslrootcert=SERVER', '127.0.0.1', true],
  ['sslmode=verify-ca&sslrootcert=SERVER', '127.0.0.1', true],
  ['sslmode=verify-full&sslrootcert=SERVER', 'localhost', true],
])('"%s" to %s connects, encrypted: %s', async (parameters, host, encrypted) => {
  const url = urlOf(parameters, (each) => {
    each.hostname = host;
  });
  expect(await isEncrypted(url)).toBe(encrypted);
});

test.each([
  ['sslmode=verify-full', 'localhost', /certificate that is not accepted \(sslrootcert, not given.*SELF_SIGNED/],
  [
    'sslmode=verify-full&sslrootcert=OTHER',
    'localhost',
    /certificate that is not accepted \(sslrootcert, .*cert\.pem\)/,
  ],
  ['sslmode=verify-full&sslrootcert=SERVER', '127.0.0.1', /not accepted .*ERR_TLS_CERT_ALTNAME_INVALID/],
  ['sslmode=verify-ca&sslrootcert=OTHER', '127.0.0.1', /certificate that is not accepted/],
  ['sslmode=require&sslrootcert=OTHER', '127.0.0.1', /certificate that is not accepted/],
  ['sslmode=require&sslrootcert=/missing', '127.0.0.1', /sslrootcert: there is no file \/missing/],
])('"%s" to %s is refused, and why is told with the key', async (parameters, host, sentence) => {
  const url = urlOf(parameters, (each) => {
    each.hostname = host;
  });
  await expect(isEncrypted(url)).rejects.toMatchObject({
    code: 'STORE_DENIED',
    message: expect.stringMatching(sentence),
  });
  await expect(isEncrypted(url)).rejects.toThrow('processing_core.store.url');
});

test('a server that takes no plain connection of a user is told of', async () => {
  const careful = (parameters: string) =>
    urlOf(parameters, (url) => {
      url.username = 'careful';
      url.password = 'hush';
    });
  await expect(isEncrypted(careful(''))).rejects.toMatchObject({
    code: 'STORE_DENIED',
    message: expect.stringMatching(
      /refuses user careful: .*; it speaks TLS and this connection does not: add sslmode=require to processing_core\.store\.url$/,
    ),
  });
  expect(await isEncrypted(careful('sslmode=require'))).toBe(true);
});

test('a server without TLS is told of, and "prefer" goes on in plain', async () => {
  await setTls('off');
  onTestFinished(() => setTls('on'));
  expect(await isEncrypted(urlOf('sslmode=prefer'))).toBe(false);
  await expect(isEncrypted(urlOf('sslmode=require'))).rejects.toMatchObject({
    code: 'STORE_DENIED',
    message: expect.stringMatching(
      /does not speak TLS, and sslmode=require asks for it: .*sslmode=disable \(processing_core\.store\.url\)$/,
    ),
  });
});

test.each(['', 'sslmode=require'])(
  'a port that speaks TLS from the first byte is told of ("%s")',
  async (parameters) => {
    const { hostname, port } = new URL(inject('postgres'));
    const { cert, key } = certificate.pem;
    const proxy = await TcpProxy.to({ host: hostname, port: Number(port) }, { cert, key });
    const url = urlOf(parameters, (each) => {
      each.host = `127.0.0.1:${proxy.port}`;
    });
    await expect(isEncrypted(url)).rejects.toMatchObject({
      code: 'STORE_DENIED',
      message: expect.stringMatching(
        /speaks TLS from the first byte, .*sslnegotiation=direct \(processing_core\.store\.url\)$/,
      ),
    });
  },
);
