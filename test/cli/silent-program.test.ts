import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run as status } from '../../lib/cli/commands/status.js';
import { run as stop } from '../../lib/cli/commands/stop.js';
import { type ControlHandler, ControlServer } from '../../lib/ipc/control.js';
import { makeFolder } from '../support/folder.js';
import { invocation } from './invocation.js';

/** As the system does for a process that was stopped: connections are taken, and nothing is ever said. */
const silent: ControlHandler = () => new Promise(() => {});

it('of a program that was stopped status and stop say so, within a bounded time', { timeout: 20_000 }, async () => {
  const dir = makeFolder({ 'default.yml': 'app: silent\nprocessing_core: { store: { path: data } }\n' });
  const server = new ControlServer(
    { folder: join(dir, 'data', 'silent'), firstIndex: 0, mayShare: false },
    { connections: 4, requestBytes: 1_024 },
    silent,
  );
  await server.start();
  onTestFinished(() => server.stop());
  const request = { dir, env: 'test' };
  const sentence = /program-0\.sock takes connections and said nothing within 5 s: it is stopped \(SIGSTOP; kill -CONT/;
  await Promise.all([
    expect(status(invocation({ request }).given)).rejects.toThrow(sentence),
    expect(stop(invocation({ request }).given)).rejects.toThrow(sentence),
  ]);
});
