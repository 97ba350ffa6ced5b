/**
 * Queue: how tasks reach an index and how they are sent to one. One interface, adapters opened by lib/backend.
 *
 * A delivery settles itself; nobody downstream knows which broker it came from. The store settles the deliveries of a commit:
 * inside its transaction where queue and store live in one place, otherwise right after it.
 */
import type { Delivery } from '../model/delivery.js';
import type { OutgoingTask } from '../model/task.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';

/**
 * What a reader tells its owner. `onLost`: the connection is gone and every open delivery with it (rules.md: a lost connection voids open
 * deliveries).
 */
export interface ReaderEvents {
  onDelivery(delivery: Delivery): void;
  /** The reader consumes again only after this has resolved. */
  onLost(): Promise<void>;
  onRestored(): void;
  /**
   * A quorum queue is to be consumed with this prefetch for the first time: the reader waits until this has resolved. Where it throws
   * STORE_MISMATCH, the reader consumes nothing and cannot go on; whatever else it throws passes.
   */
  onQuorum?(prefetch: number): Promise<void>;
  /** Another process consumes this pair; the reader waits for its end. */
  onStandby?(why: string): void;
  /** The reader cannot go on, whatever it tries: its owner is to end. */
  onFailed?(reason: unknown): void;
}

export interface QueueDepth {
  readonly normal: number;
  readonly priority: number;
}

/** What bounds a reader. */
export interface ReadLimits {
  /** Open deliveries, and the bytes that they take up (`weightOf`): together the window. */
  readonly tasks: number;
  readonly bytes: number;
  /** Where both queues have tasks, at least one in this many is a normal one. */
  readonly normalEvery: number;
}

/** Reads the queue pair of one index, priority first, within the window (count and bytes of open deliveries). */
export interface TaskReader extends Service {
  /** Connects and checks that the queue pair is there; hands nothing out yet. */
  start(): Promise<void>;
  /** Begins to hand out deliveries; called once, after ownership was taken. */
  consume(events: ReaderEvents): Promise<void>;
  /** Hands out nothing until `resume`; what arrives meanwhile is set aside in order. */
  pause(): void;
  resume(): void;
  /**
   * Returns every open delivery to the queue in order, as if the connection had been lost: `onLost`, then `onRestored` once that
   * has resolved. For a store that does not answer for long; where a queue never takes back what is open, it does nothing.
   */
  requeueAll(): void;
  /**
   * Settles many deliveries in one step, where each would take one of its own: durably, or handed to the broker. Throws
   * QUEUE_UNAVAILABLE where a connection is lost in that moment.
   */
  settle(deliveries: readonly Delivery[]): void;
  /** These are committed, and nothing else, until the next call; as `Delivery.reading`. */
  committing(deliveries: readonly Delivery[]): void;
  /** This process ends, and no task is to blame: what is under way counts no attempt. */
  absolve(): void;
  depth(): Promise<QueueDepth>;
  /** Why nothing can be consumed although that is tried again and again, for whoever may help; null or absent where nothing is in the way. */
  readonly trouble?: string | null;
  /** What is left out while all else is consumed, and why, a sentence each; absent where that cannot be. Its tasks wait. */
  readonly skipped?: readonly string[];
  /**
   * All that was put into the queue pair before this moment (milliseconds of Clock.monotonic()) is settled for good and cannot come again;
   * null while no such moment is known. Looks anew at each call.
   */
  redeliveryHorizon(): Promise<number | null>;
  /** Open deliveries and the bounds they count against. */
  readonly window: {
    readonly tasks: number;
    readonly bytes: number;
    readonly tasksLimit: number;
    readonly bytesLimit: number;
    /** No more comes of a queue before some of them are settled: a bound is reached, or a broker hands out no more at once. */
    readonly full: boolean;
  };
}

/**
 * Why tasks that are to be sent wait. `full`: a queue takes no more. `alarm`: the broker takes nothing from anyone. `away`: there is
 * no connection to it. `refused`: it takes nothing from us. `unroutable`: no queue takes tasks of an index.
 */
export interface Obstacle {
  readonly kind: 'full' | 'alarm' | 'away' | 'refused' | 'unroutable';
  /** In words, of the broker where it has said something. */
  readonly why: string;
}

/** Sends tasks to queue pairs. Order per key is kept; a full normal queue makes the caller wait. */
export interface TaskWriter extends Service {
  /**
   * Resolves when all are durable in their queues, in the given order per key; `queued` is told of each as soon as it is. Safe to repeat
   * with the same ids. A broadcast is the same task once for each index. Rejects with TasksNotSent where the writer stops before that.
   */
  send(tasks: readonly OutgoingTask[], queued?: (task: OutgoingTask) => void): Promise<void>;
  /** What is in the way at the moment; null where nothing is. */
  readonly obstacle: Obstacle | null;
  /** Called with what makes `send` wait, whenever that is of another kind than before; with null when it goes on, or has stopped. */
  onObstacle(listener: (obstacle: Obstacle | null) => void): void;
}

/** A call of `send` came to nothing, or to a part of it; it may be repeated with the same ids. */
export class TasksNotSent extends ApplicationError {
  constructor(
    why: string,
    /** How many of its tasks may be in their queues all the same: the broker has not said what became of them. */
    readonly unsure: number,
  ) {
    super('QUEUE_UNAVAILABLE', `tasks were not sent: ${why}; they may be sent again with the same ids`);
  }
}
