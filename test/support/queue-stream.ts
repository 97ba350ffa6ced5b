/** What the processes of the queue's tests and the tests themselves agree on: the stream of tasks, where it is noted, what is told. */
import type { OutgoingTask } from '../../lib/model/task.js';

export const FOLDER = { numProcesses: 2, delivery: 'effectively-once' };
export const TEXT = { encoding: 'string' } as const;
/** Tables of a worker: ids that are done, the last number of each key, what must not have happened. */
export const TABLES = { done: 'test-done', last: 'test-last', wrong: 'test-wrong' };
/** Keys of a stream. */
export const KEYS = 10;
/** Every so many tasks of a key derive one for the other index. */
export const DERIVE_EVERY = 4;

export interface StreamTask {
  readonly key: string;
  /** Counts up for each key. */
  readonly n: number;
  readonly derived: boolean;
}

/** What a member of a data folder is told to do; it answers with the number of the order. */
export type Order =
  /** From now on its time of day is wrong by so much. */
  | { readonly order: 'shift-clock'; readonly ms: number }
  | { readonly order: 'join' | 'consume'; readonly path: string }
  | { readonly order: 'send'; readonly id: string }
  | { readonly order: 'leave' };

export type Told =
  | { readonly told: 'obeyed'; readonly number: number }
  | { readonly told: 'got'; readonly id: string }
  | { readonly told: 'ready' }
  | { readonly told: 'done'; readonly total: number; readonly wrong: string[] }
  | { readonly told: 'sent' }
  | { readonly told: 'failed'; readonly code: string; readonly rest: string };

/** The n-th task of a stream; keys take turns between the two indexes. */
export function streamTask(stream: string, n: number): OutgoingTask {
  const key = `${stream}:${n % KEYS}`;
  const task: StreamTask = { key, n: Math.floor(n / KEYS), derived: false };
  return { id: `${stream}/${n}`, key, index: n % 2, priority: false, body: Buffer.from(JSON.stringify(task)) };
}

/** How many tasks a stream of so many becomes with all that are derived. `count` is a multiple of the keys. */
export function streamTotal(count: number): number {
  return count + KEYS * Math.ceil(count / KEYS / DERIVE_EVERY);
}
