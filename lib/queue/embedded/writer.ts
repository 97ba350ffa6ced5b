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
import { ObstacleListeners, Sending } from '../sending.js';

/** Tasks and bytes of one transaction. */
const MOST_TASKS = 1_024;
const MOST_BYTES = 2 ** 20;
const LOOK_MS = 1_000;

export interface WriterOptions {
  /** Bound of a normal queue, in tasks of one source. */
  readonly maxLength: number;
  readonly clock?: Clock;
}

interface WaitingTask {
  readonly task: OutgoingTask;
  readonly sending: Sending;
}

/** What waits for one queue, in order. Its bound is its callers': they wait for `send`. */
interface BoundedQueue {
  /** Index of a normal queue; null for the priority queues of all indexes. */
  readonly index: number | null;
  waiting: WaitingTask[];
}

export class EmbeddedWriter implements TaskWriter {
  readonly name = 'embedded writer';
  private readonly priority: BoundedQueue = { index: null, waiting: [] };
  private readonly normal = new Map<number, BoundedQueue>();
  private readonly clock: Clock;
  private readonly obstacles = new ObstacleListeners();
  private state: 'new' | 'running' | 'stopped' = 'new';
  private turn: 'none' | 'scheduled' = 'none';
  private blocked = false;
  private cancelWakeups = () => {};
  private cancelLook = () => {};

  constructor(
    private readonly participant: Participant,
    private readonly options: WriterOptions,
  ) {
    this.clock = options.clock ?? systemClock;
  }

  /** A producer owns its environment already and listens from now on; a worker's reader listens once the index is owned. */
  async start(): Promise<void> {
    const { wakeups, environment } = this.participant;
    if (environment.epoch > 0) await wakeups.listen();
    this.cancelWakeups = wakeups.onWakeup((_, wakeup) => {
      if (wakeup === 'settled' && this.blocked) this.schedule();
    });
    this.state = 'running';
  }

  send(tasks: readonly OutgoingTask[], queued?: (task: OutgoingTask) => void): Promise<void> {
    if (this.state !== 'running') return Promise.reject(new TasksNotSent('the writer does not run', 0));
    return Sending.of(tasks, queued, (sending) => {
      for (const task of tasks) this.queueOf(task).waiting.push({ task, sending });
      this.schedule();
    });
  }

  get obstacle(): Obstacle | null {
    return this.blocked ? { kind: 'full', why: 'a queue is full' } : null;
  }

  onObstacle(listener: (obstacle: Obstacle | null) => void): void {
    this.obstacles.add(listener);
  }

  /** Sends what still fits; callers whose tasks do not are told so (QUEUE_UNAVAILABLE). */
  async stop(): Promise<void> {
    if (this.state !== 'running') return;
    while (this.writeSome() > 0);
    this.state = 'stopped';
    this.setBlocked([]);
    this.cancelWakeups();
    const left = this.queues().flatMap(({ waiting }) => waiting);
    this.fail(new TasksNotSent('the writer stopped while a queue was full', 0), left);
  }

  private queueOf(task: OutgoingTask): BoundedQueue {
    if (task.priority) return this.priority;
    let queue = this.normal.get(task.index);
    if (queue === undefined) {
      queue = { index: task.index, waiting: [] };
      this.normal.set(task.index, queue);
    }
    return queue;
  }

  private schedule(): void {
    if (this.turn === 'scheduled') return;
    this.turn = 'scheduled';
    this.clock.soon(() => {
      this.turn = 'none';
      if (this.state !== 'running') return;
      const written = this.writeSome();
      const waiting = this.queues().filter((queue) => queue.waiting.length > 0);
      if (written > 0 && waiting.length > 0) this.schedule();
      else this.setBlocked(waiting);
    });
  }

  /** One transaction; how many tasks are queued or have failed. */
  private writeSome(): number {
    const chosen = this.choose();
    if (chosen.length === 0) return 0;
    const { environment, outbox } = this.participant;
    const tasks = chosen.map(({ task }) => task);
    try {
      environment.transaction(() => outbox.enqueue(tasks, false));
    } catch (error) {
      this.fail(error, chosen);
      return chosen.length;
    }
    for (const { task, sending } of chosen) sending.queued(task);
    return chosen.length;
  }

  /** Takes what fits into the queues and into one transaction. */
  private choose(): WaitingTask[] {
    const chosen: WaitingTask[] = [];
    let bytes = 0;
    for (const queue of this.queues()) {
      const { waiting } = queue;
      if (waiting.length === 0) continue;
      const room = Math.min(this.roomOf(queue), MOST_TASKS - chosen.length, waiting.length);
      let taken = 0;
      while (taken < room && bytes < MOST_BYTES) {
        const next = waiting[taken++]!;
        bytes += next.task.body.length;
        chosen.push(next);
      }
      queue.waiting = taken === waiting.length ? [] : waiting.slice(taken);
    }
    return chosen;
  }

  private roomOf({ index }: BoundedQueue): number {
    if (index === null) return MOST_TASKS;
    return Math.max(0, this.options.maxLength - this.participant.outbox.unfinished(index, NORMAL));
  }

  /** Asks the receivers of full queues to tell when they have settled tasks, and looks by itself now and then. */
  private setBlocked(full: readonly BoundedQueue[]): void {
    this.cancelLook();
    this.blocked = full.length > 0;
    for (const { index } of full) if (index !== null) this.participant.wakeups.notify(indexName(index), 'waiting');
    if (this.blocked) this.cancelLook = this.clock.after(LOOK_MS, () => this.schedule(), true);
    this.obstacles.tell(this.obstacle);
  }

  /** A call fails as a whole: what is left of it is not sent, and its caller may repeat all of it with the same ids. */
  private fail(error: unknown, tasks: readonly WaitingTask[]): void {
    for (const { sending } of tasks) sending.fail(error);
    for (const queue of this.queues()) queue.waiting = queue.waiting.filter(({ sending }) => !sending.hasFailed);
  }

  private queues(): BoundedQueue[] {
    return [this.priority, ...this.normal.values()];
  }
}
