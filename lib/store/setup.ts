/** Sets up the store of the configured kind, and brings it to the version of this program; a second time it changes nothing. */
import type { Configuration } from '../config/configuration.js';
import { isOlder, openFolder, readFolder } from '../embedded/folder.js';
import { newestFormat } from '../embedded/formats.js';
import { bringUpFolder } from '../embedded/upgrade.js';
import type { ModelSpec } from '../model/spec.js';
import { migrateStore, storeSourceOf } from './open.js';

interface SetUp {
  readonly made: boolean;
  readonly sentence: string;
}

/** Says what was made. Throws STORE_MISMATCH when the store was made for other settings, STORE_FAILED when it can not be made. */
export async function setUpStore(configuration: Configuration, spec: ModelSpec): Promise<SetUp> {
  const { store, numProcesses, delivery } = configuration;
  const purpose = `for ${numProcesses} worker processes, ${delivery}`;
  if (store.kind === 'postgres') {
    const { made, schema, before, now } = await migrateStore(storeSourceOf(configuration, spec));
    if (!made && now > before) {
      return { made: true, sentence: `brought the tables in schema ${schema} from version ${before} to ${now}` };
    }
    return told(made, `tables in schema ${schema} ${purpose}`, 'are');
  }
  const before = readFolder(store.path);
  const folder = openFolder(store.path, { numProcesses, delivery });
  const { path, format } = folder;
  if (isOlder(folder)) {
    await bringUpFolder(folder, { mapSizeBytes: store.mapSizeBytes, maxReaders: store.maxReaders });
    const newest = newestFormat(folder.changes).format;
    return { made: true, sentence: `brought data folder ${path} from format ${format.format} to ${newest}` };
  }
  return told(before === null, `data folder ${path} ${purpose}`, 'is');
}

function told(made: boolean, what: string, verb: 'is' | 'are'): SetUp {
  return made ? { made, sentence: `made the ${what}` } : { made, sentence: `the ${what} ${verb} there already` };
}
