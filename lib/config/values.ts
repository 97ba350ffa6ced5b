/**
 * Values: layers of given values over the schema's defaults, by convict, and from them the Configuration. convict is used for what it
 * does well: one schema with defaults, later values over earlier ones, a last strict validation, typed access. It never sees files,
 * variables or arguments itself (it would read process.argv), nor any value that was not read before.
 */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import convict from 'convict';
import type { Configuration } from './configuration.js';
import { addFormats } from './formats.js';
import type { GivenValue } from './layers.js';
import { withFilesFrom } from './postgres-url.js';
import { makeSchema } from './schema.js';
import type { TlsFiles } from './tls-files.js';

export interface ConfigurationPlace {
  /** Absolute. */
  readonly dir: string;
  readonly env: string;
}

/** Defaults of the environments that need no server; every other environment is taken for a production one. */
const SERVERLESS = ['development', 'test'];

export type Values = ReturnType<typeof mergeValues>;

/** The values of all settings; later layers win. */
export function mergeValues(layers: readonly GivenValue[]) {
  addFormats();
  const merged = convict(makeSchema(), { env: {}, args: [] });
  for (const { key, value } of layers) merged.set(key, value);
  merged.validate({ allowed: 'strict' });
  return merged.getProperties();
}

/** The kinds of broker and store, where they were not given. */
export function kindsOf(values: Values, env: string) {
  const serverless = SERVERLESS.includes(env);
  const { msg_broker, store } = values.processing_core;
  return {
    broker: msg_broker.kind ?? (serverless ? 'embedded' : 'rabbitmq'),
    store: store.kind ?? (serverless ? 'embedded' : 'postgres'),
  } as const;
}

/** The configuration that the values mean; its modules are added by the caller. */
export function configurationOf(
  values: Values,
  place: ConfigurationPlace,
  moduleConfigurations: ReadonlyMap<string, unknown>,
): Configuration {
  const core = values.processing_core;
  const { dir, env } = place;
  const kinds = kindsOf(values, env);
  const path = join(resolve(dir, core.store.path), values.app);
  return {
    app: values.app,
    env,
    dir,
    numProcesses: core.worker_processes ?? availableParallelism(),
    workerThreads: core.worker_threads,
    modulesDir: resolve(dir, core.modules_dir),
    enabledModules: core.enabled_modules,
    moduleConfigurations,
    delivery: core.delivery,
    maxInlineGeneratedTasks: core.max_inline_generated_tasks,
    maxChainDepth: core.max_chain_depth,
    maxSets: core.max_sets,
    normalEvery: core.normal_every,
    hookTimeoutMs: core.hook_timeout,
    hangTimeoutMs: core.hang_timeout,
    shutdownTimeMs: core.shutdown_time,
    slowTaskMs: core.slow_task,
    maxMemoryBytes: core.max_memory,
    runtimeDir: core.runtime_dir === null ? path : resolve(dir, core.runtime_dir),
    broker: brokerOf(core.msg_broker, kinds.broker, dir),
    store: {
      kind: kinds.store,
      path,
      schemaOwner: core.store.schema_owner,
      url: core.store.url === null ? null : withFilesFrom(dir, core.store.url),
      rawRetentionMs: core.store.raw_retention,
      mapSizeBytes: core.store.map_size,
      maxReaders: core.store.max_readers,
      readerCheckIntervalMs: core.store.reader_check_interval,
    },
    window: core.window,
    commit: { tasks: core.commit.tasks, bytes: core.commit.bytes, ageMs: core.commit.age },
    cache: core.cache,
    outbox: core.outbox,
    inbox: { retentionMs: core.inbox.retention },
    message: core.message,
    datapoint: { maxFutureMs: core.datapoint.max_future, beyond: core.datapoint.beyond },
    respawn: {
      limit: core.respawn.limit,
      windowMs: core.respawn.window,
      backoffMs: core.respawn.backoff,
      backoffMostMs: core.respawn.backoff_max,
    },
    quarantine: { maxAttempts: core.quarantine.max_attempts },
    heartbeat: { intervalMs: core.heartbeat.interval },
    watchdog: { intervalMs: core.watchdog.interval, maxRestarts: core.watchdog.max_restarts },
    ttl: { sweepIntervalMs: core.ttl.sweep_interval },
    scheduler: { misfireGraceMs: core.scheduler.misfire_grace },
    control: { connections: core.control.connections, requestBytes: core.control.request_bytes },
    send: {
      stateDir: values.send.state === null ? join(path, 'journals') : resolve(dir, values.send.state),
      journalRetentionMs: values.send.journal_retention,
    },
    logging: loggingOf(values.logging, dir),
  };
}

type BrokerValues = Values['processing_core']['msg_broker'];

/** The files of TLS, by absolute paths. */
export function tlsFilesOf(broker: BrokerValues, dir: string): TlsFiles {
  const path = (file: string | null) => (file === null ? null : resolve(dir, file));
  return {
    ca: path(broker.tls_ca_file),
    cert: path(broker.tls_cert_file),
    key: path(broker.tls_key_file),
    passphrase: broker.tls_key_passphrase,
  };
}

function brokerOf(broker: BrokerValues, kind: Configuration['broker']['kind'], dir: string): Configuration['broker'] {
  return {
    kind,
    host: broker.host,
    port: broker.port,
    managementPort: broker.management_port,
    virtualHost: broker.virtual_host,
    username: broker.username,
    password: broker.password,
    tls: broker.tls,
    tlsFiles: tlsFilesOf(broker, dir),
    tlsServerName: broker.tls_server_name,
    prefetch: broker.prefetch,
    queueType: broker.queue_type,
    declare: broker.declare,
    maxLength: broker.max_length,
    heartbeatMs: broker.heartbeat,
    outstanding: broker.outstanding,
    consumerTimeoutMs: broker.consumer_timeout,
  };
}

function loggingOf(logging: Values['logging'], dir: string): Configuration['logging'] {
  return {
    level: logging.level,
    format: logging.format,
    file: logging.file === null ? null : resolve(dir, logging.file),
    maxBytes: logging.max_bytes,
    maxFiles: logging.max_files,
  };
}
