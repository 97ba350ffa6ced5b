/** Certificates for tests: each one is of its own authority, in a folder that is removed after the tests that call this. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestCertificate {
  readonly folder: string;
  /** Paths. */
  readonly cert: string;
  readonly key: string;
  readonly pem: { readonly cert: string; readonly key: string };
}

/** For the name `localhost` alone, and no address. With a passphrase the key is encrypted. */
export function makeCertificate(passphrase?: string): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const secret = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
  execFileSync('openssl', ['req', ...kind, ...name, ...secret, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { folder, cert, key, pem: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } };
}
