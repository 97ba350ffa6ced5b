/**
 * Layers: what files, environment variables and flags say, each value read by the format of its setting and kept with where it came
 * from. A value that cannot be read is a problem and left out, so that one run finds all of them. convict only gets good values.
 */
import { join } from 'node:path';
import type { Problem } from '../model/problem.js';
import { describe } from '../model/value-error.js';
import { suggestion } from '../runtime/nearest.js';
import { isThere } from './folder.js';
import { readAs } from './formats.js';
import { type Keys, PYTHON_KEYS, sectionFiles, suggestKey } from './keys.js';
import { redacted } from './redact.js';
import { Refusal } from './refusal.js';
import { readYaml, type YamlFile } from './yaml.js';

/** A value that was given for a setting, and where. */
export interface GivenValue {
  readonly key: string;
  readonly value: unknown;
  readonly file: string;
  readonly line?: number;
}

/** Variables that start with DP3_ and are no settings. */
const OTHER_VARIABLES = ['DP3_CONFIG'];

/** Reads default.yml with the section files beside it, then `<env>.yml`; later values are for keys that the earlier gave too. */
export function readFiles(dir: string, env: string, keys: Keys, problems: Problem[]): GivenValue[] {
  const base = new FileReader(keys, problems);
  base.read(join(dir, 'default.yml'));
  for (const section of sectionFiles(keys)) base.read(join(dir, `${section}.yml`), section);
  const own = new FileReader(keys, problems);
  own.read(join(dir, `${env}.yml`));
  return [...base.given.values(), ...own.given.values()];
}

/** Reads the variables of the environment that are named after settings. An empty one counts as not given. */
export function readVariables(environment: NodeJS.ProcessEnv, keys: Keys, problems: Problem[]): GivenValue[] {
  const given: GivenValue[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('DP3_') || value === undefined || value === '' || OTHER_VARIABLES.includes(name)) continue;
    const file = `environment variable ${name}`;
    const key = keys.variables.get(name);
    if (key !== undefined) {
      readValue(keys, { key, value, file }, problems, given);
      continue;
    }
    const near = suggestion(name, keys.variables.keys());
    problems.push({
      severity: 'warning',
      file,
      key: '',
      sentence: `No setting has this variable; it is ignored.${near}`,
    });
  }
  return given;
}

/** Reads the values of flags, by dotted key. */
export function readFlags(flags: Readonly<Record<string, string>>, keys: Keys, problems: Problem[]): GivenValue[] {
  const given: GivenValue[] = [];
  for (const [key, value] of Object.entries(flags))
    readValue(keys, { key, value, file: 'command line' }, problems, given);
  return given;
}

/** Reads one value; what its format refuses is a problem. */
function readValue(keys: Keys, raw: GivenValue, problems: Problem[], into: GivenValue[]): void {
  const { key, file, line } = raw;
  const setting = keys.settings.get(key);
  if (setting === undefined) throw new Error(`${key} is no setting`);
  try {
    into.push({
      ...raw,
      value: setting.nullable && raw.value === null ? null : readAs(setting.format, raw.value, setting),
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const given = setting.sensitive || error.hidden ? '' : `Given was ${describe(redacted(raw.value))}, `;
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    const sentence = `${given}${given === '' ? 'Allowed' : 'allowed'} is ${error.allowed}${hint}.`;
    problems.push({ severity: 'error', file, key, sentence, ...(line !== undefined && { line }) });
  }
}

/** Reads the files of one layer, in which no key may be given twice. */
class FileReader {
  readonly given = new Map<string, GivenValue>();

  constructor(
    private readonly keys: Keys,
    private readonly problems: Problem[],
  ) {}

  /** A file with any sections, or one that is a section. */
  read(path: string, section = ''): void {
    if (!isThere(path)) return;
    const found: Problem[] = [];
    const file = readYaml(path, path, found);
    for (const problem of found) {
      const key = [section, problem.key].filter((part) => part !== '').join('.');
      // The warning of a surprising value would show the secret.
      if (problem.severity === 'error' || !this.keys.settings.get(key)?.sensitive)
        this.problems.push({ ...problem, key });
    }
    if (file?.value === null) this.warn(file, section, '', 'The file is empty.');
    else if (file !== undefined) this.walk(file, file.value, section, '');
  }

  /** `section` is the dotted name in the configuration, `path` the one in the file. */
  private walk(file: YamlFile, value: unknown, section: string, path: string): void {
    if (!(value instanceof Map)) {
      this.error(
        file,
        section,
        path,
        `A dictionary of settings is needed here, given was ${describe(redacted(value))}.`,
      );
      return;
    }
    const python = PYTHON_KEYS.get(section);
    for (const [name, inner] of value) {
      const key = section === '' ? String(name) : `${section}.${name}`;
      const own = path === '' ? String(name) : `${path}.${name}`;
      if (this.keys.settings.has(key)) this.take(file, key, own, inner);
      else if (python !== undefined) this.takePython(file, key, own, String(name), python);
      else if (this.keys.sections.has(key) || (section === '' && PYTHON_KEYS.has(key)))
        this.enter(file, inner, key, own);
      else this.error(file, key, own, `This key is not known.${suggestKey(this.keys, section, String(name))}`);
    }
  }

  private enter(file: YamlFile, value: unknown, key: string, path: string): void {
    if (value === null) this.warn(file, key, path, 'The section is empty.');
    else this.walk(file, value, key, path);
  }

  private take(file: YamlFile, key: string, path: string, value: unknown): void {
    const before = this.given.get(key);
    if (before !== undefined) {
      const where = before.line === undefined ? before.file : `${before.file}, line ${before.line}`;
      this.error(file, key, path, `The key is given twice, also in ${where}. Keep one of them.`);
      return;
    }
    const line = file.lineOf(path);
    const taken: GivenValue[] = [];
    readValue(this.keys, { key, value, file: file.file, ...(line !== undefined && { line }) }, this.problems, taken);
    for (const given of taken) this.given.set(key, given);
  }

  private takePython(file: YamlFile, key: string, path: string, name: string, known: readonly string[]): void {
    if (known.includes(name))
      this.warn(file, key, path, 'Only the Python program of DP3 uses this key; it has no effect here.');
    else {
      const allowed = known.length === 0 ? ' No key is known here.' : ` Known here are ${known.join(', ')}.`;
      this.error(file, key, path, `This key is not known.${suggestion(name, known) || allowed}`);
    }
  }

  private error(file: YamlFile, key: string, path: string, sentence: string): void {
    this.add('error', file, key, path, sentence);
  }

  private warn(file: YamlFile, key: string, path: string, sentence: string): void {
    this.add('warning', file, key, path, sentence);
  }

  private add(severity: Problem['severity'], file: YamlFile, key: string, path: string, sentence: string): void {
    const line = path === '' ? undefined : file.lineOf(path);
    this.problems.push({ severity, file: file.file, key, sentence, ...(line !== undefined && { line }) });
  }
}
