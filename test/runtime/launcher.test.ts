import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { launchersOf } from '../../lib/runtime/launcher.js';
import { Run } from '../support/run.js';

const dist = join(import.meta.dirname, '..', '..', 'dist', 'lib', 'runtime');
/** Says how many processes it watches, and ends when it is told that one of them is gone. */
const PROBE = `
import { systemClock } from ${JSON.stringify(join(dist, 'clock.js'))};
import { launchersOf, watchLaunchers } from ${JSON.stringify(join(dist, 'launcher.js'))};
const launchers = launchersOf(process.env);
const lifetime = setTimeout(() => {}, 60_000);
watchLaunchers(launchers, systemClock, () => {
  console.log('gone');
  clearTimeout(lifetime);
});
console.log('pid ' + process.pid + ', watching ' + launchers.length);
`;
const probe = `"$NODE" --input-type=module -e "$PROBE"`;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** As npm does: a shell in the group of npm, with npm's variables. This shell, which forks it, stands for npm and knows of no script. */
function npm(script: string, npmVariables = 'npm_lifecycle_event=start'): { child: ChildProcess; run: Run } {
  const { npm_lifecycle_event: _, ...environment } = process.env;
  const child = spawn('sh', ['-c', `env ${npmVariables} sh -c '${script}; :'; :`], {
    env: { ...environment, NODE: process.execPath, PROBE },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return { child, run: new Run(child) };
}

describe('a process that npm started', () => {
  it('is told when the shell between has ended, as it does at SIGTERM', async () => {
    const { run } = npm(`echo "shell $$"; ${probe}`);
    await run.prints('watching 2');
    const shell = /shell (\d+)/.exec(run.output)?.[1];
    process.kill(Number(shell), 'SIGTERM');
    await run.prints('gone');
  });

  it('is told when npm is killed and its shell lives', async () => {
    const { child, run } = npm(probe);
    await run.prints('watching 2');
    child.kill('SIGKILL');
    await run.prints('gone');
  });

  it('is told when an npm is killed whose script called another one', async () => {
    const { child, run } = npm(
      `env npm_lifecycle_event=other sh -c "$INNER; :"; :`,
      `INNER='${probe}' npm_lifecycle_event=start`,
    );
    await run.prints('watching 3');
    child.kill('SIGKILL');
    await run.prints('gone');
  });

  it('is not told when its script has put it aside', async () => {
    const { child, run } = npm(`setsid ${probe}`);
    await run.prints('watching 0');
    child.kill('SIGKILL');
    const pid = Number(/pid (\d+)/.exec(run.output)?.[1]);
    process.kill(pid, 'SIGTERM');
    expect((await run.ended).stdout).not.toContain('gone');
  });
});

it('of a process that npm did not start nobody is watched', async () => {
  expect(launchersOf({ npm_config_yes: 'true' })).toEqual([]);
});
