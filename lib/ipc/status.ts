/** What a running program says of itself: plain data, shown by `status` and sent between processes. */
import type { Figures } from '../observability/metrics.js';
import type { PeriodicStatus } from '../runtime/periodic.js';
import type { Speaker } from './protocol.js';

/** `waiting`: it starts, and a server that it needs does not answer. `failed`: it crashes again and again, and no worker needs it. */
export type WorkerState = 'starting' | 'waiting' | 'standby' | 'running' | 'draining' | 'down' | 'failed';

/** One worker; its figures count since its start. */
export interface WorkerStatus extends Figures {
  readonly epoch: number;
  readonly lanes: { readonly busy: number; readonly waiting: number; readonly keys: number; readonly restarts: number };
  readonly window: {
    readonly tasks: number;
    readonly tasksLimit: number;
    readonly bytes: number;
    readonly bytesLimit: number;
    /** No more comes of a queue before some are settled. */
    readonly full: boolean;
    /** The key that has more than half of the tasks in a full window, and how many; null where none has. */
    readonly filledBy: { readonly key: string; readonly tasks: number } | null;
  };
  readonly queue: { readonly normal: number; readonly priority: number };
  readonly outboxAgeMs: number;
  /** False while work waits for the store. */
  readonly storeAvailable: boolean;
  /** What it waits for, as the store has said; null where it does not wait. */
  readonly storeTrouble: string | null;
  /** What the store will not be able to do one day, or cannot do with some tasks; null where there is nothing. */
  readonly storeWarning: string | null;
  /** Why nothing can be consumed; null where nothing is in the way. */
  readonly queueTrouble: string | null;
  /** What of its queues is left out, and why; its tasks wait. */
  readonly skipped: readonly string[];
  /** What a worker that starts waits for, and why; null where it does not. */
  readonly waitsFor: string | null;
  /** Tasks of senders that were lost between broker and worker, by stream. */
  readonly lost: readonly {
    readonly stream: string;
    readonly tasks: number;
    readonly from: number;
    readonly to: number;
  }[];
  /** How often messages held what is ignored, by kind, and data-points from the future, by source. */
  readonly input: {
    readonly ignored: Readonly<Record<string, number>>;
    readonly future: Readonly<Record<string, number>>;
  };
  /** What is done again and again beside the tasks; an older worker does not tell. */
  readonly services?: readonly PeriodicStatus[];
}

/** A process that the program keeps running. */
export interface ChildStatus {
  readonly pid: number | null;
  readonly state: WorkerState;
  readonly uptimeMs: number;
  readonly respawns: number;
}

/** One that serves an index. */
export interface SlotStatus extends ChildStatus {
  readonly index: number;
  readonly worker: WorkerStatus | null;
}

export interface ProgramStatus extends Speaker {
  readonly app: string;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly numProcesses: number;
  readonly slots: readonly SlotStatus[];
  /** Those that serve no index, by kind; left out where there are none. */
  readonly roles?: Readonly<Record<string, ChildStatus>>;
}
