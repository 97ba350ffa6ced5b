/**
 * The one place that looks which backend is configured. The rules of the configuration see to it that broker and store belong together.
 * Only the backend that is used is loaded: the libraries of the other one cost a process time and memory.
 */
import type { Configuration } from '../config/configuration.js';
import type { StoreReader } from '../store/store.js';
import type { Backend } from './backend.js';

export async function backendOf(configuration: Configuration): Promise<Backend> {
  if (configuration.broker.kind === 'embedded') {
    const { EmbeddedBackend } = await import('./embedded.js');
    return new EmbeddedBackend(configuration);
  }
  const { ServerBackend } = await import('./server.js');
  return new ServerBackend(configuration);
}

/** Hands a started reader to `use` and closes it afterwards. Throws STORE_FAILED when there is no store yet, and what `use` throws. */
export async function reading<T>(configuration: Configuration, use: (reader: StoreReader) => Promise<T>): Promise<T> {
  const reader = (await backendOf(configuration)).openStoreReader();
  try {
    await reader.start();
    return await use(reader);
  } finally {
    await reader.stop();
  }
}
