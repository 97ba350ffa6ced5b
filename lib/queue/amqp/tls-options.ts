/** What every connection to the broker is encrypted with, to its port of AMQP and to that of its management API. */
import type { BrokerConfiguration } from '../../config/configuration.js';
import { readTlsFiles, type TlsContents } from '../../config/tls-files.js';

export interface TlsOptions extends TlsContents {
  readonly servername?: string;
  readonly rejectUnauthorized: true;
}

/** As tls.connect takes them. Throws TlsFileError. */
export function tlsOptionsOf({ tlsFiles, tlsServerName }: BrokerConfiguration): TlsOptions {
  return {
    ...readTlsFiles(tlsFiles),
    ...(tlsServerName !== null && { servername: tlsServerName }),
    rejectUnauthorized: true,
  };
}
