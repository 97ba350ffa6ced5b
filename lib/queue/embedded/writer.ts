/**
 * Sends tasks: into the outbox of this process's environment, all that came in one turn of the event loop in one transaction.
 *
 * The bound of a normal queue is kept for each source: it is the number of its own tasks that the receiver has not settled (a sum
 * over all sources would need a lock between them). At the bound the tasks of that queue wait in order, those of others go on; the
 * receiver's wake-up sets them going again, a look once a second is the net below. The priority queue has no bound.
 */
import { NORMAL } from '../../embedded/chunk.js';
import { indexName } from '../../embedded/folder.js';
import type { Participant } from '../../embedded/participant.js';
import type { OutgoingTask } from '../../model/task.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { type Obstacle, TasksNotSent, type TaskWriter } from '../queue.js';

/** Tasks and bytes of one transaction. */
const MOST_TASKS = 1_024;
const MOST_BYTES = 2 ** 20;
const LOOK_MS = 1_000;

export interface WriterOptions {
  /** Bound of a normal queue, in tasks of one source. */
  readonly maxLength: number;
  readonly clock?: Clock;
}

/** One call of `send`. */
interface Sending {
  left: number;
  /** Told of each of its tasks that is in its queue. */
  readonly queued: ((task: OutgoingTask) => void) | undefined;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

interface Waiting {
  readonly task: OutgoingTask;
  readonly sending: Sending;
}

/** What waits for one queue, in order. Its bound is its callers': they wait for `send`. */
interface Line {
  /** Index of a normal queue; null for the priority queues of all indexes. */
  readonly index: number | null;
  waiting: Waiting[];
}

export class EmbeddedWriter implements TaskWriter {
  readonly name = 'embedded writer';
  private readonly priority: Line = { index: null, waiting: [] };
  private readonly normal = new Map<number, Line>();
  private readonly clock: Clock;
  private readonly listeners: ((obstacle: Obstacle | null) => void)[] = [];
  private blocked = false;
  private scheduled = false;
  private started = false;
  private cancelWakeups = () => {};
  private cancelLook = () => {};

  constructor(
    private readonly member: Participant,
    private readonly options: WriterOptions,
  ) {
    this.clock = options.clock ?? systemClock;
  }

  /** A producer owns its environment already and listens from now on; a worker's reader listens once the index is owned. */
  async start(): Promise<void> {
    const { wakeups, environment } = this.member;
    if (environment.epoch > 0) await wakeups.listen();
    this.cancelWakeups = wakeups.onWakeup((_, wakeup) => {
      if (wakeup === 'settled' && this.blocked) this.schedule();
    });
    this.started = true;
  }

  send(tasks: readonly OutgoingTask[], queued?: (task: OutgoingTask) => void): Promise<void> {
    if (!this.started) return Promise.reject(new TasksNotSent('the writer does not run', 0));
    if (tasks.length === 0) return Promise.resolve();
    return new Promise((done, failed) => {
      const sending: Sending = { left: tasks.length, queued, done, failed };
      for (const task of tasks) this.lineOf(task).waiting.push({ task, sending });
      this.schedule();
    });
  }

  get obstacle(): Obstacle | null {
    return this.blocked ? { kind: 'full', why: 'a queue is full' } : null;
  }

  onObstacle(listener: (obstacle: Obstacle | null) => void): void {
    this.listeners.push(listener);
  }

  /** Sends what still fits; callers whose tasks do not are told so (QUEUE_UNAVAILABLE). */
  async stop(): Promise<void> {
    if (!this.started) return;
    while (this.writeSome() > 0);
    this.started = false;
    this.setBlocked([]);
    this.cancelWakeups();
    const left = this.lines().flatMap((line) => line.waiting);
    this.fail(new TasksNotSent('the writer stopped while a queue was full', 0), left);
  }

  private lineOf(task: OutgoingTask): Line {
    if (task.priority) return this.priority;
    let line = this.normal.get(task.index);
    if (line === undefined) {
      line = { index: task.index, waiting: [] };
      this.normal.set(task.index, line);
    }
    return line;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      if (!this.started) return;
      const written = this.writeSome();
      const waiting = this.lines().filter((line) => line.waiting.length > 0);
      if (written > 0 && waiting.length > 0) this.schedule();
      else this.setBlocked(waiting);
    });
  }

  /** One transaction; how many tasks left their lines. */
  private writeSome(): number {
    const chosen = this.choose();
    if (chosen.length === 0) return 0;
    const { environment, outbox } = this.member;
    const tasks = chosen.map(({ task }) => task);
    try {
      environment.transaction(() => outbox.enqueue(tasks, false));
    } catch (error) {
      this.fail(error, chosen);
      return chosen.length;
    }
    for (const { task, sending } of chosen) {
      sending.queued?.(task);
      if (--sending.left === 0) sending.done();
    }
    return chosen.length;
  }

  /** Takes from the lines what fits into their queues and into one transaction. */
  private choose(): Waiting[] {
    const chosen: Waiting[] = [];
    let bytes = 0;
    for (const line of this.lines()) {
      if (line.waiting.length === 0) continue;
      const room = Math.min(this.roomOf(line), MOST_TASKS - chosen.length, line.waiting.length);
      let taken = 0;
      while (taken < room && bytes < MOST_BYTES) {
        const next = line.waiting[taken++]!;
        bytes += next.task.body.length;
        chosen.push(next);
      }
      line.waiting = taken === line.waiting.length ? [] : line.waiting.slice(taken);
    }
    return chosen;
  }

  private roomOf(line: Line): number {
    if (line.index === null) return MOST_TASKS;
    return Math.max(0, this.options.maxLength - this.member.outbox.unfinished(line.index, NORMAL));
  }

  /** Asks the receivers of full queues to tell when they have settled tasks, and looks by itself now and then. */
  private setBlocked(full: readonly Line[]): void {
    this.cancelLook();
    const blocked = full.length > 0;
    for (const { index } of full) if (index !== null) this.member.wakeups.notify(indexName(index), 'waiting');
    if (blocked) this.cancelLook = this.clock.after(LOOK_MS, () => this.schedule(), true);
    if (blocked === this.blocked) return;
    this.blocked = blocked;
    const { obstacle } = this;
    for (const listener of this.listeners) listener(obstacle);
  }

  /** A call fails as a whole: what is left of it is not sent, and its caller may repeat all of it with the same ids. */
  private fail(error: unknown, tasks: readonly Waiting[]): void {
    const failed = new Set(tasks.map(({ sending }) => sending));
    for (const line of this.lines()) line.waiting = line.waiting.filter(({ sending }) => !failed.has(sending));
    for (const sending of failed) sending.failed(error);
  }

  private lines(): Line[] {
    return [this.priority, ...this.normal.values()];
  }
}
