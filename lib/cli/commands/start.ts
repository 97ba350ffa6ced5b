/** `start`: the primary with its workers, in the foreground. What happens goes to the log (stderr), nothing to stdout. */
import { parseIndexes } from '../../config/indexes.js';
import { runPrimary } from '../../primary/assemble.js';
import { PrimaryLog } from '../../primary/log.js';
import type { ExitCode, Invocation } from '../command.js';
import { argumentsOf, startable } from '../startable.js';

export async function run({ request, option, output, onLauncherGone }: Invocation): Promise<ExitCode> {
  const found = startable(request, output);
  if (found === null) return 2;
  const { configuration, warnings } = found;
  const indexes = parseIndexes(option('indexes'), configuration.numProcesses);
  const log = new PrimaryLog(configuration.logging);
  try {
    for (const warning of warnings) log.warn(warning);
    const given = argumentsOf(request, configuration);
    return await runPrimary({ configuration, arguments: given, indexes, log, onLauncherGone });
  } finally {
    await log.close();
  }
}
