/** `start`: the primary with its workers, in the foreground. What happens goes to the log (stderr), nothing to stdout. */
import { parseIndexes } from '../../config/indexes.js';
import { clusterForks } from '../../primary/forks.js';
import { PrimaryLog } from '../../primary/log.js';
import type { Invocation } from '../command.js';
import { runProgram } from '../run-program.js';

export function run(invocation: Invocation): Promise<number> {
  const { option } = invocation;
  return runProgram(invocation, {
    indexes: ({ numProcesses }) => parseIndexes(option('indexes'), numProcesses),
    log: ({ logging }) => new PrimaryLog(logging),
    forks: clusterForks(),
  });
}
