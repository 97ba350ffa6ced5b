/**
 * How many tasks with attempts a queue remembers for its index. A task that is settled is forgotten; one that never comes again (its
 * queue was emptied by hand, its index went to another host) would stay, so beyond this the oldest goes.
 */
export const ATTEMPTS_LIMIT = 10_000;
