/**
 * The embedded queue between real processes that are killed and stopped at any moment. Nothing may be lost, nothing done twice, the
 * order of each key must hold, and nobody may wait for a process that does not run.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../lib/embedded/env.js';
import { openFolder } from '../../lib/embedded/folder.js';
import { BINARY } from '../../lib/embedded/lmdb.js';
import { joinAsIndex, joinAsProducer } from '../../lib/embedded/participant.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { manualClock } from '../support/clock.js';
import { OrderScene } from '../support/order-scene.js';
import { isStopped } from '../support/processes.js';
import { compileQueueProgram, TestProcess } from '../support/queue-programs.js';
import { FOLDER, streamTask, streamTotal } from '../support/queue-stream.js';

/** How often a process is killed; more, with longer streams, in `npm run chaos`. */
const KILLS = Number(process.env['KILLS'] ?? 5);
const STREAM = KILLS * 1_500;
/** Series of sends under a clock that is set. */
const ORDER_RUNS = 8;

let program: ReturnType<typeof compileQueueProgram>;
beforeAll(() => {
  program = compileQueueProgram();
});
afterAll(() => program.remove());

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dp3-processes-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  openFolder(path, FOLDER);
  return path;
}

/** Writes the same rows so many times anew; the size of the file afterwards. */
function churnOf(environment: Environment): (times: number) => number {
  const rows = environment.table<Buffer, Buffer>('rows', BINARY);
  return (times) => {
    for (let i = 0; i < times; i++) {
      environment.transaction(() => {
        for (let row = 0; row < 20; row++) rows.putSync(Buffer.from([row]), Buffer.alloc(20_000, i));
      });
    }
    return statSync(join(environment.path, 'data.mdb')).size;
  };
}

it(
  'loses nothing, does nothing twice and keeps the order of each key while processes are killed at any moment',
  async () => {
    const path = folder();
    const roles = [
      ['worker', path, '0'],
      ['worker', path, '1'],
      ['producer', path, 'a', String(STREAM)],
      ['producer', path, 'b', String(STREAM)],
    ];
    const running = roles.map((role) => TestProcess.start(program, ...role));
    for (let kills = 0; kills < KILLS; kills++) {
      const victim = Math.floor(Math.random() * running.length);
      await running[victim]!.until('ready');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      await running[victim]!.kill();
      running[victim] = TestProcess.start(program, ...roles[victim]!);
    }
    await Promise.all(running.slice(2).map((producer) => producer.until('sent')));
    const totals = [0, 0];
    const wanted = 2 * streamTotal(STREAM);
    const finished = running.slice(0, 2).map((worker, index) =>
      worker.until('done', ({ total }) => {
        totals[index] = total;
        return totals[0]! + totals[1]! === wanted;
      }),
    );
    await Promise.race(finished);
    const wrong = running.slice(0, 2).flatMap((worker) => (worker.last?.told === 'done' ? worker.last.wrong : ['?']));
    expect(wrong).toEqual([]);
    expect(totals[0]! + totals[1]!).toBe(wanted);
  },
  60_000 + KILLS * 3_000,
);

it('makes nobody wait for a process that is stopped', async () => {
  const path = folder();
  const [running, stopped] = ['0', '1'].map((index) => TestProcess.start(program, 'worker', path, index));
  await Promise.all([running!.until('ready'), stopped!.until('ready')]);
  const participant = await joinAsProducer(openFolder(path, FOLDER));
  onTestFinished(() => participant.leave());
  const writer = new EmbeddedWriter(participant, { maxLength: 10_000 });
  await writer.start();
  onTestFinished(() => writer.stop());
  const first = Array.from({ length: 400 }, (_, n) => streamTask('first', n));
  await writer.send(first.slice(0, 40));
  await stopped!.until('done', ({ total }) => total >= 20);
  stopped!.signal('SIGSTOP');
  const startedAt = performance.now();
  await writer.send(first.slice(40));
  await running!.until('done', ({ total }) => total >= 200);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  stopped!.signal('SIGCONT');
  const all = streamTotal(400) / 2;
  const ended = await Promise.all([running!, stopped!].map((each) => each.until('done', ({ total }) => total >= all)));
  expect(ended.flatMap(({ wrong }) => wrong)).toEqual([]);
}, 30_000);

it('takes over the index of a killed worker at once, and counts nothing of what it had ended as an attempt', async () => {
  const path = folder();
  const worker = TestProcess.start(program, 'worker', path, '0');
  await worker.until('ready');
  const join = () => joinAsIndex(openFolder(path, FOLDER), 0);
  await expect(join()).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  await expect(join()).rejects.toThrow(`process ${worker.pid}`);
  worker.signal('SIGSTOP');
  await expect(join()).rejects.toThrow(`process ${worker.pid}`);
  await worker.kill();
  const participant = await join();
  onTestFinished(() => participant.leave());
  expect(participant.environment.claim()).toBe(2);
});

it.each([
  ['skips the environment of a producer', 'producer', ['producer', 'a', '20'], 'ready'],
  ['refuses the index of a worker', '0', ['worker', '0'], 'which lives'],
])(
  '%s that was stopped inside a transaction, at once',
  async (_, who, [role, ...rest], outcome) => {
    const path = folder();
    const stopped = TestProcess.start(program, 'stopped', path, who);
    await stopped.until('ready');
    while (!isStopped(stopped.pid)) await new Promise((resolve) => setImmediate(resolve));
    const second = TestProcess.start(program, role!, path, ...rest);
    if (outcome === 'ready') await second.until('ready');
    else await expect(second.until('ready')).rejects.toThrow(outcome);
  },
  10_000,
);

it('does not let the files grow for a reader that was killed with a snapshot open', async () => {
  const path = folder();
  const participant = await joinAsIndex(openFolder(path, FOLDER), 0);
  onTestFinished(() => participant.leave());
  const { environment } = participant;
  environment.claim();
  const churn = churnOf(environment);
  const before = churn(20);
  const holder = TestProcess.start(program, 'holder', environment.path);
  await holder.until('ready');
  const held = churn(20);
  expect(held).toBeGreaterThan(3 * before);
  await holder.kill();
  expect(environment.checkReaders()).toBe(1);
  churn(5);
  const after = churn(100);
  expect(after).toBeLessThan(held + 2 * before);
});

it('looks for dead readers by itself, so that the files stay bounded', async () => {
  const path = folder();
  const clock = manualClock();
  const { environment, leave } = await joinAsIndex(openFolder(path, FOLDER), 0, { clock });
  onTestFinished(leave);
  environment.claim();
  const churn = churnOf(environment);
  const before = churn(20);
  const holder = TestProcess.start(program, 'holder', environment.path);
  await holder.until('ready');
  await holder.kill();
  clock.pass(1_001);
  expect(churn(60)).toBeLessThan(2 * before);
});

it('fails with STORE_FAILED when the disk is full, keeps what is committed and goes on when there is room', async () => {
  const filler = TestProcess.startBounded(program, 8_192, 'filler', folder());
  const { code, rest } = await filler.until('failed');
  expect([code, rest]).toEqual(['STORE_FAILED', 'rows whole, failed row absent']);
});

const who = fc.nat(2);
const sceneStep = fc.oneof(
  { weight: 12, arbitrary: who.map((n) => (scene: OrderScene) => scene.send(n)) },
  {
    weight: 8,
    arbitrary: fc.constantFrom(-86_400_000, -60_000, -1, 1, 86_400_000).map((ms) => (scene: OrderScene) => {
      return scene.stepClock(ms);
    }),
  },
  { weight: 3, arbitrary: who.map((n) => (scene: OrderScene) => scene.leave(n)) },
  { weight: 1, arbitrary: fc.constant((scene: OrderScene) => scene.removeSenders()) },
  { weight: 2, arbitrary: fc.constantFrom('consume', 'stopConsuming', 'restartComputer' as const).map(callOf) },
);

function callOf(step: 'consume' | 'stopConsuming' | 'restartComputer') {
  return (scene: OrderScene) => scene[step]();
}

it(
  'hands out what any senders send in the order of sending, whatever the clock of the computer does',
  async () => {
    const [consumer, ...senders] = Array.from({ length: 4 }, () => TestProcess.start(program, 'participant'));
    await Promise.all([consumer!, ...senders].map((each) => each.until('ready')));
    await fc.assert(
      fc.asyncProperty(fc.array(sceneStep, { minLength: 10, maxLength: 40 }), async (steps) => {
        const scene = new OrderScene(folder(), senders, consumer!);
        for (const each of steps) await each(scene);
        await scene.send(0);
        await scene.consumed();
        expect(scene.got).toEqual(scene.sent);
        await scene.restartComputer();
      }),
      { numRuns: ORDER_RUNS, endOnFailure: true },
    );
  },
  30_000 + ORDER_RUNS * 1_000,
);
