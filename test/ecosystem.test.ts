import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfiguration } from '../lib/config/load.js';
import { dp3 } from './cli/program.js';

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

test('pm2 does not restart what ended in order or can not start with this configuration', () => {
  expect(app.stop_exit_codes).toEqual([0, 2]);
});

test('the program ends by itself in a process that pm2 keeps alive with a channel and timers of its own', async () => {
  const environment = { NODE_OPTIONS: '--import data:text/javascript,setInterval(()=>{},1e6)' };
  const { code, stdout } = await dp3(['check', '--config', 'config'], { environment });
  expect(code).toBe(0);
  expect(stdout).toContain('Entity type network');
});
