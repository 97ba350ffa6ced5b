/** The configuration of something that is to run for long. */
import type { Configuration } from '../config/configuration.js';
import { type ConfigurationRequest, loadConfiguration, problemLine } from '../config/load.js';
import type { ConfigurationArguments } from '../ipc/messages.js';
import type { Output } from './output.js';
import { printProblems } from './problems.js';

/** Null when there are errors: they have been printed then, as `check` prints them. Warnings are for the log. */
export function startable(
  request: ConfigurationRequest,
  output: Output,
): { readonly configuration: Configuration; readonly warnings: readonly string[] } | null {
  const { configuration, problems } = loadConfiguration(request);
  if (configuration !== null) return { configuration, warnings: problems.map(problemLine) };
  printProblems(output, problems);
  return null;
}

/** With these another process reads the same configuration, wherever it runs. */
export function argumentsOf(
  { app, flags = {} }: ConfigurationRequest,
  { dir, env }: Configuration,
): ConfigurationArguments {
  return { dir, env, flags, ...(app !== undefined && { app }) };
}
