/**
 * `init`: a new application in a folder of its own: configuration, an entity type, a module in TypeScript with its test. What it consists of
 * stands in template/, as it is written into the folder; only its name and the versions of packages are filled in.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireConfiguration } from '../../config/load.js';
import { modelDeclaration } from '../../hooks/model-declaration.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { Run } from '../command.js';
import { typesFileOf } from '../types-file.js';

/** Names of applications: they stand in names of queues, schemas and files. */
const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
/** What stands for the name in the files. */
const PLACEHOLDER = 'NAME';
const FILLED = ['package.json', 'README.md', 'ecosystem.config.js', 'config/default.yml', 'config/production.yml'];

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
  refuseUsed(folder);
  const root = packageRoot();
  try {
    cpSync(join(root, 'template'), folder, { recursive: true });
    renameSync(join(folder, 'gitignore'), join(folder, '.gitignore'));
    for (const file of FILLED) fill(join(folder, file), name);
    addPackages(join(folder, 'package.json'), root, option('package') ?? specifierOf(root, folder));
  } catch (error) {
    throw new Error(`${folder} can not be filled: ${messageOf(error)}`, { cause: error });
  }
  const { configuration, spec } = requireConfiguration({ dir: join(folder, 'config') });
  writeFileSync(typesFileOf(configuration), modelDeclaration(spec));
  const place = relative(process.cwd(), folder) || '.';
  const next = [...(place === '.' ? [] : [`cd ${place}`]), 'npm install', 'npm test', 'npx dp3-cluster start'];
  if (has('json')) await output.json({ folder, name, next });
  else
    for (const line of [`The application ${name} stands in ${folder}. Next:`, '', ...next.map((each) => `  ${each}`)])
      await output.line(line);
  return 0;
};

/** A folder that is being cloned or mounted may hold hidden files. */
function refuseUsed(folder: string): void {
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    return;
  }
  const [first] = readdirSync(folder).filter((name) => !name.startsWith('.git'));
  if (first === undefined) return;
  throw new ApplicationError('USAGE', `${folder} is not empty (it holds ${first}); name a new folder`);
}

function fill(file: string, name: string): void {
  if (existsSync(file)) writeFileSync(file, readFileSync(file, 'utf8').replaceAll(PLACEHOLDER, name));
}

function addPackages(file: string, root: string, specifier: string): void {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
  const { typescript = 'latest', '@types/node': types = 'latest' } = own.devDependencies ?? {};
  const made = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const packages = {
    ...made,
    dependencies: { 'dp3-cluster': specifier },
    devDependencies: { '@types/node': types, typescript },
  };
  writeFileSync(file, `${JSON.stringify(packages, null, 2)}\n`);
}

/** Out of a checkout this very program is used, else the version that runs. */
function specifierOf(root: string, folder: string): string {
  if (!root.split(sep).includes('node_modules')) return `file:${relative(folder, root).split(sep).join('/')}`;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
  return `^${version}`;
}

/** The folder of this package: the nearest one above that has the template. */
function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'template', 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error('the template of the package is missing');
  }
}
