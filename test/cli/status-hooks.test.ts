import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run as status } from '../../lib/cli/commands/status.js';
import { ControlServer } from '../../lib/ipc/control.js';
import { makeFolder } from '../support/folder.js';
import { invocation } from './invocation.js';

it('says so where no hook was called yet, and nothing of hooks where nothing runs', async () => {
  const dir = makeFolder({ 'default.yml': 'app: hookless\nprocessing_core: { store: { path: data } }\n' });
  const asked = { request: { dir, env: 'test' }, options: { hooks: true } } as const;
  const before = invocation(asked);
  expect(await status(before.given)).toBe(1);
  expect(before.printed().stdout).toBe('no data yet\n');
  const slots = [{ index: 0, pid: 1, state: 'running', uptimeMs: 1, respawns: 0, worker: null }] as const;
  const server = new ControlServer(
    { folder: join(dir, 'data', 'hookless'), firstIndex: 0, mayShare: false },
    { connections: 4, requestBytes: 1_024 },
    async (_, reply) =>
      reply({ type: 'status', status: { app: 'hookless', pid: 1, uptimeMs: 1, numProcesses: 1, slots } }),
  );
  await server.start();
  onTestFinished(() => server.stop());
  const running = invocation(asked);
  expect(await status(running.given)).toBe(0);
  expect(running.printed().stdout).toMatch(/no data yet\n\nno hook was called yet\n$/);
});
