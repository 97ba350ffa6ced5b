/** Opens the queue of a kind. The only file that knows the adapters; everything else knows lib/queue/queue.ts. */
import type { Member } from '../embedded/member.js';
import type { Clock } from '../runtime/clock.js';
import { EmbeddedReader } from './embedded/reader.js';
import { EmbeddedWriter } from './embedded/writer.js';
import type { TaskReader, TaskWriter } from './queue.js';

/** The embedded queue lives in the data folder that this process has joined. */
export interface EmbeddedQueue {
  readonly kind: 'embedded';
  readonly member: Member;
  /** `msg_broker.max_length`. */
  readonly maxLength: number;
  readonly clock?: Clock;
}

export type QueueSource = EmbeddedQueue;

/** The reader of an index, with the window of deliveries it may hold open. */
export function openReader(
  queue: QueueSource,
  index: number,
  window: { readonly tasks: number; readonly bytes: number },
): TaskReader {
  return new EmbeddedReader(queue.member, { index, window, ...clockOf(queue) });
}

export function openWriter(queue: QueueSource): TaskWriter {
  return new EmbeddedWriter(queue.member, { maxLength: queue.maxLength, ...clockOf(queue) });
}

function clockOf(queue: QueueSource): { clock?: Clock } {
  return queue.clock === undefined ? {} : { clock: queue.clock };
}
