/** A program that is one process: its worker runs in it, and whoever started it starts the next one. */
import { expect, it } from 'vitest';
import type { FromWorker } from '../../lib/ipc/messages.js';
import { inProcess } from '../../lib/primary/in-process.js';
import { rolesOf } from '../../lib/primary/roles.js';
import { Supervisor } from '../../lib/primary/supervisor.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { WorkerLife, type WorkerProgram } from '../../lib/worker/life.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';
import { LIMITS } from './forks.js';

interface Orders {
  restartWorker(why: string, atOnce: boolean): void;
  stopWorker(why: string): void;
  standBy(why: string): void;
}

/** A supervisor over a real life of a worker whose program does nothing. */
async function running(program: Partial<WorkerProgram> = {}) {
  const log = capturingLogger();
  const clock = manualClock();
  const given: Orders[] = [];
  const did: string[] = [];
  const whole = {
    log,
    shutdownTimeMs: 1_000,
    start: async () => ({ epoch: 1 }),
    stop: async () => {
      did.push('stopped');
      return { left: 0 };
    },
    ...program,
  };
  const begin = (tell: (message: FromWorker) => void) => {
    const make = async (_: unknown, orders: Orders) => {
      given.push(orders);
      return whole as unknown as WorkerProgram;
    };
    const life = new WorkerLife(make, tell, () => () => {}, clock);
    const leave = (exitCode: number): never => {
      did.push(`left ${exitCode}`);
      return undefined as never;
    };
    return { ended: life.ended, hear: (message: Parameters<typeof life.hear>[0]) => life.hear(message), leave };
  };
  const release = { programs: '/bin', workingDir: '/', configDir: 'config' };
  const options = { app: 'test', numProcesses: 1, roles: rolesOf([0]), config: { flags: {} }, release, limits: LIMITS };
  const forks = inProcess(begin as Parameters<typeof inProcess>[0]);
  const supervisor = new Supervisor(options, forks, clock, log);
  await supervisor.start();
  await nextTurn();
  return { supervisor, orders: given[0]!, did, log, clock };
}

it('is told its index like a forked worker, and drains when the program stops', async () => {
  const { supervisor, did, log } = await running();
  expect(log.lines.find(({ message }) => message === 'worker ready')?.fields).toEqual({
    index: 0,
    pid: process.pid,
    epoch: 1,
  });
  supervisor.stop('signal SIGTERM', 0);
  expect(await supervisor.finished).toBe(0);
  expect(did).toEqual(['stopped']);
});

it.each([
  ['is to be restarted', (orders: Orders) => orders.restartWorker('too much memory', false)],
  ['has lost its index', (orders: Orders) => orders.standBy('another one owns it')],
  ['ends by itself', (orders: Orders) => orders.stopWorker('lanes break')],
])('ends in order with exit code 1 when it %s, so that whoever started it starts it again', async (_, order) => {
  const { supervisor, orders, did } = await running();
  order(orders);
  expect(await supervisor.finished).toBe(1);
  expect(did).toEqual(['stopped']);
});

it('ends with exit code 2 when it does not fit what is on disk', async () => {
  const start = () => Promise.reject(new ApplicationError('STORE_MISMATCH', 'another number of processes'));
  const { supervisor } = await running({ start });
  expect(await supervisor.finished).toBe(2);
});

it('ends the process at once when it is killed', async () => {
  const { supervisor, did } = await running({ stop: () => new Promise(() => {}) });
  supervisor.kill('a second signal');
  expect(did).toEqual(['left 1']);
});

it('cannot be replaced by a reload', async () => {
  const { supervisor } = await running();
  expect(supervisor.canReplace).toBe(false);
});
