/** What a reload can not change, because every process or the store was set up with it: refused by name. */
import type { Configuration } from '../config/configuration.js';
import type { LoadedConfiguration } from '../config/load.js';

/** The fixed settings, as they are called in the files. */
const FIXED: readonly (readonly [name: string, read: (configuration: Configuration) => unknown])[] = [
  ['the application name', (c) => c.app],
  ['processing_core.worker_processes', (c) => c.numProcesses],
  ['processing_core.msg_broker', (c) => c.broker],
  ['processing_core.store', (c) => c.store],
  ['processing_core.delivery', (c) => c.delivery],
  ['the runtime folder', (c) => c.runtimeDir],
];

/** The configuration that stands on disk now, or why a reload can not take it over. */
export function reloadable(
  running: Configuration,
  loaded: LoadedConfiguration,
): Configuration | { readonly refusal: string } {
  const errors = loaded.problems.filter((problem) => problem.severity === 'error');
  const fresh = loaded.configuration;
  if (errors.length > 0 || !fresh) {
    const first = errors[0]?.sentence ?? 'unknown';
    return { refusal: `the configuration has ${errors.length} errors (see dp3-cluster check); the first: ${first}` };
  }
  const changed = FIXED.filter(([, read]) => JSON.stringify(read(running)) !== JSON.stringify(read(fresh)));
  if (changed.length === 0) return fresh;
  const names = changed.map(([name]) => name).join(', ');
  return { refusal: `a reload can not change ${names}; stop and start the program` };
}
