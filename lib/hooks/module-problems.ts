/** What is wrong with the enabled modules: they are imported and registered as for a start, and nothing of them is started. */
import type { Problem } from '../model/problem.js';
import { makeLogger } from '../observability/logger.js';
import { type LoaderOptions, loadModules } from './loader.js';
import { type RegistrationOptions, register } from './registration.js';

/** Every problem, warnings too, in the order of the modules. What a module logs while it registers is left out. */
export async function moduleProblems(
  options: LoaderOptions,
  { spec, platform, nowMs }: Omit<RegistrationOptions, 'log'>,
): Promise<Problem[]> {
  const { modules, problems } = await loadModules(options);
  const log = makeLogger(() => {}, 'error', {});
  return [...problems, ...register(modules, { spec, platform, log, nowMs }).problems];
}
