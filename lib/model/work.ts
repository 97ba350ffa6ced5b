/**
 * Work: one task on its way through a worker, from its delivery to its acknowledgement. Every stage hands the same object on and writes into
 * it what it has found out: nothing is copied, and whoever holds a work sees where it stands.
 *
 *   waiting -> running -> finished -> its commit is durable, and nobody holds it any more
 *      ^          |          |
 *      +----------+----------+   its lane broke, or the state that its result was made from is void
 *
 *   final      its result stands, and no lane is to run it (again): it cannot be read or stored, belongs to another index, or no delivery
 *              has brought it
 */
import type { Delivery } from './delivery.js';
import type { TaskResult } from './record.js';
import type { OutgoingTask, Task } from './task.js';

export type WorkState = 'waiting' | 'running' | 'finished' | 'final';

const NOTHING: readonly OutgoingTask[] = Object.freeze([]);

export class Work {
  state: WorkState = 'waiting';
  /** Where it is finished or final. */
  result: TaskResult | null = null;
  /** What its commit puts into the outbox: what was derived, once the commit is built; the task itself where it belongs to another index. */
  sends: readonly OutgoingTask[] = NOTHING;
  /** Estimated size of what its commit writes. */
  bytes = 0;
  /** How often its lane broke on it in this process. */
  breaks = 0;
  /** Acknowledged before it ran (at-most-once): it has left its queue, and if it does not finish, it is lost. */
  acked = false;
  /** The one behind it in its lane. */
  next: LaneWork | null = null;

  constructor(
    readonly delivery: Delivery,
    /** Null where it cannot be read, or no delivery has brought it. */
    readonly task: Task | null,
    /** Of a task that no delivery has brought (commit/emissions.ts): called once it is committed. */
    readonly durable: (() => void) | null = null,
  ) {}

  /** Null where it has no task. */
  get key(): string | null {
    return this.task === null ? null : this.task.key;
  }

  /** Whether a queue has brought it, and waits for its acknowledgement. */
  get isDelivered(): boolean {
    return this.durable === null;
  }

  /** A lane has run it. */
  finish(result: TaskResult): DoneWork {
    return this.end('finished', result, NOTHING);
  }

  /** This is its result, whatever becomes of its commit. `sends`: the task itself, where it belongs to another index. */
  conclude(result: TaskResult, sends: readonly OutgoingTask[] = NOTHING): DoneWork {
    return this.end('final', result, sends);
  }

  /** It waits in its lane again: a result that it had is void. */
  putBack(): void {
    this.state = 'waiting';
    this.result = null;
    this.sends = NOTHING;
  }

  private end(state: WorkState, result: TaskResult, sends: readonly OutgoingTask[]): DoneWork {
    this.state = state;
    this.result = result;
    this.sends = sends;
    return this as DoneWork;
  }
}

/** With the task that a lane runs. */
export type LaneWork = Work & { readonly task: Task };

/** With the result that is to be committed. */
export type DoneWork = Work & { result: TaskResult };

/** Whether it goes back to its lane when it cannot be committed as it is. */
export function isRepeatable(work: Work): work is LaneWork {
  return work.task !== null && work.state !== 'final';
}

export function laneWork(delivery: Delivery, task: Task): LaneWork {
  return new Work(delivery, task) as LaneWork;
}
