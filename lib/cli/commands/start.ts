/** `start`: the primary with its workers, in the foreground. What happens goes to the log (stderr), nothing to stdout. */
import { parseIndexes } from '../../config/indexes.js';
import { givenDir } from '../../config/load.js';
import { runPrimary } from '../../primary/assemble.js';
import { PrimaryLog } from '../../primary/log.js';
import type { Invocation } from '../command.js';
import { readStopExitCode } from '../option-values.js';
import { argumentsOf, startable } from '../startable.js';

export async function run({ request, option, output, onLauncherGone }: Invocation): Promise<number> {
  const stopExitCode = readStopExitCode(option);
  const found = await startable(request, output, ({ numProcesses }) => parseIndexes(option('indexes'), numProcesses));
  if (found === null) return 2;
  const { configuration, indexes, warnings } = found;
  const log = new PrimaryLog(configuration.logging);
  try {
    for (const warning of warnings) log.warn(warning);
    const exitCode = await runPrimary({
      configuration,
      arguments: argumentsOf(request, configuration),
      givenDir: givenDir(request),
      indexes,
      log,
      onLauncherGone,
    });
    return exitCode === 0 ? stopExitCode : exitCode;
  } finally {
    await log.close();
  }
}
