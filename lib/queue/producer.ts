/** A program that sends tasks and processes none: its way to the queues of the configured kind. */
import type { Configuration } from '../config/configuration.js';
import { openFolder } from '../embedded/folder.js';
import { joinAsProducer } from '../embedded/member.js';
import { Deadline } from '../runtime/deadline.js';
import { telling } from './notes.js';
import { openWriter } from './open.js';
import type { TaskWriter } from './queue.js';

/** Attempts to reach a broker: one that just starts is waited for, a person who mistyped its name is not held up. */
const TRIES = 3;

export interface Producer {
  readonly writer: TaskWriter;
  close(deadline?: Deadline): Promise<void>;
}

export interface ProducerOptions {
  /** Told of what a person should know meanwhile, such as a lost connection. */
  note?(sentence: string): void;
  /** Ends the opening when it fires. */
  readonly signal?: AbortSignal;
}

/**
 * Connects and hands out a started writer. Throws CONFIG_INVALID, STORE_MISMATCH (the data folder was made for another number of
 * processes or delivery), STORE_FAILED, QUEUE_REFUSED, QUEUE_MISSING, QUEUE_UNAVAILABLE, and the reason of the signal.
 */
export async function openProducer(configuration: Configuration, options: ProducerOptions = {}): Promise<Producer> {
  const { note = () => {}, signal } = options;
  if (configuration.broker.kind === 'embedded') return openEmbedded(configuration, note, signal);
  const writer = openWriter({ kind: 'rabbitmq', configuration, log: telling(note), tries: TRIES });
  return started(writer, (deadline) => writer.stop(deadline), signal);
}

async function openEmbedded(
  { broker, store, numProcesses, delivery }: Configuration,
  note: (sentence: string) => void,
  signal: AbortSignal | undefined,
): Promise<Producer> {
  const folder = openFolder(store.path, { numProcesses, delivery });
  const { mapSizeBytes, maxReaders, readerCheckIntervalMs } = store;
  const member = await joinAsProducer(folder, { mapSizeBytes, maxReaders, readerCheckIntervalMs }, note, signal);
  const writer = openWriter({ kind: 'embedded', member, maxLength: broker.maxLength });
  const close = async () => {
    await writer.stop();
    await member.leave();
  };
  return started(writer, close, signal);
}

async function started(
  writer: TaskWriter,
  close: Producer['close'],
  signal: AbortSignal | undefined,
): Promise<Producer> {
  const starting = writer.start();
  try {
    await (signal === undefined ? starting : beforeAbort(starting, signal));
  } catch (error) {
    // A server that swallows everything is not waited for.
    await close(signal?.aborted === true ? Deadline.in(0) : undefined);
    throw error;
  }
  return { writer, close };
}

/** Throws the reason of the signal where that fires first. */
async function beforeAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  promise.catch(() => {});
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
