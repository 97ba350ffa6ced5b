/** Sets up the store of the configured kind, once and for all; a second time it changes nothing. */
import type { Configuration } from '../config/configuration.js';
import { openFolder, readFolder } from '../embedded/folder.js';
import { ApplicationError } from '../runtime/errors.js';

/** Says what was made. Throws STORE_MISMATCH when the store was made for other settings, STORE_FAILED when it can not be made. */
export function setUpStore({ store, numProcesses, delivery }: Configuration): {
  readonly made: boolean;
  readonly sentence: string;
} {
  if (store.kind !== 'embedded') {
    throw new ApplicationError('CONFIG_INVALID', `store.kind ${store.kind} is not supported yet: use embedded`);
  }
  const before = readFolder(store.path);
  const { path } = openFolder(store.path, { numProcesses, delivery });
  const what = `data folder ${path} for ${numProcesses} worker processes, ${delivery}`;
  return before === null
    ? { made: true, sentence: `made the ${what}` }
    : { made: false, sentence: `the ${what} is there already` };
}
