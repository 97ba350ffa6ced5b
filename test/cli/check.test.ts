import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkWith } from '../../lib/cli/commands/check.js';
import { makeFolder } from '../support/folder.js';
import { mainInside } from './inside.js';
import { invocation } from './invocation.js';
import { dp3, ROOT } from './program.js';

function moduleText(hooks: string): string {
  const index = pathToFileURL(join(ROOT, 'dist', 'lib', 'index.js')).href;
  return `import { defineModule } from '${index}';\nexport default defineModule({ ${hooks} });\n`;
}

describe('check', () => {
  it('passes for the shipped example and prints settings, their origin and the model', async () => {
    const { code, stdout, stderr } = await dp3(['check', '--config', 'config']);
    expect([code, stderr]).toEqual([0, '0 errors, 0 warnings\n']);
    expect(stdout).toMatch(/^processing_core\.worker_threads\s+8\s+config\/default\.yml:\d+$/m);
    expect(stdout).toMatch(/^processing_core\.hook_timeout\s+30s\s+/m);
    expect(stdout).toMatch(/^Entity type ip \(IP address, ids ipv4/m);
    expect(stdout).toMatch(/^network\s+plain\s+link<network>$/m);
    expect(stdout).not.toContain('\u001b');
  });

  it('says where it looked for the folder that is not there', async () => {
    const parent = makeFolder();
    const { code, stderr } = await dp3(['check'], { cwd: parent });
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`There is no such folder (${join(realpathSync(parent), 'config')})`),
    ]);
  });

  it('names every error with file and key on stderr and exits with 2', async () => {
    const dir = makeFolder({
      'default.yml': 'processing_core:\n  worker_threds: 4\n  hook_timeout: soon\nlogging: {level: loud}\n',
      'database.yml': 'db_name: x\n',
    });
    const { code, stdout, stderr } = await mainInside(['check', '--config', dir]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.split('\n')).toEqual([
      `warning  ${dir}/database.yml:1 database.db_name: Only the Python program of DP3 uses this key; it has no effect here.`,
      expect.stringMatching(
        /^error {4}.*default\.yml:2 processing_core\.worker_threds: This key is not known\. Did you mean "worker_threads"\?$/,
      ),
      expect.stringMatching(/^error {4}.*default\.yml:3 processing_core\.hook_timeout: Given was "soon", allowed is/),
      expect.stringMatching(/^error {4}.*default\.yml:4 logging\.level: Given was "loud", allowed is/),
      '3 errors, 1 warning',
      '',
    ]);
  });

  it('prints one document with --json, for a good and for a bad configuration', async () => {
    const good = await dp3(['check', '--config', 'config', '--json']);
    expect([good.code, good.stderr]).toEqual([0, '']);
    const document = JSON.parse(good.stdout);
    expect(document).toMatchObject({ ok: true, problems: [], modules: { networks: {} } });
    expect(document.configuration['processing_core.commit.age']).toEqual({ value: '5ms', from: 'default' });
    expect(document.model.map(({ id }: { id: string }) => id)).toEqual(['ip', 'network']);
    const bad = await mainInside(['check', '--config', makeFolder({ 'default.yml': 'x: 1' }), '--json']);
    expect(bad.code).toBe(2);
    expect(JSON.parse(bad.stdout)).toMatchObject({ ok: false, problems: [{ severity: 'error', key: 'x', line: 1 }] });
  });

  it('shows no secret, of settings, variables or modules', async () => {
    const secret = 'geheim';
    const module = [
      ...['pwd', 'key', 'bearer', 'private-key', 'cookie'].map((name) => `${name}: ${secret}`),
      `tokens: [${secret}]`,
      `dsn: host=h user=u password=${secret}`,
      `url: http://me:${secret}@geo.example.org/${secret}`,
      `pem: "-----BEGIN PRIVATE KEY-----\\n${secret}\\n-----END PRIVATE KEY-----"`,
      `text: "connect with password=${secret}"`,
      'region: europe-west',
      'n: 12345678901234567890',
    ];
    const dir = makeFolder({
      'default.yml': `processing_core: {modules_dir: ., enabled_modules: [geo], msg_broker: {password: ${secret}}}`,
      'geo.mjs': moduleText(''),
      'modules/geo.yml': `${module.join('\n')}\n`,
    });
    const environment = { DP3_PROCESSING_CORE_STORE_URL: `postgres://u:${secret}@h/d?password=${secret}` };
    for (const json of [[], ['--json']]) {
      for (const values of [[], ['--show-values']]) {
        const { stdout, stderr } = await dp3(['check', '--config', dir, ...json, ...values], { environment });
        expect(stdout + stderr).not.toContain(secret);
        expect(stdout).toContain('postgres://***@h/d?***');
        expect(stdout).toContain('"n":12345678901234567890');
        expect(stdout).toContain(values.length === 0 ? '"region":"(text, 11 characters)"' : '"region":"europe-west"');
      }
    }
  });

  it('shows no secret that a module throws', async () => {
    const dir = makeFolder({
      'default.yml': 'processing_core: {modules_dir: ., enabled_modules: [geo]}',
      'geo.mjs': "throw new Error('cannot reach amqp://u:geheim@h');",
    });
    for (const json of [[], ['--json']]) {
      const { stdout, stderr } = await mainInside(['check', '--config', dir, ...json]);
      expect(stdout + stderr).toContain('amqp://***@h');
      expect(stdout + stderr).not.toContain('geheim');
    }
  });

  it('runs no code of modules when it is not to', async () => {
    const dir = makeFolder({
      'default.yml': 'processing_core: {modules_dir: ., enabled_modules: [geo]}',
      'geo.mjs': 'process.exit(5);',
    });
    expect((await dp3(['check', '--config', dir])).code).toBe(2);
    expect((await dp3(['check', '--config', dir, '--no-modules'])).code).toBe(0);
  });

  it('takes NODE_ENV, variables and --app', async () => {
    const dir = makeFolder({ 'test.yml': 'processing_core: {worker_threads: 3}' });
    const environment = { NODE_ENV: 'test', DP3_LOGGING_LEVEL: 'warn', DP3_CONFIG: dir };
    const { stdout } = await dp3(['check', '--app', 'bees', '--json'], { environment });
    const { configuration } = JSON.parse(stdout);
    expect(configuration.app).toEqual({ value: 'bees', from: 'command line' });
    expect(configuration['logging.level']).toEqual({ value: 'warn', from: 'environment variable DP3_LOGGING_LEVEL' });
    expect(configuration['processing_core.worker_threads'].value).toBe(3);
  });

  it('loads the modules and names what is wrong with their hooks', async () => {
    const dir = makeFolder({
      'default.yml': 'processing_core: {modules_dir: ., enabled_modules: [geo, gone]}',
      'geo.mjs': moduleText('onTaskStrat() {}'),
    });
    const { code, stdout, stderr } = await mainInside(['check', '--config', dir]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/geo\.mjs.*onTaskStrat.*onTaskStart/);
    expect(stderr).toMatch(/gone/);
    expect(stderr).toMatch(/2 errors, 0 warnings\n$/);
  });

  it('prints what is wrong with modules too, and then exits with 2', async () => {
    const { given, printed } = invocation({ request: { dir: makeFolder(), env: 'test' } });
    const run = checkWith(async ({ app }) => ({
      problems: [{ severity: 'error', file: 'modules/x.js', key: '', sentence: `Nothing for ${app}.` }],
      scheduled: [],
    }));
    expect(await run(given)).toBe(2);
    expect(printed()).toEqual({ stdout: '', stderr: 'error    modules/x.js: Nothing for dp3.\n1 error, 0 warnings\n' });
  });

  it('lists the next five runs of each job, as the clocks of its zone show them', async () => {
    const dir = makeFolder({
      'default.yml': 'processing_core: {modules_dir: ., enabled_modules: [geo, idle]}',
      'geo.mjs': moduleText(
        "scheduled: [{ cron: '0 30 2 29 2 *', zone: 'Europe/Prague', on: 'index-0', run: () => [] }, { cron: { year: 9998 }, on: 'all', run: () => [] }]",
      ),
      'idle.mjs': moduleText(''),
    });
    const { stdout } = await mainInside(['check', '--config', dir]);
    const jobs = stdout.slice(stdout.indexOf('Scheduled jobs')).trim().split('\n');
    const zone = /^(geo\.scheduled\[0\]) +index-0 +0 30 2 29 2 \* +20\d\d-02-29T02:30:00\+01:00$/;
    expect(jobs[2]).toMatch(zone);
    for (const run of jobs.slice(3, 7)) expect(run).toMatch(/^ +2\d\d\d-02-29T02:30:00\+01:00$/);
    expect(jobs.slice(7)).toEqual([
      expect.stringMatching(/^geo\.scheduled\[1\] +all +\{"year":9998\} +9998-01-01T00:00:00\+00:00$/),
    ]);
    for (const line of jobs) expect(line.length).toBeLessThanOrEqual(80);
    const document = JSON.parse((await mainInside(['check', '--config', dir, '--json'])).stdout);
    expect(document.jobs).toEqual([
      { job: 'geo.scheduled[0]', on: 'index-0', schedule: '0 30 2 29 2 *', next: expect.any(Array) },
      { job: 'geo.scheduled[1]', on: 'all', schedule: '{"year":9998}', next: ['9998-01-01T00:00:00+00:00'] },
    ]);
    expect(document.jobs[0].next).toHaveLength(5);
  });
});
