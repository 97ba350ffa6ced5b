/** The hooks of the enabled modules, loaded and checked: what a worker needs of modules before it can be put together. */
import type { Configuration } from '../config/configuration.js';
import { type LoaderOptions, loadModules } from '../hooks/loader.js';
import { register } from '../hooks/registration.js';
import type { Registry } from '../hooks/registry.js';
import type { ModelSpec } from '../model/spec.js';
import type { Logger } from '../observability/logger.js';
import { systemClock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';

export interface RegistryOptions {
  readonly configuration: Configuration;
  readonly spec: ModelSpec;
  readonly index: number;
  /** Gets the warnings, and is what the modules log to. */
  readonly log: Logger;
  readonly importing?: LoaderOptions['importing'];
}

/** @throws ApplicationError MODULE_INVALID with a line for every mistake */
export async function loadRegistry({ configuration, spec, index, log, importing }: RegistryOptions): Promise<Registry> {
  const { app, numProcesses, dir, modulesDir, enabledModules, moduleConfigurations, hookTimeoutMs } = configuration;
  const { modules, problems } = await loadModules({
    configDir: dir,
    modulesDir,
    enabled: enabledModules,
    configOf: (name) => moduleConfigurations.get(name),
    limitMs: hookTimeoutMs,
    ...(importing !== undefined && { importing }),
  });
  const platform = { app, index, numProcesses, model: spec };
  const registered = register(modules, { spec, platform, log, nowMs: systemClock.now() });
  const all = [...problems, ...registered.problems];
  for (const { severity, file, key, sentence } of all) if (severity === 'warning') log.warn(sentence, { file, key });
  const errors = all.filter(({ severity }) => severity === 'error');
  if (errors.length > 0 || registered.registry === null) {
    throw new ApplicationError(
      'MODULE_INVALID',
      errors.map(({ file, key, sentence }) => `${[file, key].filter(Boolean).join(' ')}: ${sentence}`).join('\n'),
    );
  }
  return registered.registry;
}
