/**
 * Delivery: a message on its way through the program. It stands in the model because queue and store both speak of it and must
 * not know each other. Those of all queues are made by queue/delivery.ts.
 */

/** One message of a queue pair, unacknowledged until it is settled. */
export interface Delivery {
  /**
   * Unique forever where the sender drew it; otherwise made of what was sent. A redelivery has the same. It is replaced by one of its own
   * where it turns out to be another task's.
   */
  id: string;
  /** The id that it came under, whatever became of it. */
  readonly receivedId: string;
  /** Of the task that it carries (task-digest.ts); empty until it was read. Tasks of one id and one digest are the same. */
  digest: string;
  /** The sender gave it no id: the one it has follows from its body, and a twin has the same. */
  readonly lacksId: boolean;
  /** A program of ours sent it: it was looked at there. */
  readonly own: boolean;
  /** All positions of its stream below this one were in this queue pair before it, as its sender says; null where it says nothing of it. */
  readonly floor: number | null;
  /** JSON in UTF-8, unchecked. */
  readonly body: Buffer;
  readonly priority: boolean;
  /** True when it may have been handed out before. */
  readonly redelivered: boolean;
  /** True when the queue itself never delivers a settled id again, so that no inbox row is needed. */
  readonly deduplicated: boolean;
  /** How often a process or a lane broke on this message, as far as the queue knows; `broke` counts one more. */
  readonly attempts: number;
  /** It was under way when a process ended: it is to be under way alone, so that the next end tells whether it is to blame. */
  readonly suspect: boolean;
  /** The last of its attempts ended while it was read. */
  readonly unread: boolean;
  /** It is read, until the event loop goes on: should the process die meanwhile, the next delivery knows. Cheap; may do nothing. */
  reading(): void;
  /** A lane begins to run it, until `ended`; as `reading`. */
  started(): void;
  /** It no longer runs, whatever came of it; its commit may still be to come. */
  ended(): void;
  /** Its lane broke: an attempt more. It outlives the process, unless the message has left its queue. Throws STORE_FAILED. */
  broke(): void;
  /** The message is done with. Inside a store transaction it becomes part of it. A delivery of a lost connection ignores it. */
  settle(): void;
}

const nothing = () => {};

/** Of what no queue has brought: nobody delivers it again, so the inbox need not know it, and there is nothing to settle. */
export function detached(id: string, { body, priority }: Pick<Delivery, 'body' | 'priority'>): Delivery {
  return {
    id,
    receivedId: id,
    digest: '',
    lacksId: false,
    own: true,
    floor: null,
    body,
    priority,
    redelivered: false,
    deduplicated: true,
    attempts: 0,
    suspect: false,
    unread: false,
    reading: nothing,
    started: nothing,
    ended: nothing,
    broke: nothing,
    settle: nothing,
  };
}
