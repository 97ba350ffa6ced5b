/** Rules: what must hold between settings. Each is a sentence about the keys it names, found after all values are read. */
import type { Problem } from '../model/problem.js';
import { showDuration, showSize } from './formats.js';
import { variableOf } from './keys.js';
import type { Given } from './layers.js';
import { kindsOf, type Values } from './values.js';

interface Finding {
  readonly key: string;
  readonly sentence: string;
  readonly severity?: Problem['severity'];
}

/** Problems between settings, each where its key was given last. */
export function checkRules(values: Values, env: string, layers: readonly Given[], dir: string): Problem[] {
  const findings = [...serverRules(values, env, layers), ...orderRules(values)];
  return findings.map(({ key, sentence, severity = 'error' }) => {
    const given = layers.findLast((each) => each.key === key);
    const file = given?.file ?? dir;
    return { severity, file, key, sentence, ...(given?.line !== undefined && { line: given.line }) };
  });
}

function* serverRules(values: Values, env: string, layers: readonly Given[]): Iterable<Finding> {
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
    const sentence = `The store needs a URL, in ${env}.yml or in the variable ${variableOf(key)}: postgres://user@host:port/database, with :password behind the user.`;
    yield { key, sentence };
  }
  const address = layers.find(({ key }) => key === 'processing_core.msg_broker.host');
  if (!server && address !== undefined && values.processing_core.msg_broker.kind === null) {
    const sentence = `RabbitMQ is not used in the environment ${env}: the broker is embedded unless msg_broker.kind is rabbitmq.`;
    yield { key: 'processing_core.msg_broker.host', sentence, severity: 'warning' };
  }
}

function* orderRules(values: Values): Iterable<Finding> {
  const { window, commit, message, respawn, heartbeat, hang_timeout: hang, msg_broker } = values.processing_core;
  const core = 'processing_core';
  if (commit.tasks > window.tasks) {
    const sentence = `A commit of ${commit.tasks} tasks can not be filled from a window of ${window.tasks}; allowed are at most as many.`;
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
  if (msg_broker.consumer_timeout <= hang) {
    const sentence = `The server would close channels over tasks that may still run; allowed is more than hang_timeout, ${showDuration(hang)}.`;
    yield { key: `${core}.msg_broker.consumer_timeout`, sentence };
  }
}
