/** Running a program in the foreground until it has stopped: what `start` and `worker` have in common. */
import type { Configuration } from '../config/configuration.js';
import { givenDir } from '../config/load.js';
import { runPrimary } from '../primary/assemble.js';
import type { Forks } from '../primary/forks.js';
import type { PrimaryLog } from '../primary/log.js';
import type { Invocation } from './command.js';
import { readStopExitCode } from './option-values.js';
import { argumentsOf, startable } from './startable.js';

/** What differs between them. */
export interface Foreground {
  readonly indexes: (configuration: Configuration) => readonly number[];
  readonly log: (configuration: Configuration, indexes: readonly number[]) => PrimaryLog;
  readonly forks: Forks;
}

/** Resolves with the exit code; 2 where the configuration does not fit. */
export async function runProgram(
  { request, option, output, onLauncherGone }: Invocation,
  program: Foreground,
): Promise<number> {
  const stopExitCode = readStopExitCode(option);
  const found = await startable(request, output, program.indexes);
  if (found === null) return 2;
  const { configuration, indexes, warnings } = found;
  const log = program.log(configuration, indexes);
  try {
    for (const warning of warnings) log.warn(warning);
    const exitCode = await runPrimary({
      configuration,
      arguments: argumentsOf(request, configuration),
      givenDir: givenDir(request),
      indexes,
      log,
      onLauncherGone,
      forks: program.forks,
    });
    return exitCode === 0 ? stopExitCode : exitCode;
  } finally {
    await log.close();
  }
}
