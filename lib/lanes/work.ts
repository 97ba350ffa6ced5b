/** Work: a delivery with the task that was read from it, on its way through a lane; and the line in which works wait. */
import type { Delivery } from '../model/delivery.js';
import type { Task } from '../model/task.js';

export interface Work {
  readonly delivery: Delivery;
  readonly task: Task;
  /** How often its lane broke on it in this process. */
  breaks: number;
  /** It has left its queue before it ran (at-most-once): if it does not finish, it is lost. */
  acknowledged: boolean;
  /** The one behind it in its line. */
  next: Work | null;
}

export function workOf(delivery: Delivery, task: Task): Work {
  return { delivery, task, breaks: 0, acknowledged: false, next: null };
}

/** First in, first out, with a way back to the front. The links are in the works: a line costs nothing to make and to keep. */
export class Line {
  length = 0;
  head: Work | null = null;
  private tail: Work | null = null;

  push(work: Work): void {
    work.next = null;
    if (this.tail) this.tail.next = work;
    else this.head = work;
    this.tail = work;
    this.length++;
  }

  unshift(work: Work): void {
    work.next = this.head;
    this.head = work;
    this.tail ??= work;
    this.length++;
  }

  all(): Work[] {
    const works: Work[] = [];
    for (let work = this.head; work !== null; work = work.next) works.push(work);
    return works;
  }

  shift(): Work | null {
    const work = this.head;
    if (work === null) return null;
    this.head = work.next;
    if (this.head === null) this.tail = null;
    work.next = null;
    this.length--;
    return work;
  }
}
