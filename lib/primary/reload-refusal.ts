/** What a reload cannot change, because every process or the store was set up with it: refused by name. */
import type { Configuration } from '../config/configuration.js';
import type { LoadedConfiguration } from '../config/load.js';
import { realPathOf } from '../runtime/real-path.js';

/** The fixed settings, as they are called in the files. A folder is fixed, not the links that lead to it. */
const FIXED: readonly (readonly [name: string, read: (configuration: Configuration) => unknown])[] = [
  ['the application name', (c) => c.app],
  ['processing_core.worker_processes', (c) => c.numProcesses],
  ['processing_core.msg_broker', (c) => c.broker],
  ['processing_core.store', (c) => ({ ...c.store, path: realPathOf(c.store.path) })],
  ['processing_core.delivery', (c) => c.delivery],
  ['the runtime folder', (c) => realPathOf(c.runtimeDir)],
];

/** Values of the fixed settings, by name. */
export type Fixed = ReadonlyMap<string, string>;

/** Read when the program starts: afterwards a path may lead elsewhere. */
export function fixedOf(configuration: Configuration): Fixed {
  return new Map(FIXED.map(([name, read]) => [name, JSON.stringify(read(configuration))]));
}

/** The configuration that stands on disk now, or why a reload cannot take it over. */
export function reloadable(running: Fixed, loaded: LoadedConfiguration): Configuration | { readonly refusal: string } {
  const errors = loaded.problems.filter((problem) => problem.severity === 'error');
  const fresh = loaded.configuration;
  if (errors.length > 0 || !fresh) {
    const first = errors[0]?.sentence ?? 'unknown';
    return { refusal: `the configuration has ${errors.length} errors (see dp3-cluster check); the first: ${first}` };
  }
  const changed = [...fixedOf(fresh)].filter(([name, value]) => value !== running.get(name));
  if (changed.length === 0) return fresh;
  const names = changed.map(([name]) => name).join(', ');
  return { refusal: `a reload cannot change ${names}; stop and start the program` };
}
