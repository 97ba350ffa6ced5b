/** Roles: all that a program keeps running. A further one is a file of its own and a line in `rolesOf`. */
import type { Role } from './role.js';

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
