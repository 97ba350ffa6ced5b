/** Roles: the kinds of process that a program keeps running. A further one is a function here and a line in `rolesOf`. */
import type { Assignment, Start } from '../ipc/messages.js';

/** The supervisor knows a process only by what stands here. */
export interface Role {
  /** As lines of the log begin: `worker ready`. */
  readonly kind: string;
  /** In a sentence: `the worker of index 3`. */
  readonly name: string;
  /** What its lines of the log carry. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The process index that it serves; null where it serves none. */
  readonly index: number | null;
  /** The file in the release's folder of programs that runs it. */
  readonly program: string;
  /** At a reload the successor starts once its predecessor has ended, or the predecessor ends once its successor is ready. */
  readonly succession: 'after' | 'overlapping';
  /** Too many crashes stop the program, or this role alone has `failed`, and is tried again after growing pauses. */
  readonly crashLoop: 'stops-program' | 'fails-alone';
  /** At a stop it drains when all roles of lower stages have ended. */
  readonly drainStage: number;
  assignment(start: Start): Assignment;
}

export function rolesOf(indexes: readonly number[]): readonly Role[] {
  return indexes.map(worker);
}

/** It owns its index: two of them never serve it at once, and without one the tasks of its keys wait. */
export function worker(index: number): Role {
  return {
    kind: 'worker',
    name: `the worker of index ${index}`,
    fields: { index },
    index,
    program: 'worker.js',
    succession: 'after',
    crashLoop: 'stops-program',
    drainStage: 1,
    assignment: (start) => ({ index, ...start }),
  };
}
