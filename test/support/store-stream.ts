/** The numbered stream of tasks that store-process.ts applies, and what must be stored in the end. */

import type { OutgoingTask } from '../../lib/model/task.js';
import { newTaskId } from '../../lib/model/task-id.js';
import { type Instant, instantOfMs } from '../../lib/model/time.js';

export const STREAM_FOLDER = { numProcesses: 1, delivery: 'effectively-once' };
export const STREAM_KEYS = ['a', 'b', 'c', '__proto__', 'gone', 'ä'.repeat(512)];
/** Key whose record is deleted by every tenth task. */
export const DELETED_KEY = 'gone';
const EVERY = { delete: 10, derive: 5, quarantine: 7 };

export interface Step {
  readonly key: string;
  readonly n: number;
  readonly does: 'write' | 'derive' | 'delete' | 'quarantine';
  readonly t1: Instant;
  readonly t2: Instant;
}

/** The n-th task of a key. */
export function stepAt(key: string, n: number): Pick<Step, 'key' | 'n' | 'does'> {
  if (key === DELETED_KEY) return { key, n, does: n % EVERY.delete === EVERY.delete - 1 ? 'delete' : 'write' };
  if (n % EVERY.quarantine === 0) return { key, n, does: 'quarantine' };
  return { key, n, does: n % EVERY.derive === 0 ? 'derive' : 'write' };
}

export function stepOf(body: Buffer): Step {
  const { key, n, does } = JSON.parse(body.toString()) as Pick<Step, 'key' | 'n' | 'does'>;
  const at = Date.UTC(2026, 0, 1) + n * 1_000;
  return { key, n, does, t1: instantOfMs(at), t2: instantOfMs(at + 1_000) };
}

export function taskOf(step: Pick<Step, 'key' | 'n' | 'does'>, priority: boolean): OutgoingTask {
  const body = Buffer.from(JSON.stringify(step));
  return { id: newTaskId(), key: `stream:${step.key}`, index: 0, priority, body };
}
