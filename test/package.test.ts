import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'dp3-package-'));
/** The application of a user, who has installed the package. */
const app = join(folder, 'app');
const installed = join(app, 'node_modules', 'dp3-cluster');

/** Runs a program as a user would: without what npm tells its scripts, and with an npm cache of its own. */
async function run(command: string, args: readonly string[], cwd = app): Promise<string> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|TEST$|DP3_)/i.test(name));
  const env = { ...Object.fromEntries(inherited), npm_config_cache: join(folder, 'cache'), npm_config_offline: 'true' };
  const { stdout } = await promisify(execFile)(command, args, { cwd, env, encoding: 'utf8' });
  return stdout;
}

const write = (name: string, text: string) => writeFileSync(join(app, name), text);

/** Puts the packed package where npm would, beside what it depends on and nothing else. */
beforeAll(async () => {
  await run(process.execPath, [join(root, 'scripts/build.js'), '--unless-fresh'], root);
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], root);
  mkdirSync(installed, { recursive: true });
  const archive = join(folder, `dp3-cluster-${manifest.version}.tgz`);
  await run('tar', ['-xzf', archive, '--strip-components=1'], installed);
  // The types of Node.js are what a user of TypeScript has anyway.
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
  }
  mkdirSync(join(app, 'node_modules', '.bin'));
  symlinkSync(`../dp3-cluster/${manifest.bin['dp3-cluster']}`, join(app, 'node_modules', '.bin', 'dp3-cluster'));
  write('package.json', '{ "name": "an-app", "private": true, "type": "module" }');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the package holds the program, its documents and nothing else', () => {
  const files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1));
  expect(files).toEqual(
    expect.arrayContaining([
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'ecosystem.config.js',
      'config/default.yml',
      'docs/configuration.md',
      'dist/package.json',
      'dist/bin/dp3-cluster.js',
      'dist/bin/worker.js',
      'dist/lib/index.d.ts',
    ]),
  );
  expect(
    files.filter((file) =>
      /^(test|lib|bin|bench|services|scripts|data|dist\/(test|bench|demo|services|scripts))\/|^examples\/[^/]+\/data\/|\.map$/.test(
        file,
      ),
    ),
  ).toEqual([]);
  expect(files).not.toContain('dist/.built');
  const types = files.filter((file) => file.endsWith('.d.ts'));
  expect(
    types.filter((file) => /^dist\/lib\/(queue|store|embedded|worker|primary|commit|lanes|cli)\//.test(file)),
  ).toEqual([]);
  expect(types.length).toBeLessThan(60);
});

test('the installed command runs, with everything it needs among its dependencies', async () => {
  expect(await run('npx', ['dp3-cluster', '--help'])).toContain('Usage: npx dp3-cluster');
  const config = join(installed, 'config');
  const routed = await run('npx', ['dp3-cluster', 'route', 'ip', '192.0.2.1', '--json', '--config', config]);
  expect(JSON.parse(routed)).toMatchObject({ eid: '192.0.2.1' });
});

test('the command in the archive can be executed as it is', () => {
  expect(statSync(join(installed, manifest.bin['dp3-cluster'])).mode & 0o111).toBe(0o111);
});

test('the entry exports what module authors need, and nothing behind it can be reached', async () => {
  write(
    'consumer.js',
    `import { defineModule } from 'dp3-cluster';
     const inside = await import('dp3-cluster/dist/lib/hooks/define.js').catch((error) => error.code);
     console.log(JSON.stringify([typeof defineModule({}), inside]));`,
  );
  expect(JSON.parse(await run(process.execPath, ['consumer.js']))).toEqual(['object', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);
});

const compile = (file: string) => {
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', file];
  return run(process.execPath, [join(typescript, 'bin', 'tsc'), ...options]).catch(
    (error: { stdout: string }) => error.stdout,
  );
};

test('a module in TypeScript compiles against the types of the package', async () => {
  write(
    'good.ts',
    `import { defineModule, type Task } from 'dp3-cluster';
     export default defineModule({
       onTaskStart: (task: Task, { log }) => log.info('started', { key: task.key }),
       allowEntityCreation: { ip: (eid) => eid !== '0.0.0.0' },
       onNewPlain: { ip: { hostname: async (eid, point, { task }) => [task('host', String(point.v), [])] } },
     });`,
  );
  expect(await compile('good.ts')).toBe('');
});

test('a misspelt hook does not compile', async () => {
  write('bad.ts', `import { defineModule } from 'dp3-cluster';\nexport default defineModule({ onTaskBegin() {} });`);
  expect(await compile('bad.ts')).toContain("'onTaskBegin' does not exist");
});

test('npx runs the program in its own checkout', { timeout: 60_000 }, async () => {
  expect(await run('npx', ['dp3-cluster', '--version'], root)).toBe(`${manifest.version}\n`);
});

test('the lock file names no address, and no dependency comes from elsewhere', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  expect(lock).not.toMatch(/"resolved"|https?:\/\/(?!.*("funding"|"url"))[^"]*\.tgz/);
  expect(JSON.stringify({ ...manifest.dependencies, ...manifest.devDependencies })).not.toMatch(/[:/]{2}|file:|git/);
});

test('nothing that only development needs is a dependency, and pm2 is neither', () => {
  expect(Object.keys(manifest.dependencies)).not.toEqual(expect.arrayContaining(['typescript']));
  expect(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })).not.toContain('pm2');
});
