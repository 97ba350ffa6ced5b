/** A program that sends tasks and processes none: its way to the queues of the configured kind. */
import type { Configuration } from '../config/configuration.js';
import { openFolder } from '../embedded/folder.js';
import { joinAsProducer } from '../embedded/member.js';
import { ApplicationError } from '../runtime/errors.js';
import { openWriter } from './open.js';
import type { TaskWriter } from './queue.js';

/**
 * Connects and hands out a started writer. Throws CONFIG_INVALID, STORE_MISMATCH (the data folder was made for another number of processes
 * or delivery), STORE_FAILED, QUEUE_UNAVAILABLE.
 */
export async function openProducer(
  configuration: Configuration,
): Promise<{ readonly writer: TaskWriter; close(): Promise<void> }> {
  const { broker, store, numProcesses, delivery } = configuration;
  if (broker.kind !== 'embedded') {
    throw new ApplicationError('CONFIG_INVALID', `msg_broker.kind ${broker.kind} is not supported yet: use embedded`);
  }
  const folder = openFolder(store.path, { numProcesses, delivery });
  const { mapSizeBytes, maxReaders, readerCheckIntervalMs } = store;
  const member = await joinAsProducer(folder, { mapSizeBytes, maxReaders, readerCheckIntervalMs });
  const writer = openWriter({ kind: 'embedded', member, maxLength: broker.maxLength });
  try {
    await writer.start();
  } catch (error) {
    await member.leave();
    throw error;
  }
  const close = async () => {
    await writer.stop();
    await member.leave();
  };
  return { writer, close };
}
