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
import type { ScheduledHook } from '../../hooks/hook.js';
import { typeScriptFiles } from '../../hooks/loader.js';
import { type ModuleFindings, moduleFindings } from '../../hooks/module-problems.js';
import { stringifyJson } from '../../model/json.js';
import type { Problem } from '../../model/problem.js';
import type { ModelSpec } from '../../model/spec.js';
import { systemClock } from '../../runtime/clock.js';
import type { Cell } from '../columns.js';
import type { CommandExit, Invocation, Run } from '../command.js';
import type { Output } from '../output.js';
import { printProblems } from '../problems.js';
import { typesProblems } from '../types-file.js';

/** As many coming runs of a job are shown. */
const RUNS_SHOWN = 5;
const NO_EXIT = 'It must not call process.exit. Modules after it were not checked.';

/** Loads the modules as a start would, and says what is wrong with them. */
export type CheckModules = (
  configuration: Configuration,
  spec: ModelSpec,
  importing: (file: string) => () => void,
) => Promise<ModuleFindings>;

export const run: Run = checkWith((configuration, spec, importing) => {
  const { app, dir, numProcesses, modulesDir, enabledModules, moduleConfigurations, hookTimeoutMs } = configuration;
  const configOf = (name: string) => moduleConfigurations.get(name);
  return moduleFindings(
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
    let jobs: readonly ShownJob[] = [];
    if (configuration !== null && spec !== null) {
      const importing = (file: string) =>
        invocation.onExit((exitCode) => {
          // Nothing that waits happens any more; what is printed is written at once.
          void report(invocation, { ...loaded, jobs }, [...problems, endedBy(file, exitCode)]);
          return 2;
        });
      if (!invocation.has('no-modules')) {
        const found = await checkModules(configuration, spec, importing);
        problems.push(...found.problems);
        jobs = found.scheduled.map((hook) => shownJob(hook, systemClock.now()));
      }
      const { dir: configDir, modulesDir, enabledModules: enabled } = configuration;
      const typescript = await typeScriptFiles({ configDir, modulesDir, enabled });
      problems.push(...typesProblems(configuration, spec, typescript));
      const backend = await backendOf(configuration);
      // With the libraries of its backend loaded, as a worker has them.
      problems.push(...memoryProblems(configuration, process.memoryUsage.rss()));
      problems.push(...(await backend.problems()));
    }
    return report(invocation, { ...loaded, jobs }, problems);
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

interface Checked extends LoadedConfiguration {
  readonly jobs: readonly ShownJob[];
}

/** A scheduled job with its next runs, in its own time zone. */
interface ShownJob {
  readonly job: string;
  readonly on: ScheduledHook['on'];
  readonly schedule: string;
  readonly next: readonly string[];
}

function shownJob({ module, name, on, schedule }: ScheduledHook, nowMs: number): ShownJob {
  const next: string[] = [];
  for (let at = schedule.next(nowMs); at !== null && next.length < RUNS_SHOWN; at = schedule.next(at)) {
    next.push(schedule.show(at));
  }
  return { job: `${module.name}.${name}`, on, schedule: schedule.text, next };
}

async function report(
  { output, has }: Invocation,
  { configuration, spec, settings, jobs }: Checked,
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
    await output.json({ ok, problems, configuration: Object.fromEntries(byKey), modules, model, jobs });
  } else {
    if (ok && configuration !== null && spec !== null) {
      await printConfiguration(output, configuration, settings, shownSettings);
      await printModel(output, spec);
      await printJobs(output, jobs);
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
    await output.value(stringifyJson(shownSettings(module)));
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

/** One line a run, so that its table is narrow. */
async function printJobs(output: Output, jobs: readonly ShownJob[]): Promise<void> {
  if (jobs.length === 0) return;
  await output.line('');
  await output.heading('Scheduled jobs');
  const rows = jobs.flatMap(({ job, on, schedule, next: [first = 'never', ...later] }): Cell[][] => [
    [job, on, schedule, first],
    ...later.map((run) => ['', '', '', run]),
  ]);
  await output.table(['job', 'on', 'schedule', 'next runs'], rows);
}

function cellOf(value: unknown): Cell {
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(', ');
  return value === null || typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
}
