/**
 * Lane: the sequence of tasks of one key inside a worker. One task at a time; what is to be executed again comes first, then
 * priority, then normal; each in the order of its queue. It exists only while it has tasks.
 */
import { Line, type Work } from './work.js';

/** Which of the distributor's lists a lane that can go on stands in. */
export type Turn = 'left' | 'broken' | 'priority' | 'normal';

export class Lane {
  running: Work | null = null;
  /** Set by a rewind: what runs now stands in the lane again, its result will not count. */
  rewound = false;
  /** Works in here that have left their queue: what is executed again where tasks are acknowledged before they run. */
  left = 0;
  /** In which list it waits for its turn, and its neighbours there. */
  ready: Turn | null = null;
  ahead: Lane | null = null;
  behind: Lane | null = null;
  private readonly again = new Line();
  private readonly priority = new Line();
  private readonly normal = new Line();

  constructor(readonly key: string) {}

  get waiting(): number {
    return this.again.length + this.priority.length + this.normal.length;
  }

  /**
   * Where the next task comes from; null when none waits. What is executed again goes before everything, so it counts as priority; `broken`
   * where the lane broke on it, `left` where it has left its queue.
   */
  get turn(): Turn | null {
    if ((this.again.head?.breaks ?? 0) > 0) return 'broken';
    if (this.again.head?.acknowledged) return 'left';
    if (this.again.length > 0 || this.priority.length > 0) return 'priority';
    return this.normal.length > 0 ? 'normal' : null;
  }

  /** What `shift` would take. */
  get head(): Work | null {
    return this.again.head ?? this.priority.head ?? this.normal.head;
  }

  push(work: Work): void {
    (work.delivery.priority ? this.priority : this.normal).push(work);
  }

  shift(): Work | null {
    const work = this.again.shift() ?? this.priority.shift() ?? this.normal.shift();
    if (work?.acknowledged) this.left--;
    return work;
  }

  /**
   * These, in this order, are to be executed before all that waits, and so is what runs now, right after them: its result will not
   * count.
   */
  rewind(works: readonly Work[]): void {
    if (this.running && !this.rewound) {
      this.unshift(this.running);
      this.rewound = true;
    }
    for (const work of works.toReversed()) this.unshift(work);
  }

  /** Empties the lane of what has not started and is still in its queue; how many that were. */
  clear(): number {
    const waiting = this.waiting;
    const kept: Work[] = [];
    for (let work = this.shift(); work !== null; work = this.shift()) if (work.acknowledged) kept.push(work);
    for (const work of kept.toReversed()) this.unshift(work);
    return waiting - kept.length;
  }

  private unshift(work: Work): void {
    this.again.unshift(work);
    if (work.acknowledged) this.left++;
  }

  /** What has left its queue and waits. */
  waitingLeft(): Work[] {
    return this.again.all().filter(({ acknowledged }) => acknowledged);
  }
}
