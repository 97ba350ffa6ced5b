/**
 * Loader: finds the files of the enabled modules and imports them. All are tried, so that one run reports every mistake.
 *
 * A module is `<modules_dir>/<name>` with .js, .mjs, .ts or .mts, the compiled file first; TypeScript is loaded as it is
 * (typescript.ts). A file can also end the process while it is imported: whoever owns the process is told which one is.
 */
import { access, readdir, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Problem, problemsOf } from '../model/problem.js';
import { describe } from '../model/value-error.js';
import { Deadline } from '../runtime/deadline.js';
import { messageOf } from '../runtime/errors.js';
import { suggestion } from '../runtime/nearest.js';
import { isModule, type Module } from './define.js';
import { freezeDeep } from './entity-record.js';
import type { ModuleConfig } from './types.js';
import { loadTypeScript } from './typescript.js';

export interface LoaderOptions {
  /** The configuration folder; a relative `modulesDir` is seen from it. */
  readonly configDir: string;
  readonly modulesDir: string;
  /** In the order in which their hooks are called. */
  readonly enabled: readonly string[];
  /** The configuration of a module (`modules/<name>.yml`) as plain data, dictionaries as Map or object; undefined where there is none. */
  readonly configOf: (name: string) => unknown;
  /** How long the import of one file may take: an `await` at its top may never end. */
  readonly limitMs: number;
  /** Told of each file before it is imported; what it returns is called afterwards, unless the file has ended the process. */
  readonly importing?: (file: string) => () => void;
}

/** A module whose file could be imported and exports a module; its hooks are not checked yet. */
export interface LoadedModule {
  readonly name: string;
  readonly file: string;
  readonly module: Module;
  readonly config: ModuleConfig;
}

/** A thousand times that of a large module. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

const COMPILED = ['.js', '.mjs'] as const;
const SOURCES = ['.ts', '.mts'] as const;
const EXTENSIONS = [...COMPILED, ...SOURCES] as const;

/** Imports the enabled modules; those that cannot be are left out and stand among the problems. Never throws. */
export async function loadModules(options: LoaderOptions): Promise<{ modules: LoadedModule[]; problems: Problem[] }> {
  const { configDir, modulesDir, enabled, configOf, importing = () => () => {} } = options;
  const folder = resolve(configDir, modulesDir);
  const modules: LoadedModule[] = [];
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const name of enabled) {
    const listed = problemsOf('processing_core.enabled_modules', problems);
    if (!/^[a-zA-Z_][a-zA-Z0-9_-]*$/.test(name)) {
      listed.error(
        '',
        `${describe(name)} is no name of a module: letters, digits, _ and - are allowed, beginning with a letter or _.`,
      );
      continue;
    }
    if (seen.has(name)) {
      listed.error('', `The module ${name} is listed twice.`);
      continue;
    }
    seen.add(name);
    const file = await findFile(folder, name);
    if (file === null) {
      const missing = `there is no ${name}.js, .mjs, .ts or .mts in ${folder}.`;
      // A folder of DP3 is readable as it is: its modules are left out, and that is said at each start.
      if (await exists(join(folder, `${name}.py`))) {
        listed.warning(
          '',
          `Module ${name}: ${missing} ${name}.py is a module of DP3 in Python, which does not run here.`,
        );
      } else listed.error('', `Module ${name}: ${missing}${await nearestFile(folder, name)}`);
      continue;
    }
    const refusal = await refusalOf(file);
    if (refusal !== null) {
      problemsOf(file, problems).error('', `Module ${name}: The file cannot be imported: ${refusal}.`);
      continue;
    }
    const older = await olderThan(file, folder, name);
    if (older !== null) problemsOf(file, problems).warning('', `Module ${name}: ${older}`);
    const imported = importing(file);
    const found = await importModule(file, options.limitMs);
    imported();
    if (isModule(found)) modules.push({ name, file, module: found, config: plainConfig(configOf(name)) });
    else problemsOf(file, problems).error('', `Module ${name}: ${found}`);
  }
  return { modules, problems };
}

/** File names of those of the enabled modules that are loaded from TypeScript. */
export async function typeScriptFiles({
  configDir,
  modulesDir,
  enabled,
}: Pick<LoaderOptions, 'configDir' | 'modulesDir' | 'enabled'>): Promise<string[]> {
  const files = await Promise.all(enabled.map((name) => findFile(resolve(configDir, modulesDir), name)));
  return files.filter((file) => file !== null && isSource(file)).map((file) => basename(file ?? ''));
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function findFile(folder: string, name: string): Promise<string | null> {
  for (const extension of EXTENSIONS) {
    const file = join(folder, `${name}${extension}`);
    if (await exists(file)) return file;
  }
  return null;
}

/** Why a file is not even opened: a pipe would be waited for, a device has no end. */
async function refusalOf(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  if (found === null) return null;
  if (!found.isFile()) return found.isDirectory() ? 'it is a folder' : 'it is no regular file';
  return found.size > MAX_FILE_BYTES ? `it has ${found.size} bytes, allowed are at most ${MAX_FILE_BYTES}` : null;
}

/** A compiled file that is older than its source is most likely forgotten. */
async function olderThan(file: string, folder: string, name: string): Promise<string | null> {
  if (isSource(file)) return null;
  for (const extension of SOURCES) {
    const source = join(folder, `${name}${extension}`);
    const [compiledAt, writtenAt] = await Promise.all([file, source].map((each) => stat(each).catch(() => null)));
    if (!compiledAt || !writtenAt || compiledAt.mtimeMs >= writtenAt.mtimeMs) continue;
    return `It is loaded although ${basename(source)} beside it is newer. Compile that again, or remove this file: TypeScript is loaded as it is.`;
  }
  return null;
}

function isSource(file: string): boolean {
  return (SOURCES as readonly string[]).includes(extname(file));
}

async function nearestFile(folder: string, name: string): Promise<string> {
  try {
    const files = await readdir(folder);
    const names = files.filter((file) => /\.m?[jt]s$/.test(file) && !/\.d\.m?ts$/.test(file));
    return suggestion(
      name,
      names.map((file) => file.replace(/\.\w+$/, '')),
    );
  } catch (error) {
    return ` The folder cannot be read: ${messageOf(error)}.`;
  }
}

/** The module that a file exports, or a sentence why there is none. */
async function importModule(file: string, limitMs: number): Promise<Module | string> {
  let exported: unknown;
  try {
    if (isSource(file)) loadTypeScript();
    const imported: Promise<unknown> = import(pathToFileURL(file).href);
    if (!(await Deadline.in(limitMs).allows(imported))) {
      return `The file was not imported within ${limitMs} ms (hook_timeout): it waits for something at its top.`;
    }
    exported = await imported;
  } catch (error) {
    return whyNotImported(file, error);
  }
  const found =
    typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : undefined;
  if (isModule(found)) return found;
  // A CommonJS build of an ES module has its default export one level deeper.
  const inner = typeof found === 'object' && found !== null && 'default' in found ? found.default : undefined;
  if (isModule(inner)) return inner;
  if (found === undefined) return `The file has no default export; export default defineModule({...}) is needed.`;
  return 'The default export did not come from defineModule (or from that of another version of this package).';
}

function whyNotImported(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const why = `The file cannot be imported: ${messageOf(error)}`;
  if (code === 'ERR_MODULE_NOT_FOUND' && why.includes("package 'dp3-cluster'")) {
    return `${why}. It must be installed in the folder of the modules or above it: npm install dp3-cluster`;
  }
  if (code === 'ERR_MODULE_NOT_FOUND' && isSource(file) && /\.m?js' imported from/.test(why)) {
    return `${why}. TypeScript is loaded as it is: import a file by its real name, such as './score.ts'.`;
  }
  if (!(error instanceof SyntaxError)) return why;
  if (/import statement outside a module|Unexpected token 'export'/.test(error.message)) {
    const name = isSource(file) ? '.mts' : '.mjs';
    return `${why}. Node.js took it for CommonJS: name it ${name}, or put a package.json with "type": "module" beside it.`;
  }
  if (isSource(file) && /does not provide an export named/.test(error.message)) {
    return `${why}. If that is a type, import it as one: import type { ... } or import { type ... }.`;
  }
  return why;
}

/** Plain, deeply frozen data; dictionaries have no prototype. */
function plainConfig(config: unknown): ModuleConfig {
  const plain = plainOf(config ?? {});
  const isObject = typeof plain === 'object' && plain !== null && !Array.isArray(plain);
  return freezeDeep(isObject ? (plain as ModuleConfig) : Object.assign(Object.create(null), { value: plain }));
}

function plainOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== 'object' || value === null) return value;
  const entries: Iterable<readonly [unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, item] of entries) plain[String(key)] = plainOf(item);
  return plain;
}
