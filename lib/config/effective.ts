/** Effective settings: what holds in the end and where it was said, under the keys of the files and without secrets, to be printed. */
import { HIDDEN } from '../runtime/secrets.js';
import type { Configuration } from './configuration.js';
import { showDuration, showSize } from './formats.js';
import type { Keys } from './keys.js';
import type { GivenValue } from './layers.js';
import { redacted } from './redact.js';
import type { Setting } from './settings.js';
import type { Values } from './values.js';

export interface EffectiveSetting {
  readonly key: string;
  /** As it would stand in a file: `30s`, `64MiB`; secrets as ***. Null for none. */
  readonly value: unknown;
  /** `default`, or the file with its line, variable or command line that gave it. */
  readonly from: string;
}

/** All settings in the order of the schema. */
export function effectiveSettings(
  configuration: Configuration,
  values: Values,
  layers: readonly GivenValue[],
  keys: Keys,
): EffectiveSetting[] {
  const last = new Map(layers.map((given) => [given.key, given]));
  return [...keys.settings].map(([key, setting]) => {
    const given = last.get(key);
    const from = given === undefined ? 'default' : `${given.file}${given.line === undefined ? '' : `:${given.line}`}`;
    const value = derived(key, configuration) ?? valueAt(values, key);
    return { key, value: value === null ? null : show(setting, value), from };
  });
}

/** Settings that get their value from others. */
function derived(key: string, configuration: Configuration): unknown {
  if (key === 'processing_core.worker_processes') return configuration.numProcesses;
  if (key === 'processing_core.msg_broker.kind') return configuration.broker.kind;
  if (key === 'processing_core.store.kind') return configuration.store.kind;
  if (key === 'send.state') return configuration.send.stateDir;
  return key === 'processing_core.runtime_dir' ? configuration.runtimeDir : undefined;
}

function valueAt(values: Values, key: string): unknown {
  return key.split('.').reduce<unknown>((node, name) => Reflect.get(node as object, name), values);
}

/** A value as it would be written; `url` keeps what is no secret of it. */
export function show(setting: Setting, value: unknown): unknown {
  if (setting.format === 'duration') return showDuration(Number(value));
  if (setting.format === 'size') return showSize(Number(value));
  const shown = redacted(value);
  return setting.sensitive && shown === value ? HIDDEN : shown;
}
