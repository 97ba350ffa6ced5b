/** A writer that is being started for a program that only sends: given up when the program is interrupted, and then closed. */
import type { TaskWriter } from '../queue/queue.js';
import { Deadline } from '../runtime/deadline.js';
import type { Producer } from './backend.js';

/** Throws what the start throws, and the reason of the signal. */
export async function startProducer(producer: Producer, signal: AbortSignal | undefined): Promise<Producer> {
  try {
    await startUnlessAborted(producer.writer, signal);
  } catch (error) {
    // A server that swallows everything is not waited for.
    await producer.close(signal?.aborted === true ? Deadline.in(0) : undefined);
    throw error;
  }
  return producer;
}

async function startUnlessAborted(writer: TaskWriter, signal: AbortSignal | undefined): Promise<void> {
  const starting = writer.start();
  if (signal === undefined) return starting;
  starting.catch(() => {});
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
  try {
    await Promise.race([starting, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
