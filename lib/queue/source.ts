/**
 * Source: what a queue must do so that reader.ts can read it. The reader knows when to take, from which of the two queues, and what
 * becomes of a delivery; a source knows how messages come and how one is settled.
 */
import type { Deadline } from '../runtime/deadline.js';
import type { QueueDelivery, QueueMessage } from './delivery.js';
import type { QueueDepth, ReaderEvents } from './queue.js';

/** What a source may ask of its reader, and tell it. */
export interface SourceReader<Origin> {
  /** Whether the window has room, and nobody has paused the reader. */
  readonly hasRoom: boolean;
  /** Takes what there is; `takeSoon` in a later turn of the event loop, however often it is called before that. */
  take(): void;
  takeSoon(): void;
  /** It is settled in this step, which is not yet sure to hold; then either it is done with, or open again. */
  settling(delivery: QueueDelivery<Origin>): void;
  settled(delivery: QueueDelivery<Origin>): void;
  unsettled(delivery: QueueDelivery<Origin>): void;
  /** Nothing that is open can be settled any more, for it goes back to its queue. */
  voidAll(): void;
}

export interface Source<Origin> {
  readonly name: string;
  /** Connects and checks that the queue pair is there. */
  start(): Promise<void>;
  /** Resolves when this process alone gets the messages of the pair; none is taken before. */
  open(reader: SourceReader<Origin>, events: ReaderEvents): Promise<void>;
  /** The next message of one of the two queues; null where none is at hand. */
  next(priority: boolean): QueueMessage<Origin> | null;
  /** Under which name attempts at it are noted: of latin1, and as long as the notes allow. */
  nameOf(delivery: QueueDelivery<Origin>): string;
  /** Tells the reader `settling`, then what came of it; does nothing where the delivery is void. */
  settle(delivery: QueueDelivery<Origin>): void;
  /** Whatever `settle` runs for is settled durably, or handed to the broker, when this returns. Throws QUEUE_UNAVAILABLE. */
  settleNow(settle: () => void): void;
  /** Returns all that is open to its place; absent where a queue never takes anything back. */
  requeueAll?(): void;
  depth(): Promise<QueueDepth>;
  redeliveryHorizon(): Promise<number | null>;
  /** The queue gives no more before something is settled, although the window has room. */
  readonly isExhausted?: boolean;
  readonly trouble?: string | null;
  readonly skipped?: readonly string[];
  stop(deadline?: Deadline): Promise<void>;
}
