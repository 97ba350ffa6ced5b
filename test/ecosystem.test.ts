import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfiguration } from '../lib/config/load.js';
import { dp3 } from './cli/program.js';
import type { Application, RunningProgram } from './support/application.js';
import { CountingApplication } from './support/counters.js';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { apps } = createRequire(import.meta.url)(join(root, 'ecosystem.config.js'));
const app = apps[0];

test('pm2 can load the file as CommonJS, wherever it is called', () => {
  const script = `process.stdout.write(require(${JSON.stringify(join(root, 'ecosystem.config.js'))}).apps[0].cwd)`;
  expect(execFileSync(process.execPath, ['-e', script], { cwd: '/', encoding: 'utf8' })).toBe(root);
});

test('it starts the program once, in fork mode, by the script of the package', () => {
  expect(apps).toHaveLength(1);
  expect(app).toMatchObject({ exec_mode: 'fork', instances: 1, script: manifest.bin['dp3-cluster'], cwd: root });
  expect(app.args[0]).toBe('start');
});

test('each environment has its block', () => {
  expect([app.env, app.env_test, app.env_production].map((block) => block.NODE_ENV)).toEqual([
    'development',
    'test',
    'production',
  ]);
});

test.each(['development', 'test', 'production'])('pm2 kills later than the drain ends in %s', (env) => {
  const environment = { DP3_PROCESSING_CORE_STORE_URL: 'postgres://host/dp3' };
  const { configuration, problems } = loadConfiguration({ dir: join(root, 'config'), env, flags: {} }, environment);
  expect(problems).toEqual([]);
  expect(app.kill_timeout).toBeGreaterThan((configuration?.shutdownTimeMs ?? Number.POSITIVE_INFINITY) + 5_000);
});

const leftAlone: readonly number[] = app.stop_exit_codes;

test.each<[string, (program: RunningProgram, application: Application) => void, boolean]>([
  ['leaves alone what was ended by `dp3-cluster stop`', (_, application) => application.succeed(['stop']), true],
  ['leaves alone what was ended by a signal', (program) => program.signal('SIGINT'), true],
  ['starts again what was killed', (program) => program.signal('SIGKILL'), false],
])('pm2 %s', async (_, end, expected) => {
  const { application } = new CountingApplication('', 1);
  onTestFinished(() => application.dispose());
  const program = application.start(app.args.filter((word: string) => !/^(--)?config$/.test(word)));
  await program.line('worker ready');
  end(program, application);
  // pm2 reports 0 for what was killed (God.js: `code || 0`).
  expect(leftAlone.includes((await program.exited).code || 0)).toBe(expected);
});

test('pm2 starts again what has failed, and not what cannot start with this configuration', () => {
  expect(leftAlone).not.toContain(1);
  expect(leftAlone).toContain(2);
});

test('a new application has the same for pm2 as this one', async () => {
  const template = await import(pathToFileURL(join(root, 'template', 'ecosystem.config.js')).href);
  const [{ args, ...own }] = template.apps;
  expect(args).toEqual(app.args.filter((word: string) => !/^(--)?config$/.test(word)));
  for (const key of ['exec_mode', 'instances', 'kill_timeout', 'stop_exit_codes', 'exp_backoff_restart_delay'])
    expect([key, own[key]]).toEqual([key, app[key]]);
});

test('the program ends by itself in a process that pm2 keeps alive with a channel and timers of its own', async () => {
  const environment = { NODE_OPTIONS: '--import data:text/javascript,setInterval(()=>{},1e6)' };
  const { code, stdout } = await dp3(['check', '--config', 'config'], { environment });
  expect(code).toBe(0);
  expect(stdout).toContain('Entity type network');
});
