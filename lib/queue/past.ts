/** Past: what a queue knows of a task that was under way when a process ended, or that broke a lane; kept until the task is settled. */

/** A suspect has no attempts as long as others may be to blame. */
export interface Past {
  readonly attempts: number;
  /** The last attempt ended while the message was read. */
  readonly unread: boolean;
}

export const NO_PAST: Past = { attempts: 0, unread: false };

/**
 * How many tasks with a past a queue remembers for its index. A task that is settled is forgotten; one that never comes again (its
 * queue was emptied by hand, its index went to another host) would stay, so beyond this the oldest goes.
 */
export const PAST_LIMIT = 10_000;

/** `unread`: it ended while the message was read. */
export function oneMore({ attempts }: Past, unread: boolean): Past {
  return { attempts: attempts + 1, unread };
}
