import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfiguration } from '../../lib/config/load.js';
import { ask } from '../../lib/ipc/control.js';
import type { FromWorker } from '../../lib/ipc/messages.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import { runPrimary } from '../../lib/primary/assemble.js';
import type { Exit, Fork } from '../../lib/primary/forks.js';
import { PrimaryLog } from '../../lib/primary/log.js';
import { socketFolder } from '../../lib/runtime/socket-path.js';
import { CountingApplication } from '../support/counters.js';
import { heldBytes } from '../support/garbage.js';

/** So often the status is asked; `npm run chaos:status` asks 10,000 times. */
const STATUSES = Number(process.env['STATUSES'] ?? 500);

/** A worker that answers at once, and ends when it is to drain. */
function worker(): Fork {
  let leave: (exit: Exit) => void = () => {};
  const exited = new Promise<Exit>((resolve) => {
    leave = resolve;
  });
  let say: (message: FromWorker) => void = () => {};
  return {
    pid: 1,
    exited,
    send({ type }) {
      if (type === 'report') setImmediate(() => say({ type: 'stats', status: null }));
      if (type === 'drain') leave({ code: 0, signal: null });
    },
    kill: () => {},
    onMessage(listener) {
      say = listener;
      setImmediate(() => say({ type: 'hello', ...ownSpeaker() }));
    },
  };
}

it('the memory of a primary stays the same however often it is asked for its status', async () => {
  const { application } = new CountingApplication();
  onTestFinished(() => application.dispose());
  const given = { dir: application.configDir, env: 'test', flags: {} };
  const { configuration } = loadConfiguration(given, {});
  const log = new PrimaryLog({ ...configuration!.logging, level: 'error' });
  let begun = () => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const forks = {
    first: async (roles: readonly unknown[]) => {
      begun();
      return roles.map(worker);
    },
    another: worker,
  };
  const ended = runPrimary({
    configuration: configuration!,
    arguments: given,
    givenDir: application.configDir,
    indexes: [0, 1],
    log,
    onLauncherGone: () => () => {},
    forks,
  });
  await started;
  const path = join(socketFolder(configuration!.runtimeDir), 'program-0.sock');
  const status = async (times: number) => {
    for (let n = 0; n < times; n++)
      for await (const reply of ask(path, { type: 'status' })) if (reply.type !== 'status') throw new Error(reply.type);
  };
  await status(200);
  const before = heldBytes();
  await status(STATUSES);
  // A connection that were kept would take several times as much.
  expect(heldBytes() - before).toBeLessThan(500 * 1_024);
  for await (const reply of ask(path, { type: 'stop' })) expect(reply).toMatchObject({ ok: true });
  expect(await ended).toBe(0);
  await log.close();
});
