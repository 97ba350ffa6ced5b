/**
 * Placement: which index the tasks of an entity go to, for a number of processes. It is asked when a task is about to be sent (the commit that derives
 * it, a sender, a retry), never earlier and never twice: what waits without an index can be sent whatever the number of processes is by then.
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
