/** A program that sends tasks and processes none: its way to the queues of the configured kind. */
import type { Configuration } from '../config/configuration.js';
import { openFolder } from '../embedded/folder.js';
import { joinAsProducer } from '../embedded/member.js';
import { telling } from './notes.js';
import { openWriter } from './open.js';
import type { TaskWriter } from './queue.js';

/** Attempts to reach a broker: one that just starts is waited for, a person who mistyped its name is not held up. */
const TRIES = 3;

export interface Producer {
  readonly writer: TaskWriter;
  close(): Promise<void>;
}

/**
 * Connects and hands out a started writer. `note` is told of what a person should know meanwhile, such as a lost connection. Throws
 * CONFIG_INVALID, STORE_MISMATCH (the data folder was made for another number of processes or delivery), STORE_FAILED,
 * QUEUE_REFUSED, QUEUE_MISSING, QUEUE_UNAVAILABLE.
 */
export async function openProducer(
  configuration: Configuration,
  note: (sentence: string) => void = () => {},
): Promise<Producer> {
  if (configuration.broker.kind === 'embedded') return openEmbedded(configuration, note);
  const writer = openWriter({ kind: 'rabbitmq', configuration, log: telling(note), tries: TRIES });
  return started(writer, () => writer.stop());
}

async function openEmbedded(
  { broker, store, numProcesses, delivery }: Configuration,
  note: (sentence: string) => void,
): Promise<Producer> {
  const folder = openFolder(store.path, { numProcesses, delivery });
  const { mapSizeBytes, maxReaders, readerCheckIntervalMs } = store;
  const member = await joinAsProducer(folder, { mapSizeBytes, maxReaders, readerCheckIntervalMs }, note);
  const writer = openWriter({ kind: 'embedded', member, maxLength: broker.maxLength });
  return started(writer, async () => {
    await writer.stop();
    await member.leave();
  });
}

async function started(writer: TaskWriter, close: () => Promise<void>): Promise<Producer> {
  try {
    await writer.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { writer, close };
}
