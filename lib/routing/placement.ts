/**
 * Placement: which index the tasks of an entity go to, for a number of processes. A task that is made has none: it gets its index when it
 * is about to be sent (by the commit that derives it, a sender, a retry). What waits since there was another number of processes is placed
 * anew when it is published, and who receives a task looks whether it is in the right place.
 */
import { createHashCache } from './hash.js';

export class Placement {
  private readonly hashOf = createHashCache();

  /** `numProcesses`: how many indexes there are, 0 .. numProcesses - 1. */
  constructor(readonly numProcesses: number) {}

  /** Of a key `etype:eid`, the id in canonical text. */
  indexOf(key: string): number {
    return this.hashOf(key) % this.numProcesses;
  }

  get indexes(): readonly number[] {
    return Array.from({ length: this.numProcesses }, (_, index) => index);
  }
}
