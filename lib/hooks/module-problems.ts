/** What is wrong with the enabled modules: they are imported and registered as for a start, and nothing of them is started. */
import type { Problem } from '../model/problem.js';
import { makeLogger } from '../observability/logger.js';
import type { ScheduledHook } from './hook.js';
import { type LoaderOptions, loadModules } from './loader.js';
import { type RegistrationOptions, register } from './registration.js';

export interface ModuleFindings {
  /** Warnings too, in the order of the modules. */
  readonly problems: readonly Problem[];
  readonly scheduled: readonly ScheduledHook[];
}

/** What a module logs while it registers is left out. */
export async function moduleFindings(
  options: LoaderOptions,
  { spec, platform, nowMs }: Omit<RegistrationOptions, 'log'>,
): Promise<ModuleFindings> {
  const { modules, problems } = await loadModules(options);
  const log = makeLogger(() => {}, 'error', {});
  const registered = register(modules, { spec, platform, log, nowMs });
  return { problems: [...problems, ...registered.problems], scheduled: registered.registry?.scheduled ?? [] };
}
