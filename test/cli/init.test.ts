import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../support/folder.js';
import { Person } from '../support/person.js';
import { dp3 } from './program.js';

describe('init', () => {
  it('makes an application with the name of its folder, and says what to type next', async () => {
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
    const times = readFileSync(join(app, 'points.jsonl'), 'utf8').matchAll(/"t1":"([^"]+)"/g);
    const agesHours = Array.from(times, ([, time = '']) => (Date.now() - Date.parse(time)) / 3_600_000);
    expect([agesHours.length, agesHours.every((hours) => hours < 25)]).toEqual([4, true]);
  });

  it('says what to type next, and each line of it does what it should', async () => {
    const { folder, next } = JSON.parse((await dp3(['init', 'app', '--json'], { cwd: makeFolder() })).stdout);
    const [enter, install, test, start, send, get, ...more] = next as string[];
    expect([enter, more]).toEqual(['cd app', []]);
    const person = new Person(folder);
    const installed = await person.types(`${install}`);
    expect(installed).toMatchObject({ stdout: expect.stringMatching(/^\nadded \d+ packages/), stderr: '' });
    expect((await person.types(`${test}`)).stdout).toMatch(/# pass 2\n# fail 0/);
    expect((await person.types('npx dp3-cluster check')).stderr).toBe('0 errors, 0 warnings\n');

    const program = person.starts(`${start}`);
    await program.prints(/(worker ready.*){2}/s);
    expect((await person.types(`${send}`)).stdout).toMatch(/^5 data-points sent in \d tasks?, none rejected/);
    let shown = await person.tries(`${get}`);
    while (!/^suspicious +plain +true/m.test(shown.stdout)) shown = await person.tries(`${get}`);
    expect(shown.stdout).toMatch(/^failed_login +observations .* 3 +/m);
    await person.types('npx dp3-cluster stop');
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  it('makes nothing that others may write to, whatever the umask', async () => {
    const parent = makeFolder({});
    const umask = process.umask(0);
    try {
      expect(await dp3(['init', 'app'], { cwd: parent })).toMatchObject({ code: 0 });
      expect(await dp3(['types', '--out', 'other.d.ts'], { cwd: join(parent, 'app') })).toMatchObject({ code: 0 });
    } finally {
      process.umask(umask);
    }
    const made = ['', ...readdirSync(join(parent, 'app'), { recursive: true, encoding: 'utf8' })];
    expect(made.length).toBeGreaterThan(10);
    expect(made.filter((name) => (statSync(join(parent, 'app', name)).mode & 0o022) !== 0)).toEqual([]);
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

  it('refuses a name that cannot stand in the names of queues and schemas', async () => {
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
