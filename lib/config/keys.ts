/**
 * Keys: the schema as a flat table by dotted key, the names of environment variables, and the keys that only DP3's Python program
 * uses, so that its folder can be read as it is.
 */
import { suggestion } from '../runtime/nearest.js';
import { makeSchema } from './schema.js';
import type { Setting } from './settings.js';

export interface Keys {
  /** By dotted key, in the order of the schema. */
  readonly settings: ReadonlyMap<string, Setting>;
  /** Dotted names of the dictionaries that settings stand in. */
  readonly sections: ReadonlySet<string>;
  /** Dotted key by the name of its environment variable. */
  readonly variables: ReadonlyMap<string, string>;
}

/** Sections of DP3 and the keys in them that are of no use here. What stands below such a key is not looked at. */
export const PYTHON_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ['api', ['datapoint_logger', 'cors']],
  ['control', ['allowed_actions']],
  ['database', ['db_name', 'username', 'password', 'connection', 'storage']],
  ['event_logging', ['redis', 'groups']],
  ['garbage_collector', ['collection_rate']],
  [
    'history_manager',
    [
      'aggregation_schedule',
      'datapoint_cleaning_schedule',
      'mark_datapoints_schedule',
      'snapshot_cleaning',
      'datapoint_archivation',
    ],
  ],
  ['snapshots', ['creation_rate', 'keep_empty']],
  ['telemetry', ['attribute_bson_size_schedule']],
  ['updater', ['update_batch_cron', 'update_batch_period', 'cache_management_cron', 'cache_max_entries']],
]);

/** Names that people give to keys which are called otherwise here. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['num_processes', 'worker_processes'],
  ['processes', 'worker_processes'],
  ['threads', 'worker_threads'],
  ['vhost', 'virtual_host'],
  ['user', 'username'],
  ['address', 'host'],
  ['pass', 'password'],
  ['shutdown_timeout', 'shutdown_time'],
]);

export function makeKeys(): Keys {
  const settings = new Map<string, Setting>();
  const sections = new Set<string>();
  const walk = (node: object, path: string): void => {
    for (const [name, value] of Object.entries(node)) {
      const key = path === '' ? name : `${path}.${name}`;
      if (isSetting(value)) {
        settings.set(key, value);
      } else {
        sections.add(key);
        walk(value, key);
      }
    }
  };
  walk(makeSchema(), '');
  const variables = new Map([...settings.keys()].map((key) => [variableOf(key), key]));
  return { settings, sections, variables };
}

/** `processing_core.hook_timeout` -> `DP3_PROCESSING_CORE_HOOK_TIMEOUT` */
export function variableOf(key: string): string {
  return `DP3_${key.toUpperCase().replaceAll('.', '_')}`;
}

/** The top-level sections that may stand in a file of their own. */
export function sectionFiles(keys: Keys): string[] {
  const ours = [...keys.sections].filter((section) => !section.includes('.'));
  return [...ours, ...PYTHON_KEYS.keys()];
}

/** ` Did you mean ...?` for an unknown key: a neighbour, or a key of that name elsewhere; else what is allowed here. */
export function suggestKey(keys: Keys, section: string, name: string): string {
  const prefix = section === '' ? '' : `${section}.`;
  const all = [...keys.settings.keys(), ...keys.sections, ...(section === '' ? PYTHON_KEYS.keys() : [])];
  const here = all.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  const neighbours = here.filter((key) => !key.includes('.'));
  const other = OTHER_NAMES.get(name);
  if (other !== undefined && neighbours.includes(other)) return ` Did you mean "${other}"?`;
  const near = suggestion(name, neighbours);
  if (near !== '') return near;
  const wanted = other ?? name;
  const elsewhere = [...keys.settings.keys()].find((key) => key.split('.').at(-1) === wanted);
  if (elsewhere !== undefined) return ` Did you mean "${elsewhere}"?`;
  return ` Known here are ${neighbours.join(', ')}.`;
}

function isSetting(value: unknown): value is Setting {
  return typeof value === 'object' && value !== null && 'format' in value && typeof value.format === 'string';
}
