/** What every writer does for its callers: each call of `send` waits for all of its tasks, and listeners hear what is in the way. */
import type { OutgoingTask } from '../model/task.js';
import type { Obstacle } from './queue.js';

/** One call of `send`. */
export class Sending {
  private state: 'waiting' | 'done' | 'failed' = 'waiting';
  private left: number;

  private constructor(
    count: number,
    private readonly onQueued: ((task: OutgoingTask) => void) | undefined,
    private readonly resolve: () => void,
    private readonly reject: (error: unknown) => void,
  ) {
    this.left = count;
  }

  /** Resolves when every task is queued; `begin` hands them in. */
  static of(
    tasks: readonly OutgoingTask[],
    onQueued: ((task: OutgoingTask) => void) | undefined,
    begin: (sending: Sending) => void,
  ): Promise<void> {
    if (tasks.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => begin(new Sending(tasks.length, onQueued, resolve, reject)));
  }

  /** Nothing more of it is to be sent. */
  get hasFailed(): boolean {
    return this.state === 'failed';
  }

  queued(task: OutgoingTask): void {
    this.onQueued?.(task);
    if (--this.left > 0) return;
    if (this.state === 'waiting') this.state = 'done';
    this.resolve();
  }

  /** It fails as a whole: its caller may repeat all of it with the same ids. */
  fail(error: unknown): void {
    if (this.state !== 'waiting') return;
    this.state = 'failed';
    this.reject(error);
  }
}

/** Tells listeners when what is in the way is of another kind than before. */
export class ObstacleListeners {
  private readonly listeners: ((obstacle: Obstacle | null) => void)[] = [];
  private told: Obstacle | null = null;

  add(listener: (obstacle: Obstacle | null) => void): void {
    this.listeners.push(listener);
  }

  tell(obstacle: Obstacle | null): void {
    if (obstacle?.kind === this.told?.kind) return;
    this.told = obstacle;
    for (const listener of this.listeners) listener(obstacle);
  }
}
