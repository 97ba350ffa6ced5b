import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LoaderOptions, loadModules } from '../../lib/hooks/loader.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folders: string[] = [];
let configDir = '';

beforeAll(() => {
  // Modules import the compiled package, as those of users do.
  if (existsSync(join(root, 'dist', 'lib', 'index.js'))) return;
  expect(spawnSync(process.execPath, [join(root, 'scripts', 'build.js')]).status).toBe(0);
});

beforeEach(async () => {
  configDir = await mkdtemp(join(tmpdir(), 'dp3-modules-'));
  folders.push(configDir);
  await mkdir(join(configDir, 'modules'));
  await mkdir(join(configDir, 'node_modules'));
  await symlink(root, join(configDir, 'node_modules', 'dp3-cluster'));
});

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

const GOOD = "import { defineModule } from 'dp3-cluster';\nexport default defineModule({ onTaskStart() {} });\n";

async function write(name: string, text: string): Promise<string> {
  const file = join(configDir, 'modules', name);
  await writeFile(file, text);
  return file;
}

function load(enabled: string[], options: Partial<LoaderOptions> = {}) {
  return loadModules({
    configDir,
    modulesDir: 'modules',
    enabled,
    configOf: () => undefined,
    limitMs: 30_000,
    ...options,
  });
}

async function sentenceFor(enabled: string[], options: Partial<LoaderOptions> = {}): Promise<string> {
  const { modules, problems } = await load(enabled, options);
  expect(modules).toEqual([]);
  expect(problems).toHaveLength(1);
  return `${problems[0]?.file}: ${problems[0]?.sentence}`;
}

describe('loading modules', () => {
  it('leaves out a module of DP3 in Python with a warning', async () => {
    await write('old.py', 'class Old: pass\n');
    const { modules, problems } = await load(['old']);
    expect(modules).toEqual([]);
    expect(problems).toMatchObject([
      { severity: 'warning', sentence: expect.stringContaining('old.py is a module of DP3 in Python') },
    ]);
  });

  it('imports them in the order in which they are enabled, by a path seen from the configuration folder', async () => {
    await write('one.mjs', GOOD);
    await write('two.mjs', GOOD);
    const { modules, problems } = await load(['two', 'one']);
    expect(problems).toEqual([]);
    expect(modules.map(({ name, file }) => [name, file])).toEqual([
      ['two', join(configDir, 'modules', 'two.mjs')],
      ['one', join(configDir, 'modules', 'one.mjs')],
    ]);
    expect(Object.keys(modules[0]?.module.definition ?? {})).toEqual(['onTaskStart']);
  });

  it('takes an absolute folder, and .js beside a package.json that says module', async () => {
    await write('package.json', '{ "type": "module" }');
    await write('one.js', GOOD);
    const { modules } = await load(['one'], { modulesDir: join(configDir, 'modules') });
    expect(modules).toHaveLength(1);
  });

  it('takes a default export compiled to CommonJS', async () => {
    await write('one.js', "exports.default = require('dp3-cluster').defineModule({});\n");
    expect((await load(['one'])).modules).toHaveLength(1);
  });

  it('hands in the configuration as frozen plain data, however deep, traps included', async () => {
    await write('one.mjs', GOOD);
    const config = new Map<string, unknown>([
      ['limits', new Map<string, unknown>([['ports', [1, { two: 2 }]]])],
      ['__proto__', { polluted: true }],
    ]);
    const { modules } = await load(['one'], { configOf: (name) => (name === 'one' ? config : undefined) });
    const given = modules[0]?.config ?? {};
    expect(Object.getPrototypeOf(given)).toBeNull();
    expect(JSON.stringify(given)).toBe('{"limits":{"ports":[1,{"two":2}]},"__proto__":{"polluted":true}}');
    const { ports } = given['limits'] as { ports: unknown[] };
    expect(() => ports.push(1)).toThrow(TypeError);
    expect(Object.isFrozen(ports[1])).toBe(true);
  });

  it('gives an empty configuration where there is none', async () => {
    await write('one.mjs', GOOD);
    expect((await load(['one'])).modules[0]?.config).toEqual({});
  });

  it('names the nearest file where there is none of the name', async () => {
    await write('reputation.mjs', GOOD);
    expect(await sentenceFor(['reputatoin'])).toMatch(
      /enabled_modules: Module reputatoin: .*Did you mean "reputation"/,
    );
  });

  it('says that the folder cannot be read', async () => {
    expect(await sentenceFor(['one'], { modulesDir: 'nowhere' })).toMatch(/folder cannot be read: ENOENT/);
  });

  it('refuses a module that is listed twice', async () => {
    await write('one.mjs', GOOD);
    const { modules, problems } = await load(['one', 'one']);
    expect(modules).toHaveLength(1);
    expect(problems[0]?.sentence).toBe('The module one is listed twice.');
  });

  it.each(['../one', '', 'a b', '1st', 'one.mjs', '/etc/passwd'])('refuses %j as a name', async (name) => {
    expect(await sentenceFor([name])).toMatch(/is no name of a module/);
  });

  it('names the file that throws while it is imported', async () => {
    const file = await write('one.mjs', "throw new Error('no such device');\n");
    expect(await sentenceFor(['one'])).toBe(`${file}: Module one: The file cannot be imported: no such device`);
  });

  it('names the file that imports what does not exist', async () => {
    await write('one.mjs', "import 'no-such-package';\n");
    expect(await sentenceFor(['one'])).toMatch(/one\.mjs: .*no-such-package/);
  });

  it('says what to install where this package is not found', async () => {
    await rm(join(configDir, 'node_modules'), { recursive: true });
    await write('one.mjs', GOOD);
    expect(await sentenceFor(['one'])).toMatch(/npm install dp3-cluster/);
  });

  it('loads the modules of the examples as they are', async () => {
    // From inside this repository only Node.js itself finds this package, so it is asked to.
    const script = `
      import { readdirSync } from 'node:fs';
      import { loadModules } from ${JSON.stringify(join(root, 'dist/lib/hooks/loader.js'))};
      const folder = ${JSON.stringify(join(root, 'examples/honeypot/modules'))};
      const enabled = readdirSync(folder).map((file) => file.replace(/\\.\\w+$/, ''));
      const { modules, problems } = await loadModules({ configDir: folder, modulesDir: '.', enabled, configOf: () => undefined, limitMs: 30_000 });
      console.log(JSON.stringify([modules.length, enabled.length, problems]));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(run.stdout.trim()).toBe('[2,2,[]]');
  });

  it('gives up a file that waits forever at its top', async () => {
    await write('one.mjs', 'await new Promise(() => {});\nexport default {};\n');
    expect(await sentenceFor(['one'], { limitMs: 50 })).toMatch(
      /one\.mjs: Module one: The file was not imported within 50 ms/,
    );
  });

  it('does not open what is no regular file, or of a gigabyte', async () => {
    const at = (name: string) => join(configDir, 'modules', name);
    expect(spawnSync('mkfifo', [at('pipe.mjs')]).status).toBe(0);
    await symlink('/dev/zero', at('device.ts'));
    await mkdir(at('folder.js'));
    await write('large.mjs', '');
    await truncate(at('large.mjs'), 2 ** 30);
    for (const [name, file, why] of [
      ['pipe', 'pipe.mjs', 'it is no regular file'],
      ['device', 'device.ts', 'it is no regular file'],
      ['folder', 'folder.js', 'it is a folder'],
      ['large', 'large.mjs', 'it has 1073741824 bytes, allowed are at most 67108864'],
    ] as const) {
      expect(await sentenceFor([name])).toBe(`${at(file)}: Module ${name}: The file cannot be imported: ${why}.`);
    }
  });

  it('names the file that is no JavaScript', async () => {
    await write('one.mjs', 'export default {{{\n');
    expect(await sentenceFor(['one'])).toMatch(/one\.mjs: Module one: The file cannot be imported/);
  });

  it('says what to do where Node.js takes an ES module for CommonJS', async () => {
    await write('one.js', GOOD);
    const script = `
      import { loadModules } from ${JSON.stringify(join(root, 'dist/lib/hooks/loader.js'))};
      const options = { configDir: ${JSON.stringify(configDir)}, modulesDir: 'modules', enabled: ['one'], configOf: () => undefined, limitMs: 30_000 };
      console.log((await loadModules(options)).problems[0]?.sentence ?? 'loaded');`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    // Newer versions of Node.js find out by themselves.
    expect(run.stdout).toMatch(/name it \.mjs, or put a package\.json|^loaded/);
  });

  it.each([
    ['without a default export', 'export const a = 1;\n', /no default export/],
    ['with a bare object', 'export default { onTaskStart() {} };\n', /did not come from defineModule/],
    ['with a function', 'export default () => {};\n', /did not come from defineModule/],
    [
      'made by another form of the package',
      "export default { [Symbol.for('dp3-cluster.module')]: 99, definition: {} };\n",
      /another version/,
    ],
  ])('refuses a file %s', async (_, text, sentence) => {
    await write('one.mjs', text);
    expect(await sentenceFor(['one'])).toMatch(sentence);
  });

  it('prefers the compiled file to its source, and warns when it is the older one', async () => {
    const source = await write('one.ts', 'not even TypeScript');
    const file = await write('one.mjs', GOOD);
    await utimes(source, 1_000, 1_000);
    expect(await load(['one'])).toMatchObject({ modules: [{ file }], problems: [] });
    await utimes(file, 999, 999);
    expect(await load(['one'])).toMatchObject({
      modules: [{ file }],
      problems: [{ severity: 'warning', file, sentence: expect.stringContaining('one.ts beside it is newer') }],
    });
  });

  it('tells of each file before and after its import', async () => {
    const one = await write('one.mjs', GOOD);
    const two = await write('two.mjs', "throw new Error('no');\n");
    const told: string[] = [];
    await load(['one', 'two'], {
      importing: (file) => {
        told.push(`begins ${file}`);
        return () => void told.push(`ended ${file}`);
      },
    });
    expect(told).toEqual([`begins ${one}`, `ended ${one}`, `begins ${two}`, `ended ${two}`]);
  });

  it('reports every module that cannot be loaded and loads the others', async () => {
    await write('one.mjs', GOOD);
    await write('two.mjs', 'export const a = 1;\n');
    const { modules, problems } = await load(['nowhere', 'two', 'one']);
    expect(modules.map(({ name }) => name)).toEqual(['one']);
    expect(problems).toHaveLength(2);
  });
});
