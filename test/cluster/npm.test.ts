import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { RunningProgram } from '../support/application.js';
import { CountingApplication } from '../support/counters.js';
import { isAlive } from '../support/processes.js';
import { Run } from '../support/run.js';

const ROOT = join(import.meta.dirname, '..', '..');

let counting: CountingApplication;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await counting.application.dispose();
});

/** An application with the package installed in it, as npm would. */
function install(): void {
  counting = new CountingApplication('', 1);
  const { folder } = counting.application;
  const manifest = { name: 'counters', version: '1.0.0', type: 'module', scripts: { start: 'dp3-cluster start' } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(ROOT, join(folder, 'node_modules', 'dp3-cluster'));
  symlinkSync('../dp3-cluster/dist/bin/dp3-cluster.js', join(folder, 'node_modules', '.bin', 'dp3-cluster'));
}

function spawned(command: string, args: readonly string[], input: 'ignore' | Readable = 'ignore'): ChildProcess {
  const env = { ...process.env, NODE_ENV: 'test', npm_lifecycle_event: 'start' };
  const child = spawn(command, args, { cwd: counting.application.folder, env, stdio: [input, 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

/** The shell that npm runs a script in, which alone gets the signals that npm gets. */
function shell(script: string, input?: Readable): ChildProcess {
  return spawned('sh', ['-c', `PATH="$PWD/node_modules/.bin:$PATH"; ${script}; :`], input);
}

it.each([
  ['npm start', () => spawned('npm', ['start'])],
  ['the script of one worker', () => shell('dp3-cluster worker 0')],
])('SIGTERM to %s drains the program and leaves no process behind', async (_, start) => {
  install();
  const npm = new RunningProgram(start());
  // The log ends with the last process that writes to it.
  const logEnded = once(npm.child, 'close');
  const { pid } = await npm.line('starting');
  await npm.line('worker ready');
  npm.signal('SIGTERM');
  await logEnded;
  expect(npm.lines.filter(({ message }) => message === 'draining')).toHaveLength(1);
  expect([Number(pid), ...npm.workers().values()].filter(isAlive)).toEqual([]);
});

it('SIGTERM to a script that sends from a pipe ends it, with its summary', async () => {
  install();
  const feeder = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(feeder);
  feeder.stdin.write('no data-point\n');
  const run = new Run(shell('dp3-cluster send -', feeder.stdout));
  await run.prints('line 1: ');
  run.signal('SIGTERM');
  await run.prints('interrupted: 0 data-points sent');
});
