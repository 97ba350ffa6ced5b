/**
 * `init`: a new application in a folder of its own: configuration, an entity type, a module in TypeScript with its test. What it consists of
 * stands in template/, as it is written into the folder; only its name, the date of its data and the packages are filled in.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireConfiguration } from '../../config/load.js';
import { modelDeclaration } from '../../hooks/model-declaration.js';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { READABLE_FILE, READABLE_FOLDER } from '../../runtime/own-files.js';
import { printable } from '../../runtime/printable.js';
import type { Invocation, Run } from '../command.js';
import { fillFromSample, layOver, type Sampled, type SampleRequest, sampled } from '../init/from-sample.js';
import { typesFileOf } from '../types-file.js';

/** Names of applications: they stand in names of queues, schemas and files. */
const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
/** Files in which NAME stands for the name. */
const NAMED = ['package.json', 'README.md', 'ecosystem.config.js', 'config/default.yml'];
/** Data-points of TODAY: old ones would be history that is removed soon. */
const POINTS = 'points.jsonl';

interface PackageFile {
  readonly version: string;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export const run: Run = async ({ args, option, has, output }) => {
  const folder = resolve(args[0] ?? '.');
  const name = option('name') ?? basename(folder).toLowerCase();
  if (!NAME.test(name)) {
    const allowed = 'small letters, digits, _ and -, beginning with a letter, at most 63 characters';
    throw new ApplicationError('USAGE', `the name of the application: given ${name}, allowed are ${allowed} (--name)`);
  }
  const sample = option('from');
  refuseMeaningless(sample, option);
  const from = sample === undefined ? null : await sampled(requestOf(sample, option));
  refuseUsed(folder);
  const root = packageRoot();
  let remarks: readonly string[] = [];
  try {
    cpSync(join(root, 'template'), folder, { recursive: true });
    renameSync(join(folder, 'gitignore'), join(folder, '.gitignore'));
    fill(join(folder, POINTS), 'TODAY', new Date(systemClock.now()).toISOString().slice(0, 10));
    if (from !== null) layOver(folder, join(root, 'template-from-sample'));
    for (const file of NAMED) fill(join(folder, file), 'NAME', name);
    if (from !== null) remarks = await fillFromSample(folder, from);
    addPackages(join(folder, 'package.json'), root, option('package') ?? specifierOf(root, folder));
  } catch (error) {
    if (error instanceof ApplicationError) throw error;
    throw new Error(`${folder} cannot be filled: ${messageOf(error)}`, { cause: error });
  }
  const { configuration, spec } = requireConfiguration({ dir: join(folder, 'config'), env: 'development' }, {});
  writeFileSync(typesFileOf(configuration), modelDeclaration(spec), { mode: READABLE_FILE });
  const place = relative(process.cwd(), folder) || '.';
  const next = [...(place === '.' ? [] : [`cd ${place}`]), 'npm install', 'npm test', 'npx dp3-cluster start'];
  const then = [`npx dp3-cluster send ${POINTS}`, `npx dp3-cluster ${firstLook(from)}`];
  if (has('json')) {
    await output.json({ folder, name, next: [...next, ...then], ...(from !== null && { remarks }) });
    return 0;
  }
  for (const remark of remarks) await output.line(remark);
  const lines = (commands: readonly string[]) => commands.map((command) => `  ${printable(command)}`);
  await output.page(
    [`The application ${name} stands in ${printable(folder)}. Next:`, '', ...lines(next), ''].join('\n'),
  );
  await output.page(['and, while that runs, in a second terminal there:', '', ...lines(then)].join('\n'));
  return 0;
};

/** What to say of the first record. */
function firstLook(from: Sampled | null): string {
  if (from === null) return 'get host 192.0.2.1';
  return `list ${from.proposal.entities[0]?.id ?? ''}`;
}

function refuseMeaningless(sample: string | undefined, option: Invocation['option']): void {
  const other = ['type', 'id'].find((name) => option(name) !== undefined);
  if (sample === undefined && other !== undefined)
    throw new ApplicationError('USAGE', `--${other} says something of a sample: name one with --from`);
}

function requestOf(file: string, option: Invocation['option']): SampleRequest {
  const [type, id] = [option('type'), option('id')];
  return { file, ...(type !== undefined && { type }), ...(id !== undefined && { id }) };
}

/** A folder that is being cloned or mounted may hold hidden files. */
function refuseUsed(folder: string): void {
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true, mode: READABLE_FOLDER });
    return;
  }
  const [first] = readdirSync(folder).filter((name) => !name.startsWith('.git'));
  if (first === undefined) return;
  throw new ApplicationError('USAGE', `${folder} is not empty (it holds ${first}); name a new folder`);
}

function fill(file: string, placeholder: string, text: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(placeholder, text));
}

function addPackages(file: string, root: string, specifier: string): void {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
  const { typescript = 'latest', '@types/node': types = 'latest' } = own.devDependencies ?? {};
  const { allowScripts, ...made } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  // npm warns of every script of a package that is not allowed; a checkout builds itself when it has changed.
  const isCheckout = specifier.startsWith('file:') && !specifier.endsWith('.tgz');
  const packages = {
    ...made,
    allowScripts: { ...(allowScripts as object), ...(isCheckout && { [specifier]: true }) },
    dependencies: { 'dp3-cluster': specifier },
    devDependencies: { '@types/node': types, typescript },
  };
  writeFileSync(file, `${JSON.stringify(packages, null, 2)}\n`);
}

/**
 * Where the application gets this package from, so that its `npm install` finds the one that made it: a checkout, the packed file that
 * it was installed from, or the registry.
 */
function specifierOf(root: string, folder: string): string {
  const modules = dirname(root);
  if (basename(modules) !== 'node_modules') return fileFrom(folder, root);
  const packed = packedFile(modules);
  if (packed !== null) return fileFrom(folder, packed);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
  return `^${version}`;
}

function fileFrom(folder: string, path: string): string {
  return `file:${relative(folder, path).split(sep).join('/')}`;
}

/** What npm has noted of its installations beside them; null where it says nothing of a file, or another program installs. */
function packedFile(modules: string): string | null {
  try {
    const noted = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')) as {
      readonly packages?: Readonly<Record<string, { readonly resolved?: string }>>;
    };
    const resolved = noted.packages?.['node_modules/dp3-cluster']?.resolved ?? '';
    return resolved.startsWith('file:') ? resolve(dirname(modules), resolved.slice('file:'.length)) : null;
  } catch {
    return null;
  }
}

/** The folder of this package: the nearest one above that has the template. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'template', 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error('the template of the package is missing');
  }
}
