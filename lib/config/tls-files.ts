/**
 * TLS files: certificates and keys that a configuration names. `check` reads them as the connections do, so that one that is missing,
 * unreadable or not in PEM form is told with its key and not met in the handshake. They are read for each connection: a renewed
 * certificate needs no restart.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readBounded } from '../runtime/bounded-file.js';
import { messageOf } from '../runtime/errors.js';

/** What a connection is encrypted with, beyond what Node.js trusts: absolute paths, and the passphrase of the key. */
export interface TlsFiles {
  /** Certificates of the authorities that are trusted. */
  readonly ca: string | null;
  /** Our own certificate, and its key. */
  readonly cert: string | null;
  readonly key: string | null;
  readonly passphrase: string | null;
}

export type TlsPart = keyof TlsFiles;

/** What is wrong with one of them; `sentence` begins in the middle and names the file. */
export class TlsFileError extends Error {
  constructor(
    readonly part: TlsPart,
    readonly sentence: string,
  ) {
    super(`${part}: ${sentence}`);
  }
}

export interface TlsContents {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

export const NO_TLS_FILES: TlsFiles = { ca: null, cert: null, key: null, passphrase: null };

/** The authorities that a system trusts take a quarter of it. */
const MAX_PEM_BYTES = 1024 * 1024;

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** As tls.connect takes them. @throws TlsFileError for the first that cannot be used */
export function readTlsFiles(files: TlsFiles): TlsContents {
  const ca = files.ca === null ? null : certificatesIn('ca', files.ca);
  if (files.passphrase !== null && files.key === null) throw new TlsFileError('passphrase', 'there is no key for it');
  if (files.key !== null && files.cert === null) throw new TlsFileError('key', 'its certificate is not given');
  if (files.cert !== null && files.key === null) throw new TlsFileError('cert', 'its key is not given');
  const trusted = ca === null ? {} : { ca: ca.text };
  if (files.cert === null || files.key === null) return trusted;
  const cert = certificatesIn('cert', files.cert);
  const { text: key, read } = keyIn(files.key, files.passphrase);
  if (!cert.first.checkPrivateKey(read)) {
    throw new TlsFileError('key', `${files.key} is not the key of the certificate in ${files.cert}`);
  }
  return { ...trusted, cert: cert.text, key, ...(files.passphrase !== null && { passphrase: files.passphrase }) };
}

function certificatesIn(part: TlsPart, path: string): { readonly text: string; readonly first: X509Certificate } {
  const text = textOf(part, path);
  const blocks = text.match(PEM_CERTIFICATE) ?? [];
  try {
    const [first] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return { text, first };
  } catch (error) {
    throw new TlsFileError(part, `${path} holds a damaged certificate (${messageOf(error)})`);
  }
  throw new TlsFileError(part, `${path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
}

function keyIn(path: string, passphrase: string | null): { readonly text: string; readonly read: KeyObject } {
  const text = textOf('key', path);
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new TlsFileError('key', `${path} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)`);
  }
  try {
    return { text, read: createPrivateKey({ key: text, ...(passphrase !== null && { passphrase }) }) };
  } catch (error) {
    if (!/ENCRYPTED/.test(text)) throw new TlsFileError('key', `${path} holds a damaged key (${messageOf(error)})`);
    if (passphrase === null) throw new TlsFileError('key', `${path} is encrypted, and no passphrase is given`);
    throw new TlsFileError('passphrase', `it does not open the key in ${path}`);
  }
}

function textOf(part: TlsPart, path: string): string {
  try {
    return readBounded(path, MAX_PEM_BYTES).toString();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new TlsFileError(part, `there is no file ${path}`);
    throw new TlsFileError(part, `${path} cannot be read: ${messageOf(error)}`);
  }
}
