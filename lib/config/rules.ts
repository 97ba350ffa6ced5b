/**
 * Rules: what must hold between settings. Each is a sentence about the keys it names, found after all values are read. A rule about one
 * kind of broker or store holds only where that kind is used: the same files serve development and production.
 */
import { resolve } from 'node:path';
import type { Problem } from '../model/problem.js';
import { showDuration, showSize } from './formats.js';
import { variableOf } from './keys.js';
import type { GivenValue } from './layers.js';
import { parameterOf, readPostgresUrl, withFilesFrom } from './postgres-url.js';
import { readTlsFiles, TlsFileError, type TlsFiles } from './tls-files.js';
import { kindsOf, tlsFilesOf, type Values } from './values.js';

interface RuleBreak {
  readonly key: string;
  readonly sentence: string;
  readonly severity?: Problem['severity'];
}

/** What holds beside the values: where they were given, and for which environment. */
export interface RuleContext {
  readonly env: string;
  readonly dir: string;
  readonly layers: readonly GivenValue[];
  /** Variables of the process. */
  readonly environment: NodeJS.ProcessEnv;
}

/** Problems between settings, each where its key was given last. */
export function checkRules(values: Values, { env, dir, layers, environment }: RuleContext): Problem[] {
  const kinds = kindsOf(values, env);
  const findings = [
    ...serverRules(values, env, layers),
    ...orderRules(values),
    ...(kinds.broker === 'rabbitmq' ? brokerRules(values, resolve(dir)) : []),
    ...(kinds.store === 'postgres' ? urlRules(values, resolve(dir), environment) : []),
  ];
  return findings.map(({ key, sentence, severity = 'error' }) => {
    const given = layers.findLast((each) => each.key === key);
    const file = given?.file ?? dir;
    return { severity, file, key, sentence, ...(given?.line !== undefined && { line: given.line }) };
  });
}

function* serverRules(values: Values, env: string, layers: readonly GivenValue[]): Iterable<RuleBreak> {
  const { worker_processes: processes, store } = values.processing_core;
  const kinds = kindsOf(values, env);
  const server = kinds.broker === 'rabbitmq';
  if (server !== (kinds.store === 'postgres')) {
    const sentence = `The store is ${kinds.store} and the broker ${kinds.broker}; allowed are embedded with embedded, and postgres with rabbitmq. What is not given follows from the environment, ${env}.`;
    yield { key: 'processing_core.store.kind', sentence };
  }
  if (server && processes === null) {
    yield {
      key: 'processing_core.worker_processes',
      sentence: 'The number of worker processes must be given with rabbitmq, since all hosts must use the same number.',
    };
  }
  if (kinds.store === 'postgres' && store.url === null) {
    const key = 'processing_core.store.url';
    const sentence = `The store needs a URL, in ${env}.yml or in the variable ${variableOf(key)}: postgres://host:5432/database, with user:password@ before the host.`;
    yield { key, sentence };
  }
  const address = layers.find(({ key }) => key === 'processing_core.msg_broker.host');
  if (!server && address !== undefined && values.processing_core.msg_broker.kind === null) {
    const sentence = `RabbitMQ is not used in the environment ${env}: the broker is embedded unless msg_broker.kind is rabbitmq.`;
    yield { key: 'processing_core.msg_broker.host', sentence, severity: 'warning' };
  }
}

function* orderRules(values: Values): Iterable<RuleBreak> {
  const { window, commit, message, respawn, heartbeat, hang_timeout: hang } = values.processing_core;
  const core = 'processing_core';
  if (commit.tasks > window.tasks) {
    const sentence = `A commit of ${commit.tasks} tasks cannot be filled from a window of ${window.tasks}; allowed are at most as many.`;
    yield { key: `${core}.commit.tasks`, sentence };
  }
  if (message.bytes > window.bytes) {
    const sentence = `A message of ${showSize(message.bytes)} does not fit into a window of ${showSize(window.bytes)}.`;
    yield { key: `${core}.window.bytes`, sentence };
  }
  if (respawn.backoff > respawn.backoff_max) {
    const sentence = `The first pause of ${showDuration(respawn.backoff)} is longer than the longest one of ${showDuration(respawn.backoff_max)}.`;
    yield { key: `${core}.respawn.backoff`, sentence };
  }
  if (heartbeat.interval * 3 > hang) {
    const sentence = `A worker would be taken for blocked between two signs of life; allowed are at most a third of hang_timeout, ${showDuration(hang)}.`;
    yield { key: `${core}.heartbeat.interval`, sentence };
  }
}

function* brokerRules(values: Values, dir: string): Iterable<RuleBreak> {
  const { hang_timeout: hang, msg_broker: broker } = values.processing_core;
  const section = 'processing_core.msg_broker';
  if (broker.consumer_timeout <= hang) {
    const sentence = `The server would close channels over tasks that may still run; allowed is more than hang_timeout, ${showDuration(hang)}.`;
    yield { key: `${section}.consumer_timeout`, sentence };
  }
  if (!broker.tls) {
    for (const name of TLS_KEYS) {
      if (broker[name] === null) continue;
      yield { key: `${section}.${name}`, sentence: 'The connection is not encrypted: this key needs tls: true.' };
    }
    return;
  }
  const fault = tlsFault(tlsFilesOf(broker, dir));
  if (fault !== null)
    yield { key: `${section}.${TLS_KEY_OF[fault.part]}`, sentence: capitalised(`${fault.sentence}.`) };
}

function* urlRules(values: Values, dir: string, environment: NodeJS.ProcessEnv): Iterable<RuleBreak> {
  const { store } = values.processing_core;
  if (store.url === null) return;
  const key = 'processing_core.store.url';
  const { files, sslModeGiven } = readPostgresUrl(withFilesFrom(dir, store.url));
  const { PGSSLMODE: wanted } = environment;
  if (!sslModeGiven && wanted !== undefined && ENCRYPTED_MODES.includes(wanted)) {
    const sentence = `The variable PGSSLMODE asks for ${wanted}, and only the URL decides here: add ?sslmode=${wanted} to it.`;
    yield { key, sentence };
  }
  const fault = tlsFault(files);
  if (fault !== null) yield { key, sentence: `${parameterOf(fault.part)}: ${fault.sentence}.` };
}

const TLS_KEY_OF = {
  ca: 'tls_ca_file',
  cert: 'tls_cert_file',
  key: 'tls_key_file',
  passphrase: 'tls_key_passphrase',
} as const;
const TLS_KEYS = [...Object.values(TLS_KEY_OF), 'tls_server_name'] as const;
/** Values of PGSSLMODE that somebody relies on. */
const ENCRYPTED_MODES = ['require', 'verify-ca', 'verify-full'];

/** The first file that cannot be used. */
function tlsFault(files: TlsFiles): TlsFileError | null {
  try {
    readTlsFiles(files);
    return null;
  } catch (error) {
    if (error instanceof TlsFileError) return error;
    throw error;
  }
}

function capitalised(sentence: string): string {
  return sentence.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}
