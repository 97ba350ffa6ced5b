/**
 * Configuration: what the program is told, typed, complete and deeply frozen. Durations end in Ms, sizes in Bytes; paths are absolute.
 * Built from the values of the schema once they are known to be right; nothing else in the program knows the keys of the files.
 */
import type { BROKER_KINDS, DELIVERY_MODES, LOG_FORMATS, LOG_LEVELS, QUEUE_TYPES, STORE_KINDS } from './schema.js';
import type { TlsFiles } from './tls-files.js';

export type DeliveryMode = (typeof DELIVERY_MODES)[number];

export interface BrokerConfiguration {
  readonly kind: (typeof BROKER_KINDS)[number];
  readonly host: string;
  readonly port: number;
  /** Null where the management API is not to be asked. */
  readonly managementPort: number | null;
  readonly virtualHost: string;
  readonly username: string;
  readonly password: string;
  readonly tls: boolean;
  readonly tlsFiles: TlsFiles;
  /** Null: the name in `host`. */
  readonly tlsServerName: string | null;
  readonly prefetch: number;
  readonly queueType: (typeof QUEUE_TYPES)[number];
  readonly declare: boolean;
  /** Bound of a normal queue, in messages; holds for the embedded queue too. */
  readonly maxLength: number;
  readonly heartbeatMs: number;
  /** Unconfirmed publishes at once. */
  readonly outstanding: number;
  readonly consumerTimeoutMs: number;
}

export interface StoreConfiguration {
  readonly kind: (typeof STORE_KINDS)[number];
  /** Folder of the embedded store of this application. */
  readonly path: string;
  /** Null with the embedded store; holds a password. */
  readonly url: string | null;
  /** With PostgreSQL: a role whose schema is trusted; null for none but those that are anyway. */
  readonly schemaOwner: string | null;
  /** With PostgreSQL; null forever. */
  readonly rawRetentionMs: number | null;
  readonly mapSizeBytes: number;
  readonly maxReaders: number;
  readonly readerCheckIntervalMs: number;
}

export interface LoggingConfiguration {
  readonly level: (typeof LOG_LEVELS)[number];
  readonly format: (typeof LOG_FORMATS)[number];
  /** Path without the process's part; null for none. */
  readonly file: string | null;
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export interface Configuration {
  readonly app: string;
  readonly env: string;
  /** The configuration folder. */
  readonly dir: string;
  readonly numProcesses: number;
  readonly workerThreads: number;
  readonly modulesDir: string;
  readonly enabledModules: readonly string[];
  /** What `modules/<name>.yml` says for each enabled module: plain data, an empty object where there is no file. */
  readonly moduleConfigurations: ReadonlyMap<string, unknown>;
  readonly delivery: DeliveryMode;
  readonly maxInlineGeneratedTasks: number;
  readonly maxChainDepth: number;
  readonly maxSets: number;
  readonly normalEvery: number;
  readonly hookTimeoutMs: number;
  readonly hangTimeoutMs: number;
  readonly shutdownTimeMs: number;
  readonly slowTaskMs: number;
  /** Null for no limit. */
  readonly maxMemoryBytes: number | null;
  /** Folder for sockets of the running program. */
  readonly runtimeDir: string;
  readonly broker: BrokerConfiguration;
  readonly store: StoreConfiguration;
  readonly window: { readonly tasks: number; readonly bytes: number };
  readonly commit: { readonly tasks: number; readonly bytes: number; readonly ageMs: number };
  readonly cache: { readonly bytes: number };
  readonly outbox: { readonly tasks: number };
  readonly inbox: { readonly retentionMs: number };
  readonly message: { readonly bytes: number };
  readonly datapoint: { readonly maxFutureMs: number | null; readonly beyond: 'refuse' | 'clip' };
  readonly respawn: {
    readonly limit: number;
    readonly windowMs: number;
    readonly backoffMs: number;
    readonly backoffMostMs: number;
  };
  readonly quarantine: { readonly maxAttempts: number };
  readonly heartbeat: { readonly intervalMs: number };
  readonly watchdog: { readonly intervalMs: number; readonly maxRestarts: number };
  readonly ttl: { readonly sweepIntervalMs: number };
  readonly scheduler: { readonly misfireGraceMs: number };
  readonly control: { readonly connections: number; readonly requestBytes: number };
  /** Folder of the journals of `send`; how long those of files that are gone are kept. */
  readonly send: { readonly stateDir: string; readonly journalRetentionMs: number };
  readonly logging: LoggingConfiguration;
}
