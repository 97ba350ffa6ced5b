/**
 * `check`: every mistake of the configuration, then what holds in the end. Problems go to stderr, what holds to stdout; with --json
 * everything is one document on stdout. A database is asked whether it can be used, a broker what it does with its queues; nothing is
 * started or changed.
 */
import { backendOf } from '../../backend/open.js';
import type { Configuration } from '../../config/configuration.js';
import type { EffectiveSetting } from '../../config/effective.js';
import { showSize } from '../../config/formats.js';
import { type LoadedConfiguration, loadConfiguration } from '../../config/load.js';
import { outlined, redacted, redactedProblem } from '../../config/redact.js';
import { attributeRow, entityDocument, lifetimeText } from '../../documents/model.js';
import { typeScriptFiles } from '../../hooks/loader.js';
import { moduleProblems } from '../../hooks/module-problems.js';
import type { Problem } from '../../model/problem.js';
import type { ModelSpec } from '../../model/spec.js';
import { systemClock } from '../../runtime/clock.js';
import type { CommandExit, Invocation, Run } from '../command.js';
import type { Cell, Output } from '../output.js';
import { printProblems } from '../problems.js';
import { typesProblems } from '../types-file.js';

const NO_EXIT = 'It must not call process.exit. Modules after it were not checked.';

/** Loads the modules as a start would, and says what is wrong with them. */
export type CheckModules = (
  configuration: Configuration,
  spec: ModelSpec,
  importing: (file: string) => () => void,
) => Promise<readonly Problem[]>;

export const run: Run = checkWith((configuration, spec, importing) => {
  const { app, dir, numProcesses, modulesDir, enabledModules, moduleConfigurations, hookTimeoutMs } = configuration;
  const configOf = (name: string) => moduleConfigurations.get(name);
  return moduleProblems(
    { configDir: dir, modulesDir, enabled: enabledModules, configOf, limitMs: hookTimeoutMs, importing },
    { spec, platform: { app, index: 0, numProcesses, model: spec }, nowMs: systemClock.now() },
  );
});

/** The command, with what checks the modules. */
export function checkWith(checkModules: CheckModules): Run {
  return async (invocation) => {
    const loaded = loadConfiguration(invocation.request);
    const { configuration, spec } = loaded;
    const problems = [...loaded.problems];
    if (configuration !== null && spec !== null) {
      const importing = (file: string) =>
        invocation.onExit((exitCode) => {
          // Nothing that waits happens any more; what is printed is written at once.
          void report(invocation, loaded, [...problems, endedBy(file, exitCode)]);
          return 2;
        });
      if (!invocation.has('no-modules')) problems.push(...(await checkModules(configuration, spec, importing)));
      const { dir: configDir, modulesDir, enabledModules: enabled } = configuration;
      const typescript = await typeScriptFiles({ configDir, modulesDir, enabled });
      problems.push(...typesProblems(configuration, spec, typescript));
      const backend = await backendOf(configuration);
      // With the libraries of its backend loaded, as a worker has them.
      problems.push(...memoryProblems(configuration, process.memoryUsage.rss()));
      problems.push(...(await backend.problems()));
    }
    return report(invocation, loaded, problems);
  };
}

/** `rssBytes`: what this process takes with the modules, and a worker takes before its first task; the two differ by little. */
function memoryProblems({ dir, maxMemoryBytes }: Configuration, rssBytes: number): Problem[] {
  if (maxMemoryBytes === null || maxMemoryBytes > rssBytes) return [];
  const needed = `A worker takes about ${Math.round(rssBytes / 2 ** 20)} MiB before its first task`;
  const sentence = `${needed}, allowed are ${showSize(maxMemoryBytes)}: each would be replaced at once, and then the program stops.`;
  return [{ severity: 'warning', file: dir, key: 'processing_core.max_memory', sentence }];
}

function endedBy(file: string, exitCode: number): Problem {
  const sentence = `The file ended the program with exit code ${exitCode} while it was imported.`;
  return { severity: 'error', file, key: '', sentence: `${sentence} ${NO_EXIT}` };
}

async function report(
  { output, has }: Invocation,
  { configuration, spec, settings }: LoadedConfiguration,
  found: readonly Problem[],
): Promise<CommandExit> {
  // Those of modules and servers may quote anything.
  const problems = found.map(redactedProblem);
  const ok = !problems.some(({ severity }) => severity === 'error');
  const shownSettings = has('show-values') ? redacted : outlined;
  if (has('json')) {
    const modules = configuration === null ? null : shownSettings(configuration.moduleConfigurations);
    const model = spec === null ? null : [...spec.entities.values()].map(entityDocument);
    const byKey = settings.map(({ key, value, from }) => [key, { value, from }]);
    await output.json({ ok, problems, configuration: Object.fromEntries(byKey), modules, model });
  } else {
    if (ok && configuration !== null && spec !== null) {
      await printConfiguration(output, configuration, settings, shownSettings);
      await printModel(output, spec);
    }
    printProblems(output, problems);
  }
  return ok ? 0 : 2;
}

async function printConfiguration(
  output: Output,
  configuration: Configuration,
  settings: readonly EffectiveSetting[],
  shownSettings: (value: unknown) => unknown,
): Promise<void> {
  await output.heading(
    `Configuration of ${configuration.app} in ${configuration.dir}, environment ${configuration.env}`,
  );
  const rows = settings.map(({ key, value, from }): Cell[] => [key, cellOf(value), from]);
  await output.table(['key', 'value', 'from'], rows);
  for (const [name, module] of configuration.moduleConfigurations) {
    await output.line('');
    await output.heading(`Module ${name}`);
    await output.json(shownSettings(module));
  }
}

async function printModel(output: Output, spec: ModelSpec): Promise<void> {
  for (const entity of spec.entities.values()) {
    const snapshot = entity.snapshot ? 'with snapshots' : 'without snapshots';
    const about = [entity.name, `ids ${entity.idType}`, lifetimeText(entity.lifetime), snapshot].join(', ');
    await output.line('');
    await output.heading(`Entity type ${entity.id} (${about})`);
    await output.table(
      ['attribute', 'type', 'data type', 'settings'],
      [...entity.attributes.values()].map(attributeRow),
    );
  }
}

function cellOf(value: unknown): Cell {
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(', ');
  return value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
}
