/** The end of a worker's life by an error that nothing caught: who is to blame for it. */
import { expect, it } from 'vitest';
import type { FromWorker } from '../../lib/ipc/messages.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { WorkerLife, type WorkerProgram } from '../../lib/worker/life.js';
import { manualClock } from '../support/clock.js';
import { silentLogger } from '../support/logger.js';

async function ended(error: Error) {
  const did: string[] = [];
  const told: FromWorker[] = [];
  const program: Partial<WorkerProgram> = {
    log: silentLogger,
    start: async () => ({ epoch: 1 }),
    absolve: () => void did.push('absolve'),
    commitFinished: async () => void did.push('commit'),
  };
  const life = new WorkerLife(
    async () => program as WorkerProgram,
    (message) => told.push(message),
    () => () => {},
    manualClock(),
  );
  await life.begin({ index: 0, heartbeatMs: 0, config: { dir: 'config', flags: {} } });
  await life.crashed(error);
  expect(await life.ended).toBe(1);
  return { did, told: told.filter(({ type }) => type !== 'ready') };
}

it('blames no task for a store that fails, wherever that comes to light, and stops the program', async () => {
  const { did, told } = await ended(new ApplicationError('STORE_FAILED', 'the folder is read-only'));
  expect(did).toEqual(['absolve']);
  expect(told).toEqual([{ type: 'stop-program', reason: 'the folder is read-only', exitCode: 1 }]);
});

it('counts an attempt for what runs when anything else escapes, and commits what has finished', async () => {
  expect(await ended(new Error('a timer of a module'))).toEqual({ did: ['commit'], told: [] });
});
