/** `worker`: one worker alone, in the foreground, for a supervisor or container of the user's own. */
import { parseIndex } from '../../config/indexes.js';
import { refuseSharedIndexes } from '../../primary/assemble.js';
import { assembleWorker } from '../../worker/assemble.js';
import { runStandaloneWorker } from '../../worker/standalone.js';
import type { Invocation } from '../command.js';
import { readStopExitCode } from '../option-values.js';
import { argumentsOf, startable } from '../startable.js';

export async function run({ args, request, option, output, onLauncherGone }: Invocation): Promise<number> {
  const stopExitCode = readStopExitCode(option);
  const found = await startable(request, output, ({ numProcesses }) => [parseIndex(args[0] ?? '', numProcesses)]);
  if (found === null) return 2;
  const { configuration, indexes, warnings } = found;
  const [index = 0] = indexes;
  await refuseSharedIndexes(configuration.runtimeDir, [index]);
  for (const warning of warnings) output.note(`warning  ${warning}`);
  const assignment = {
    index,
    heartbeatMs: configuration.heartbeat.intervalMs,
    config: argumentsOf(request, configuration),
  };
  return runStandaloneWorker({ configuration, assignment, make: assembleWorker, onLauncherGone, stopExitCode });
}
