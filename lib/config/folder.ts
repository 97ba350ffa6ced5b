/** Folder: the parts of a configuration folder that are not settings: entity types, configurations of modules, files out of place. */
import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Problem } from '../model/problem.js';
import { loadSpec, type ModelFile, type ModelSpec } from '../model/spec.js';
import { nearest, suggestion } from '../runtime/nearest.js';
import { type Keys, sectionFiles } from './keys.js';
import { readYaml, type YamlFile } from './yaml.js';

/** What editors and systems leave beside a file for a while: locks (mostly links to nowhere), copies, swap files. */
const DROPPING = /^\.#|^#.*#$|~$|\.sw[a-p]$|^\._|\.(bak|orig|rej|tmp)$/;

const CANNOT_BE_READ = 'The folder cannot be read: it is no folder, a link to nowhere, or closed to this user.';

/** Names in a folder, sorted, without droppings; undefined when there is no such folder. */
export function namesIn(dir: string): string[] | undefined {
  try {
    return readdirSync(dir)
      .filter((name) => !DROPPING.test(name))
      .sort();
  } catch {
    return undefined;
  }
}

/** Whether there is something of that name, be it a link to nowhere: then it is an error that it cannot be read. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Reads `db_entities/*.yml`. The model is null when anything in there is wrong. */
export function readModel(dir: string, problems: Problem[]): ModelSpec | null {
  const folder = join(dir, 'db_entities');
  const names = namesIn(folder);
  const files = names?.filter(isRead) ?? [];
  if (names === undefined || files.length === 0) {
    const sentence = whyNoFiles(dir, folder, names);
    problems.push({ severity: 'error', file: folder, key: '', sentence });
    return null;
  }
  warnOfYaml(folder, names, problems);
  warnOfHidden(folder, names, problems);
  const read = new Map<string, YamlFile>();
  for (const name of files) {
    const file = readYaml(join(folder, name), join(folder, name), problems);
    if (file !== undefined) read.set(file.file, file);
  }
  const documents: ModelFile[] = [...read.values()].map(({ file, value }) => ({ file, document: value }));
  const model = loadSpec(documents);
  for (const problem of model.problems) {
    const line = read.get(problem.file)?.lineOf(problem.key);
    problems.push(line === undefined ? problem : { ...problem, line });
  }
  return read.size === files.length ? model.spec : null;
}

function whyNoFiles(dir: string, folder: string, names: readonly string[] | undefined): string {
  if (names !== undefined) return 'No file *.yml is in this folder; at least one entity type is needed.';
  if (isThere(folder)) return CANNOT_BE_READ;
  const meant = suggestion('db_entities', namesIn(dir) ?? []);
  return `There is no such folder (${resolve(folder)}); it holds one file for each entity type.${meant}`;
}

/** Reads `modules/<name>.yml` of the enabled modules: plain data, its objects without prototype. A missing file is an empty one. */
export function readModules(dir: string, enabled: readonly string[], problems: Problem[]): Map<string, unknown> {
  const folder = join(dir, 'modules');
  const found = namesIn(folder);
  if (found === undefined && isThere(folder)) {
    problems.push({ severity: 'error', file: folder, key: '', sentence: CANNOT_BE_READ });
  }
  const names = found ?? [];
  warnOfYaml(folder, names, problems);
  const read = new Map<string, unknown>();
  for (const name of enabled) {
    const path = join(folder, `${name}.yml`);
    if (!names.includes(`${name}.yml`)) {
      const near = nearest(
        name,
        names.filter((each) => each.endsWith('.yml')).map((each) => each.slice(0, -4)),
      );
      if (near !== null && !enabled.includes(near)) {
        const sentence = `The module ${name} has no file here, but ${near}.yml looks like one for it; it is not read.`;
        problems.push({ severity: 'warning', file: folder, key: '', sentence });
      }
      read.set(name, Object.create(null));
      continue;
    }
    const file = readYaml(path, path, problems);
    if (file !== undefined) read.set(name, plain(file.value ?? new Map()));
  }
  return read;
}

/** Names beside the known ones that look like mistakes: a section with a typing error, or `.yaml`, which DP3 does not read. */
export function checkNames(dir: string, env: string, keys: Keys, problems: Problem[]): void {
  const names = namesIn(dir) ?? [];
  warnOfYaml(dir, names, problems);
  const known = ['default', 'development', 'test', 'production', env, ...sectionFiles(keys)];
  // Where the environment has its file, no other is a misspelt one: it is that of another environment.
  const awaited = ['default', ...(names.includes(`${env}.yml`) ? [] : [env]), ...sectionFiles(keys)];
  for (const name of names) {
    if (!name.endsWith('.yml') || known.includes(name.slice(0, -4))) continue;
    const near = nearest(name.slice(0, -4), awaited);
    if (near === null) continue;
    const sentence = `This file is not read. Did you mean "${near}.yml"?`;
    problems.push({ severity: 'warning', file: join(dir, name), key: '', sentence });
  }
}

function isRead(name: string): boolean {
  return name.endsWith('.yml') && !name.startsWith('.');
}

function warnOfHidden(folder: string, names: readonly string[], problems: Problem[]): void {
  for (const name of names) {
    if (isRead(name) || !name.endsWith('.yml')) continue;
    const sentence = 'This file is not read, because its name begins with a dot; DP3 reads it.';
    problems.push({ severity: 'warning', file: join(folder, name), key: '', sentence });
  }
}

function warnOfYaml(folder: string, names: readonly string[], problems: Problem[]): void {
  for (const name of names) {
    if (!name.endsWith('.yaml')) continue;
    const sentence = `This file is not read; only names ending in .yml are. Call it ${name.replace(/yaml$/, 'yml')}.`;
    problems.push({ severity: 'warning', file: join(folder, name), key: '', sentence });
  }
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, inner] of value) object[String(key)] = plain(inner);
  return object;
}
