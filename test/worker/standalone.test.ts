import { expect, it } from 'vitest';
import { type ControlReply, QUESTIONS_LIMIT } from '../../lib/ipc/messages.js';
import type { WorkerProgram } from '../../lib/worker/process.js';
import { StandaloneWorker } from '../../lib/worker/standalone.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';

/** A worker alone whose store never answers. */
async function running() {
  let asked = 0;
  const log = capturingLogger();
  const program: Pick<WorkerProgram, 'log' | 'shutdownTimeMs' | 'start' | 'stop' | 'ask'> = {
    log,
    shutdownTimeMs: 1_000,
    start: async () => ({ epoch: 1 }),
    stop: async () => ({ left: 0 }),
    ask: () => {
      asked++;
      return new Promise(() => {});
    },
  };
  const orders: { restartWorker(why: string, atOnce: boolean): void }[] = [];
  const make = async (_: unknown, given: { restartWorker(why: string, atOnce: boolean): void }) => {
    orders.push(given);
    return program as WorkerProgram;
  };
  const settings = { app: 'test', numProcesses: 1 };
  const worker = new StandaloneWorker(settings, 0, make, log, manualClock(), () => () => {});
  await worker.life.begin({ index: 0, heartbeatMs: 0, config: { dir: 'config', flags: {} } });
  return { worker, asked: () => asked, orders: orders[0]! };
}

it('asks its store only so many questions at once', async () => {
  const { worker, asked } = await running();
  const question = { type: 'quarantine', action: 'drop', task: 'x' } as const;
  const replies: ControlReply[] = [];
  for (let n = 0; n <= QUESTIONS_LIMIT; n++) {
    void worker.serve({ type: 'ask', index: 0, question }, (reply) => replies.push(reply));
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked()).toBe(QUESTIONS_LIMIT);
  const why = 'the worker of index 0 has 1000 open questions';
  expect(replies).toEqual([{ type: 'answer', answer: { ok: false, why } }]);
});

it('ends with exit code 1 when it is to be restarted, so that its supervisor does it', async () => {
  const { worker, orders } = await running();
  orders.restartWorker('too much memory', false);
  expect(await worker.ended).toBe(1);
});
