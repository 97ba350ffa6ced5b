/** The configuration of something that is to run for long. */
import { backendOf } from '../backend/open.js';
import type { Configuration } from '../config/configuration.js';
import { type ConfigurationRequest, loadConfiguration, problemLine } from '../config/load.js';
import type { ConfigurationArguments } from '../ipc/messages.js';
import type { Output } from './output.js';
import { printProblems } from './problems.js';

export interface Startable {
  readonly configuration: Configuration;
  readonly indexes: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * Null when there are errors, of the configuration or of a broker that would lose tasks: they have been printed then, as `check` prints them.
 * Warnings are for the log.
 */
export async function startable(
  request: ConfigurationRequest,
  output: Output,
  indexesOf: (configuration: Configuration) => readonly number[],
): Promise<Startable | null> {
  const { configuration, problems } = loadConfiguration(request);
  if (configuration === null) {
    printProblems(output, problems);
    return null;
  }
  const indexes = indexesOf(configuration);
  const backend = await backendOf(configuration);
  const all = [...problems, ...(await backend.problemsOfStart(indexes))];
  if (!all.some(({ severity }) => severity === 'error')) {
    return { configuration, indexes, warnings: all.map(problemLine) };
  }
  printProblems(output, all);
  return null;
}

/** With these another process reads the same configuration, wherever it runs. */
export function argumentsOf(
  { app, flags = {} }: ConfigurationRequest,
  { dir, env }: Configuration,
): ConfigurationArguments {
  return { dir, env, flags, ...(app !== undefined && { app }) };
}
