/** Reading the store of the configured kind, for commands: opened, used, closed. */
import type { Configuration } from '../config/configuration.js';
import { openStoreReader, readerSourceOf } from './open.js';
import type { StoreReader } from './store.js';

/** Hands a started reader to `use` and closes it afterwards. Throws STORE_FAILED when there is no store yet, and what `use` throws. */
export async function reading<T>(
  configuration: Pick<Configuration, 'app' | 'store'>,
  use: (reader: StoreReader) => Promise<T>,
): Promise<T> {
  const reader = openStoreReader(readerSourceOf(configuration));
  try {
    await reader.start();
    return await use(reader);
  } finally {
    await reader.stop();
  }
}
