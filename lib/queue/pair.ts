/**
 * In which order the two queues of a pair are read: priority first, but where both have tasks, at least one in `normalEvery` is a
 * normal one, so that neither starves.
 */

export class PairOrder {
  private priorityInARow = 0;

  constructor(private readonly normalEvery: number) {}

  /** Whether the normal queue is asked first for the next task. */
  get normalIsDue(): boolean {
    return this.priorityInARow >= this.normalEvery - 1;
  }

  taken(priority: boolean): void {
    this.priorityInARow = priority ? this.priorityInARow + 1 : 0;
  }
}
