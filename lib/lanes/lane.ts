/**
 * Lane: the sequence of tasks of one key inside a worker. One task at a time; what is to be executed again comes first, then
 * priority, then normal; each in the order of its queue. It exists only while it has tasks.
 */
import type { LaneWork } from '../model/work.js';

/** Which of the distributor's lists a lane that can go on stands in. */
export type Turn = 'acked' | 'broken' | 'priority' | 'normal';

export class Lane {
  running: LaneWork | null = null;
  /** Works in here that have left their queue: what is executed again where tasks are acknowledged before they run. */
  acked = 0;
  /** In which list it waits for its turn, and its neighbours there. */
  ready: Turn | null = null;
  ahead: Lane | null = null;
  behind: Lane | null = null;
  private readonly retries = new WorkList();
  private readonly priority = new WorkList();
  private readonly normal = new WorkList();

  constructor(readonly key: string) {}

  get waiting(): number {
    return this.retries.length + this.priority.length + this.normal.length;
  }

  /**
   * Where the next task comes from; null when none waits. What is executed again goes before everything, so it counts as priority; `broken`
   * where the lane broke on it, `acked` where it has left its queue.
   */
  get turn(): Turn | null {
    const { head } = this.retries;
    if (head !== null && head.breaks > 0) return 'broken';
    if (head?.acked) return 'acked';
    if (head !== null || this.priority.length > 0) return 'priority';
    return this.normal.length > 0 ? 'normal' : null;
  }

  /** What `shift` would take. */
  get head(): LaneWork | null {
    return this.retries.head ?? this.priority.head ?? this.normal.head;
  }

  push(work: LaneWork): void {
    (work.delivery.priority ? this.priority : this.normal).push(work);
  }

  shift(): LaneWork | null {
    const work = this.retries.shift() ?? this.priority.shift() ?? this.normal.shift();
    if (work?.acked) this.acked--;
    return work;
  }

  /**
   * These, in this order, are to be executed before all that waits, and so is what runs now, right after them: its result will not
   * count.
   */
  rewind(works: readonly LaneWork[]): void {
    if (this.running?.state === 'running') this.unshift(this.running);
    for (const work of works.toReversed()) this.unshift(work);
  }

  /** Empties the lane of what has not started and is still in its queue; how many that were. */
  clear(): number {
    const waiting = this.waiting;
    const kept: LaneWork[] = [];
    for (let work = this.shift(); work !== null; work = this.shift()) if (work.acked) kept.push(work);
    for (const work of kept.toReversed()) this.unshift(work);
    return waiting - kept.length;
  }

  /** What has left its queue and waits. */
  waitingAcked(): LaneWork[] {
    return this.retries.all().filter(({ acked }) => acked);
  }

  private unshift(work: LaneWork): void {
    work.putBack();
    this.retries.unshift(work);
    if (work.acked) this.acked++;
  }
}

/** First in, first out, with a way back to the front. The links are in the works: a list costs nothing to make and to keep. */
class WorkList {
  length = 0;
  head: LaneWork | null = null;
  private tail: LaneWork | null = null;

  push(work: LaneWork): void {
    work.next = null;
    if (this.tail) this.tail.next = work;
    else this.head = work;
    this.tail = work;
    this.length++;
  }

  unshift(work: LaneWork): void {
    work.next = this.head;
    this.head = work;
    this.tail ??= work;
    this.length++;
  }

  all(): LaneWork[] {
    const works: LaneWork[] = [];
    for (let work = this.head; work !== null; work = work.next) works.push(work);
    return works;
  }

  shift(): LaneWork | null {
    const work = this.head;
    if (work === null) return null;
    this.head = work.next;
    if (this.head === null) this.tail = null;
    work.next = null;
    this.length--;
    return work;
  }
}
