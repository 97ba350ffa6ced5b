/** Reading the store of the configured kind, for commands: opened, used, closed. */
import type { Configuration } from '../config/configuration.js';
import { ApplicationError } from '../runtime/errors.js';
import { openStoreReader } from './open.js';
import type { StoreReader } from './store.js';

/** Hands a started reader to `use` and closes it afterwards. Throws STORE_FAILED when there is no store yet, and what `use` throws. */
export async function reading<T>(
  { store }: Pick<Configuration, 'store'>,
  use: (reader: StoreReader) => Promise<T>,
): Promise<T> {
  if (store.kind !== 'embedded') {
    throw new ApplicationError('CONFIG_INVALID', `store.kind ${store.kind} is not supported yet: use embedded`);
  }
  const reader = openStoreReader({ kind: 'embedded', path: store.path });
  try {
    await reader.start();
    return await use(reader);
  } finally {
    await reader.stop();
  }
}
