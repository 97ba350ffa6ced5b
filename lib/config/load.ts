/**
 * Loading: a configuration folder, the environment and flags become one Configuration and one model, or a list of every problem.
 *
 * Order, later over earlier: defaults of the schema, default.yml with the section files, `<env>.yml`, variables DP3_..., flags.
 * Nothing is thrown for what a person wrote wrongly; `requireConfiguration` throws once, for commands that cannot go on.
 */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { frozenMap } from '../model/frozen-map.js';
import type { Problem } from '../model/problem.js';
import type { ModelSpec } from '../model/spec.js';
import { describe } from '../model/value-error.js';
import { ApplicationError } from '../runtime/errors.js';
import { suggestion } from '../runtime/nearest.js';
import { printable } from '../runtime/printable.js';
import type { Configuration } from './configuration.js';
import { type EffectiveSetting, effectiveSettings } from './effective.js';
import { checkNames, namesIn, readModel, readModules } from './folder.js';
import { type Keys, makeKeys, sectionFiles } from './keys.js';
import { readFiles, readFlags, readVariables } from './layers.js';
import { redactedProblem } from './redact.js';
import { checkRules } from './rules.js';
import { configurationOf, mergeValues } from './values.js';

/** Where a configuration comes from; plain data, so that it can be handed to another process. */
export interface ConfigurationRequest {
  /** Folder; `DP3_CONFIG` or `config` where it is not given. */
  readonly dir?: string;
  readonly app?: string;
  /** Environment; `NODE_ENV` or `development` where it is not given. */
  readonly env?: string;
  /** Text by dotted key. */
  readonly flags?: Readonly<Record<string, string>>;
}

export interface LoadedConfiguration {
  /** Null when any problem is an error; so is the model. */
  readonly configuration: Configuration | null;
  readonly spec: ModelSpec | null;
  readonly problems: readonly Problem[];
  /** Every setting with its value and where that came from, without secrets; empty when any problem is an error. */
  readonly settings: readonly EffectiveSetting[];
}

const STANDARD_ENVIRONMENTS = ['development', 'test', 'production'];
const ENVIRONMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/** The configuration folder as it was given. */
export function givenDir({ dir }: ConfigurationRequest, environment: NodeJS.ProcessEnv = process.env): string {
  return dir ?? (environment['DP3_CONFIG'] || 'config');
}

/** Reads everything and reports every problem, none of which shows a secret. */
export function loadConfiguration(
  request: ConfigurationRequest,
  environment: NodeJS.ProcessEnv = process.env,
): LoadedConfiguration {
  const loaded = load(request, environment);
  return { ...loaded, problems: loaded.problems.map(redactedProblem) };
}

function load(request: ConfigurationRequest, environment: NodeJS.ProcessEnv): LoadedConfiguration {
  const problems: Problem[] = [];
  const keys = makeKeys();
  const dir = givenDir(request, environment);
  const env = request.env ?? (environment['NODE_ENV'] || 'development');
  if (!isFolder(dir, problems) || !isEnvironment(dir, env, keys, problems)) return refused(problems);
  checkNames(dir, env, keys, problems);
  const flags = { ...request.flags, ...(request.app !== undefined && { app: request.app }) };
  const layers = [
    ...readFiles(dir, env, keys, problems),
    ...readVariables(environment, keys, problems),
    ...readFlags(flags, keys, problems),
  ];
  const values = mergeValues(layers);
  const broken = new Set(problems.filter(({ severity }) => severity === 'error').map(({ key }) => key));
  problems.push(...checkRules(values, { env, dir, layers, environment }).filter(({ key }) => !broken.has(key)));
  const modules = readModules(dir, values.processing_core.enabled_modules, problems);
  const spec = readModel(dir, problems);
  if (spec === null || problems.some(({ severity }) => severity === 'error')) return refused(problems);
  const configuration = freeze(configurationOf(values, { dir: resolve(dir), env }, modules));
  return { configuration, spec, problems, settings: effectiveSettings(configuration, values, layers, keys) };
}

/** The error of a configuration that cannot be used; its message names every error with file and key. */
export class ConfigurationError extends ApplicationError {
  constructor(readonly problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === 'error');
    const many = errors.length === 1 ? 'an error' : `${errors.length} errors`;
    super('CONFIG_INVALID', `the configuration has ${many}:\n${errors.map(problemLine).join('\n')}`);
  }
}

/** Reads everything, for a command that cannot go on without it. @throws ConfigurationError */
export function requireConfiguration(
  request: ConfigurationRequest,
  environment: NodeJS.ProcessEnv = process.env,
): { readonly configuration: Configuration; readonly spec: ModelSpec; readonly warnings: readonly Problem[] } {
  const { configuration, spec, problems } = loadConfiguration(request, environment);
  if (configuration === null || spec === null) throw new ConfigurationError(problems);
  return { configuration, spec, warnings: problems };
}

/**
 * `config/default.yml:3 processing_core.worker_threads: sentence`, in one line whatever stands in the file. Sentences that quote errors of
 * others may have several lines.
 */
export function problemLine({ file, line, key, sentence }: Problem): string {
  const place = `${file}${line === undefined ? '' : `:${line}`}${key === '' ? '' : ` ${key}`}`;
  return printable(`${place}: ${inOneLine(sentence)}`);
}

/** Sentences of others, such as the parser of YAML, stand in several lines. */
function inOneLine(sentence: string): string {
  return sentence
    .split('\n')
    .map((line) => line.trim())
    .join(' ');
}

function refused(problems: readonly Problem[]): LoadedConfiguration {
  return { configuration: null, spec: null, problems, settings: [] };
}

function isFolder(dir: string, problems: Problem[]): boolean {
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found?.isDirectory()) return true;
  const what = found === undefined ? 'There is no such folder' : 'This is no folder';
  const sentence = `${what} (${resolve(dir)}); name the configuration folder with --config or DP3_CONFIG.`;
  problems.push({ severity: 'error', file: dir, key: '', sentence });
  return false;
}

/** Whether `env` can name an environment; one that is not standard must have its file, or a typing error would go unseen. */
function isEnvironment(dir: string, env: string, keys: Keys, problems: Problem[]): boolean {
  const refuse = (sentence: string): boolean => {
    problems.push({ severity: 'error', file: dir, key: '', sentence });
    return false;
  };
  if (!ENVIRONMENT_NAME.test(env) || env === 'default' || sectionFiles(keys).includes(env)) {
    return refuse(
      `The environment ${describe(env)} is not allowed: letters, digits, _ and -, and no name of another file.`,
    );
  }
  const names = (namesIn(dir) ?? []).filter((name) => name.endsWith('.yml')).map((name) => name.slice(0, -4));
  if (STANDARD_ENVIRONMENTS.includes(env) || names.includes(env)) return true;
  const known = [...new Set([...STANDARD_ENVIRONMENTS, ...names])].filter((name) => !sectionFiles(keys).includes(name));
  return refuse(`The environment ${describe(env)} has no file ${join(dir, `${env}.yml`)}.${suggestion(env, known)}`);
}

/** The value, frozen with everything in it; maps are replaced by ones without methods that change them. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const inner of value.values()) freeze(inner);
    return frozenMap(value) as T;
  }
  for (const key of Reflect.ownKeys(value)) Reflect.set(value, key, freeze(Reflect.get(value, key)));
  return Object.freeze(value);
}
