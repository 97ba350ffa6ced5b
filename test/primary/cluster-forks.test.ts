import { expect, it, onTestFinished } from 'vitest';
import { clusterForks } from '../../lib/primary/forks.js';
import { worker } from '../../lib/primary/roles.js';

it('tells of a process that could not be made, instead of waiting for its exit', async () => {
  const { execPath } = process;
  onTestFinished(() => {
    process.execPath = execPath;
  });
  process.execPath = '/nowhere/node';
  const fork = clusterForks().another(worker(0), { programs: '/bin', workingDir: '/', configDir: 'config' });
  expect(await fork.exited).toMatchObject({ code: null, error: { code: 'ENOENT' } });
  expect(fork.pid).toBe(0);
  fork.send({ type: 'drain' });
  fork.kill('SIGKILL');
});
