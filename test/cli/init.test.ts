import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../support/folder.js';
import { dp3, ROOT } from './program.js';

/** What `npm install` makes of the packages that the application names; those of this checkout. */
function install(app: string): void {
  const modules = join(app, 'node_modules');
  for (const folder of ['@types', '.bin']) mkdirSync(join(modules, folder), { recursive: true });
  symlinkSync(ROOT, join(modules, 'dp3-cluster'));
  for (const name of ['typescript', '@types/node', 'undici-types']) {
    if (existsSync(join(ROOT, 'node_modules', name)))
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  symlinkSync(join(ROOT, 'dist', 'bin', 'dp3-cluster.js'), join(modules, '.bin', 'dp3-cluster'));
  symlinkSync(join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), join(modules, '.bin', 'tsc'));
}

describe('init', () => {
  it('makes an application that passes its tests and its check at once, and says what to type next', async () => {
    const parent = makeFolder({});
    const app = join(parent, 'my-profiles');
    const { code, stdout, stderr } = await dp3(['init', 'my-profiles'], { cwd: parent });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/cd my-profiles\n {2}npm install\n {2}npm test\n {2}npx dp3-cluster start\n\n/);
    expect(stdout).toMatch(/send points\.jsonl\n {2}npx dp3-cluster get host 192\.0\.2\.1\n$/);
    expect(readFileSync(join(app, 'config', 'default.yml'), 'utf8')).toContain('app: my-profiles');
    const made = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'));
    expect(made).toMatchObject({
      name: 'my-profiles',
      dependencies: { 'dp3-cluster': expect.stringMatching(/^file:/) },
    });
    expect(readdirSync(app)).toContain('.gitignore');

    install(app);
    const tested = await promisify(execFile)('npm', ['test'], { cwd: app });
    expect(tested.stdout).toMatch(/# pass 2\n# fail 0/);
    const checked = await dp3(['check', '--json'], { cwd: app });
    expect([checked.code, checked.stderr]).toEqual([0, '']);
  });

  it('makes the same whatever the environment is', async () => {
    const parent = makeFolder({});
    const environment = { NODE_ENV: 'production', DP3_PROCESSING_CORE_WORKER_THREADS: 'none' };
    expect(await dp3(['init', 'app'], { cwd: parent, environment })).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(parent, 'app', 'dp3-model.d.ts'))).toBe(true);
  });

  it('touches no folder that holds something, except what git keeps there', async () => {
    const parent = makeFolder({ 'used/mine.txt': 'mine', 'cloned/.git/HEAD': 'ref' });
    const used = await dp3(['init', 'used'], { cwd: parent });
    expect([used.code, used.stderr]).toEqual([2, expect.stringMatching(/used is not empty \(it holds mine\.txt\)/)]);
    expect(readdirSync(join(parent, 'used'))).toEqual(['mine.txt']);
    const cloned = await dp3(['init', 'cloned', '--name', 'other', '--package', '^9', '--json'], { cwd: parent });
    expect(JSON.parse(cloned.stdout)).toMatchObject({ folder: join(parent, 'cloned'), name: 'other' });
    const { name, dependencies } = JSON.parse(readFileSync(join(parent, 'cloned', 'package.json'), 'utf8'));
    expect([name, dependencies]).toEqual(['other', { 'dp3-cluster': '^9' }]);
  });

  it('refuses a name that can not stand in the names of queues and schemas', async () => {
    const parent = makeFolder({});
    for (const args of [
      ['init', '9lives'],
      ['init', 'fine', '--name', 'not fine'],
    ]) {
      expect(await dp3(args, { cwd: parent })).toMatchObject({ code: 2, stderr: expect.stringContaining('--name') });
    }
    expect(readdirSync(parent)).not.toContain('fine');
  });
});
