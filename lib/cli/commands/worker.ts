/** `worker`: one worker alone, in the foreground, for a supervisor or container of the user's own. */
import { parseIndex } from '../../config/indexes.js';
import { inProcess } from '../../primary/in-process.js';
import { PrimaryLog } from '../../primary/log.js';
import { assembleWorker } from '../../worker/assemble.js';
import { residentWorker } from '../../worker/process.js';
import type { Invocation } from '../command.js';
import { runProgram } from '../run-program.js';

export function run(invocation: Invocation): Promise<number> {
  const given = invocation.args[0] ?? '';
  return runProgram(invocation, {
    indexes: ({ numProcesses }) => [parseIndex(given, numProcesses)],
    // The log file is the worker's.
    log: ({ logging }, [index]) => new PrimaryLog({ ...logging, file: null }, { index }),
    forks: inProcess((tell) => residentWorker(assembleWorker, tell)),
  });
}
