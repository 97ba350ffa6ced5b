import { describe, expect, it } from 'vitest';
import { type FromWorker, QUESTIONS_LIMIT } from '../../lib/ipc/messages.js';
import { ownSpeaker } from '../../lib/ipc/protocol.js';
import type { WorkerStatus } from '../../lib/ipc/status.js';
import { sumFigures } from '../../lib/observability/metrics.js';
import type { Role } from '../../lib/primary/roles.js';
import { rolesOf } from '../../lib/primary/roles.js';
import { Supervisor, type SupervisorLimits, type SupervisorOptions } from '../../lib/primary/supervisor.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';
import { LIMITS, type SimulatedFork, simulatedForks } from './forks.js';

const OPTIONS: SupervisorOptions = {
  app: 'test',
  numProcesses: 2,
  roles: rolesOf([0, 1]),
  config: { flags: {} },
  release: { programs: '/bin', workingDir: '/', configDir: 'config' },
  limits: LIMITS,
};

const DAY_MS = 86_400_000;

const NEW_RELEASE = { programs: '/new/bin', workingDir: '/new', configDir: '/new/config' };

function withLimits(limits: Partial<SupervisorLimits>): Pick<SupervisorOptions, 'limits'> {
  return { limits: { ...OPTIONS.limits, ...limits } };
}

function figures(tasksDone: number): WorkerStatus {
  return {
    ...sumFigures([{ tasksDone }]),
    epoch: 1,
    lanes: { busy: 0, waiting: 0, keys: 0, restarts: 0 },
    window: { tasks: 0, tasksLimit: 1, bytes: 0, bytesLimit: 1, full: false, filledBy: null },
    queue: { normal: 0, priority: 0 },
    outboxAgeMs: 0,
    storeAvailable: true,
    storeTrouble: null,
    storeWarning: null,
    queueTrouble: null,
    skipped: [],
    lost: [],
    waitsFor: null,
    input: { ignored: {}, future: {} },
  };
}

async function started(options: Partial<SupervisorOptions> = {}) {
  const forks = simulatedForks();
  const clock = manualClock();
  const log = capturingLogger();
  const supervisor = new Supervisor({ ...OPTIONS, ...options }, forks, clock, log);
  await supervisor.start();
  for (const fork of forks.all) fork.say({ type: 'hello', ...ownSpeaker() });
  return { forks, clock, log, supervisor };
}

/** Serves no index, starts beside its predecessor, drains before the workers, and never stops them. */
const PAGE: Role = {
  kind: 'page',
  name: 'the page',
  fields: {},
  index: null,
  program: 'page.js',
  succession: 'overlapping',
  crashLoop: 'fails-alone',
  drainStage: 0,
  assignment: (start) => ({ index: -1, ...start }),
};

describe('a role beside the workers', () => {
  const withPage = async () => {
    const all = await started({ roles: [...rolesOf([0]), PAGE] });
    for (const fork of all.forks.all) fork.say({ type: 'ready', epoch: 1 });
    const [worker, page] = all.forks.all;
    return { ...all, worker: worker!, page: page! };
  };
  const types = (fork: SimulatedFork) => fork.received.map(({ type }) => type);

  it('has its successor ready before it leaves', async () => {
    const { forks, page, supervisor } = await withPage();
    const replaced = supervisor.replace(supervisor.slots[1]!);
    expect(types(page)).toEqual(['assign']);
    forks.last().say({ type: 'hello', ...ownSpeaker() });
    forks.last().say({ type: 'ready', epoch: 1 });
    expect(await replaced).toBe(true);
    expect(types(page)).toEqual(['assign', 'drain']);
    await page.exit(0);
    expect(forks.all).toHaveLength(3);
    expect(supervisor.slots[1]!.describe(0)).toMatchObject({ state: 'running', pid: 1002, respawns: 0 });
  });

  it('goes on where its successor does not start', async () => {
    const { forks, page, supervisor } = await withPage();
    const replaced = supervisor.replace(supervisor.slots[1]!);
    await forks.last().exit(1);
    expect(await replaced).toBe(false);
    expect(types(page)).toEqual(['assign']);
    expect(supervisor.slots[1]!.describe(0)).toMatchObject({ state: 'running', pid: 1001 });
  });

  it('fails alone when it crashes too often, and is tried again', async () => {
    const { forks, clock, page, worker, supervisor } = await withPage();
    await page.exit(1);
    for (let times = 0; times < 2; times++) {
      clock.pass(5_000);
      await forks.last().exit(1);
    }
    expect(supervisor.slots[1]!.state).toBe('failed');
    expect([supervisor.isStopping, types(worker)]).toEqual([false, ['assign']]);
    clock.pass(30_000);
    forks.last().say({ type: 'ready', epoch: 1 });
    expect(supervisor.slots[1]!.state).toBe('running');
  });

  it('has ended before the workers drain, each by a deadline of its own', async () => {
    const { clock, page, worker, supervisor } = await withPage();
    supervisor.stop('test', 0);
    expect([types(page), types(worker)]).toEqual([['assign', 'drain'], ['assign']]);
    clock.pass(60_000);
    await page.exit(0);
    expect(types(worker)).toEqual(['assign', 'drain']);
    clock.pass(60_000);
    expect(worker.signals).toEqual([]);
    await worker.exit(0);
    expect(await supervisor.finished).toBe(0);
  });

  it('stands in the status beside the indexes', async () => {
    const { worker, page, supervisor } = await withPage();
    const status = supervisor.status();
    for (const fork of [worker, page]) fork.say({ type: 'stats', status: null });
    expect(await status).toMatchObject({
      slots: [{ index: 0, pid: 1000 }],
      roles: { page: { pid: 1001, state: 'running', respawns: 0 } },
    });
  });
});

describe('supervisor', () => {
  it('gives each worker an index and repeats that index to its successor', async () => {
    const { forks, clock } = await started({ roles: rolesOf([3, 5]), numProcesses: 8 });
    const indexes = () =>
      forks.all.map((fork) => (fork.received[0]?.type === 'assign' ? fork.received[0].assignment.index : null));
    expect(indexes()).toEqual([3, 5]);
    await forks.all[1]!.exit(1);
    clock.pass(500);
    forks.last().say({ type: 'hello', ...ownSpeaker() });
    expect(indexes()).toEqual([3, 5, 5]);
  });

  it('lets a crashed worker come back only after a pause, which doubles', async () => {
    const { forks, clock } = await started(withLimits({ respawn: { ...OPTIONS.limits.respawn, limit: 10 } }));
    await forks.all[0]!.exit(null, 'SIGKILL');
    clock.pass(249);
    expect(forks.all).toHaveLength(2);
    clock.pass(251);
    expect(forks.all).toHaveLength(3);
    await forks.last().exit(1);
    clock.pass(499);
    expect(forks.all).toHaveLength(3);
    clock.pass(501);
    expect(forks.all).toHaveLength(4);
  });

  it('stops the program with exit code 1 when one index crashes too often', async () => {
    const { forks, clock, supervisor } = await started();
    await forks.all[0]!.exit(1);
    clock.pass(30_000);
    await forks.last().exit(1);
    clock.pass(20_000);
    await forks.last().exit(1);
    expect(forks.all[1]!.received.at(-1)).toEqual({ type: 'drain' });
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(1);
  });

  it('tries again after a pause where no process could be made, and can be stopped meanwhile', async () => {
    const { forks, clock, log, supervisor } = await started();
    await forks.all[0]!.fail(new Error('spawn node EAGAIN'));
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', fields: { error: new Error('spawn node EAGAIN') } });
    clock.pass(500);
    await forks.last().fail(new Error('spawn node EAGAIN'));
    supervisor.stop('test', 0);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(0);
  });

  it('forgets crashes that are older than the window', async () => {
    const { forks, clock, supervisor } = await started();
    for (let n = 0; n < 6; n++) {
      await (n === 0 ? forks.all[0]! : forks.last()).exit(1);
      clock.pass(61_000);
    }
    expect(supervisor.isStopping).toBe(false);
    expect(forks.all).toHaveLength(8);
  });

  it('never respawns a worker that refuses its configuration from the beginning, and ends with exit code 2', async () => {
    const { forks, clock, supervisor } = await started();
    await forks.all[0]!.exit(2);
    clock.pass(60_000);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(2);
    expect(forks.all).toHaveLength(2);
  });

  it.each(['ready', 'waiting'] as const)(
    'waits for right files where a worker that has been %s finds wrong ones',
    async (type) => {
      const { forks, clock, log, supervisor } = await started();
      forks.all[0]!.say(type === 'ready' ? { type, epoch: 1 } : { type, why: 'owned elsewhere' });
      await forks.all[0]!.exit(null, 'SIGKILL');
      for (let times = 0; times < 30; times++) {
        clock.pass(30_000);
        await forks.last().exit(2);
      }
      expect(supervisor.isStopping).toBe(false);
      expect(forks.all[1]!.received.map(({ type: received }) => received)).toEqual(['assign']);
      expect(log.lines.at(-1)).toMatchObject({
        level: 'error',
        message: 'worker cannot load its files; it tries again later',
        fields: { index: 0, code: 2 },
      });
      clock.pass(30_000);
      forks.last().say({ type: 'ready', epoch: 2 });
      expect(supervisor.slots[0]!.describe(0)).toMatchObject({ state: 'running', respawns: 1 });
    },
  );

  it('drains every worker on an ordered stop and ends with exit code 0', async () => {
    const { forks, supervisor } = await started();
    supervisor.stop('test', 0);
    supervisor.stop('again', 0);
    for (const fork of forks.all) expect(fork.received.filter(({ type }) => type === 'drain')).toHaveLength(1);
    await forks.all[0]!.exit(0);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(0);
  });

  it('lets a worker ask for a stop of the program, whose exit code decides', async () => {
    const { forks, log, supervisor } = await started();
    forks.all[1]!.say({ type: 'stop-program', reason: 'disk full', exitCode: 1 });
    expect((await log.line('stopping')).fields).toMatchObject({ reason: 'disk full', exitCode: 1 });
    for (const fork of forks.all) await fork.exit(0);
    expect(await supervisor.finished).toBe(1);
  });

  it('ends with exit code 1 when a worker left tasks unfinished', async () => {
    const { forks, supervisor } = await started();
    supervisor.stop('test', 0);
    forks.all[0]!.say({ type: 'drained', left: 2 });
    await forks.all[0]!.exit(1);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(1);
  });

  it('cancels waiting respawns on a stop', async () => {
    const { forks, clock, supervisor } = await started();
    await forks.all[0]!.exit(1);
    supervisor.stop('test', 0);
    clock.pass(60_000);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(0);
    expect(forks.all).toHaveLength(2);
  });

  it('kills what has not drained some seconds after the deadline', async () => {
    const { forks, clock, supervisor } = await started();
    supervisor.stop('test', 0);
    await forks.all[0]!.exit(0);
    clock.pass(64_999);
    expect(forks.all[1]!.signals).toEqual([]);
    clock.pass(1);
    expect(forks.all[1]!.signals).toEqual(['SIGKILL']);
    expect(await supervisor.finished).toBe(1);
  });

  it('kills a worker that gives no sign of life, and no other', async () => {
    const { forks, clock } = await started(withLimits({ hangTimeoutMs: 10_000 }));
    for (let second = 0; second < 12; second++) {
      clock.pass(1_000);
      forks.all[1]!.say({ type: 'heartbeat' });
    }
    expect(forks.all[0]!.signals).toEqual(['SIGKILL']);
    expect(forks.all[1]!.signals).toEqual([]);
  });

  it('replaces a worker as planned: drain, successor, ready; and counts no crash', async () => {
    const { forks, supervisor } = await started();
    const replaced = supervisor.replace(supervisor.slots[0]!);
    expect(forks.all[0]!.received.at(-1)).toEqual({ type: 'drain' });
    expect(forks.all).toHaveLength(2);
    await forks.all[0]!.exit(0);
    expect(forks.all).toHaveLength(3);
    forks.last().say({ type: 'ready', epoch: 2 });
    expect(await replaced).toBe(true);
    expect(supervisor.slots[0]!.describe(0)).toMatchObject({ state: 'running', respawns: 0, pid: 1002 });
  });

  it('takes a successor that stands by for one that has replaced its predecessor', async () => {
    const { forks, supervisor } = await started();
    const replaced = supervisor.replace(supervisor.slots[0]!);
    forks.all[0]!.say({ type: 'waiting', why: 'owned elsewhere' });
    expect(supervisor.slots[0]!.state).toBe('draining');
    await forks.all[0]!.exit(0);
    forks.last().say({ type: 'waiting', why: 'owned elsewhere' });
    expect(await replaced).toBe(true);
    expect(supervisor.slots[0]!.describe(0)).toMatchObject({ state: 'standby', pid: 1002 });
  });

  it('replaces a worker that asks for it, and counts no crash', async () => {
    const { forks, log, supervisor } = await started();
    forks.all[0]!.say({ type: 'restart', why: 'too much memory' });
    forks.all[0]!.say({ type: 'restart', why: 'too much memory' });
    expect(log.lines.filter(({ message }) => message === 'worker is replaced')).toMatchObject([
      { level: 'warn', fields: { index: 0, pid: 1000, why: 'too much memory' } },
    ]);
    expect(forks.all[0]!.received.filter(({ type }) => type === 'drain')).toHaveLength(1);
    await forks.all[0]!.exit(0);
    forks.last().say({ type: 'ready', epoch: 2 });
    expect(supervisor.slots[0]!.describe(0)).toMatchObject({ state: 'running', respawns: 0, pid: 1002 });
  });

  it('stops the program when workers of an index ask for it at once, too often in a row', async () => {
    const { forks, supervisor } = await started();
    let fork = forks.all[0]!;
    const leave = async (atOnce: boolean) => {
      fork.say({ type: 'restart', why: 'too much memory', atOnce });
      await fork.exit(0);
      fork = forks.last();
    };
    for (const atOnce of [true, true, false, true, true]) await leave(atOnce);
    expect(supervisor.isStopping).toBe(false);
    await leave(true);
    expect(supervisor.isStopping).toBe(true);
    await forks.all[1]!.exit(0);
    expect(await supervisor.finished).toBe(1);
  });

  it('says so where a worker that was to leave was killed by somebody else', async () => {
    const { forks, log, supervisor } = await started();
    void supervisor.replace(supervisor.slots[0]!);
    await forks.all[0]!.exit(null, 'SIGSEGV');
    expect(forks.all).toHaveLength(3);
    expect(log.lines.at(-1)).toMatchObject({
      level: 'error',
      message: 'a worker did not shut down gracefully',
      fields: { index: 0, signal: 'SIGSEGV' },
    });
  });

  it('tells the figures that its workers have at that moment', async () => {
    const { forks, supervisor } = await started();
    const status = supervisor.status();
    for (const [index, fork] of forks.all.entries()) {
      expect(fork.received.at(-1)).toEqual({ type: 'report' });
      fork.say({ type: 'stats', status: figures(index) });
    }
    expect((await status).slots.map(({ worker }) => worker?.tasksDone)).toEqual([0, 1]);
  });

  it('tells what a worker has said last where that one does not answer', async () => {
    const { forks, clock, supervisor } = await started();
    forks.all[0]!.say({ type: 'stats', status: figures(5) });
    const status = supervisor.status();
    clock.pass(2_000);
    expect((await status).slots.map(({ worker }) => worker?.tasksDone ?? null)).toEqual([5, null]);
  });

  it('does not wait for the figures of a worker that has ended', async () => {
    const { forks, supervisor } = await started({ roles: rolesOf([0]) });
    const status = supervisor.status();
    await forks.all[0]!.exit(1);
    expect((await status).slots[0]).toMatchObject({ state: 'down', worker: null });
  });

  it('forks one successor where a reload comes into the pause after a crash', async () => {
    const { forks, clock, supervisor } = await started();
    await forks.all[0]!.exit(1);
    const replaced = supervisor.replace(supervisor.slots[0]!);
    clock.pass(60_000);
    expect(forks.all).toHaveLength(3);
    forks.last().say({ type: 'ready', epoch: 2 });
    expect(await replaced).toBe(true);
  });

  it('takes no worker that is to leave for its successor', async () => {
    const { forks, supervisor } = await started();
    const replaced = supervisor.replace(supervisor.slots[0]!);
    forks.all[0]!.say({ type: 'ready', epoch: 1 });
    await forks.all[0]!.exit(0);
    await forks.last().exit(1);
    expect(await replaced).toBe(false);
  });

  it('ends with exit code 0 when a signal to the group ended workers that had not begun', async () => {
    const forks = simulatedForks();
    const supervisor = new Supervisor(OPTIONS, forks, manualClock(), capturingLogger());
    await supervisor.start();
    supervisor.stop('signal SIGINT', 0);
    for (const fork of forks.all) await fork.exit(null, 'SIGINT');
    expect(await supervisor.finished).toBe(0);
  });

  it('says that a replacement failed when the successor does not start', async () => {
    const { forks, supervisor } = await started();
    const replaced = supervisor.replace(supervisor.slots[0]!);
    await forks.all[0]!.exit(0);
    await forks.last().exit(1);
    expect(await replaced).toBe(false);
  });

  it('tells each worker what time it believes, so that a new one does not believe a clock that was set', async () => {
    const { forks, clock } = await started(withLimits({ hangTimeoutMs: 10 * DAY_MS }));
    const startMs = clock.now();
    const [first] = forks.all;
    const beat = () => first!.say({ type: 'heartbeat' });
    clock.set(30 * DAY_MS);
    beat();
    clock.pass(DAY_MS / 2);
    // Taken back and set once more: it has not lasted for a day.
    clock.set(-30 * DAY_MS);
    beat();
    clock.set(30 * DAY_MS);
    clock.pass(DAY_MS / 2);
    await forks.all[1]!.exit(1);
    clock.pass(OPTIONS.limits.respawn.backoffMs);
    forks.last().say({ type: 'hello', ...ownSpeaker() });
    const trustedMs = startMs + DAY_MS + OPTIONS.limits.respawn.backoffMs;
    expect(forks.last().received[0]).toMatchObject({ assignment: { index: 1, trustedMs } });
  });

  it('forks with new limits from when it is told of them, and treats each worker by its own', async () => {
    const { forks, clock, supervisor } = await started(withLimits({ hangTimeoutMs: 10_000 }));
    supervisor.takeOver(NEW_RELEASE, {
      respawn: { ...OPTIONS.limits.respawn, limit: 2, backoffMs: 10, backoffMostMs: 10 },
      heartbeatMs: 5_000,
      hangTimeoutMs: 10_000_000,
      shutdownTimeMs: 90_000,
    });
    await forks.all[1]!.exit(1);
    clock.pass(10);
    forks.last().say({ type: 'hello', ...ownSpeaker() });
    expect(forks.last().received[0]).toMatchObject({ assignment: { index: 1, heartbeatMs: 5_000 } });
    clock.pass(12_000);
    expect([forks.all[0]!.signals, forks.last().signals]).toEqual([['SIGKILL'], []]);
    await Promise.resolve();

    supervisor.stop('test', 0);
    clock.pass(94_999);
    expect(forks.all[2]!.signals).toEqual([]);
    clock.pass(1);
    expect(forks.all[2]!.signals).toEqual(['SIGKILL']);
    expect(await supervisor.finished).toBe(1);
  });

  it('ends a worker of another version and has its index wait, while the others go on', async () => {
    const { forks, clock, log, supervisor } = await started();
    for (const fork of forks.all) fork.say({ type: 'ready', epoch: 1 });
    await forks.all[0]!.exit(1);
    clock.pass(1_000);
    const foreign = forks.last();
    foreign.say({ type: 'hello', protocol: 99, version: '9.0.0' });
    expect([foreign.received, foreign.signals]).toEqual([[], ['SIGKILL']]);
    await foreign.exited;
    await Promise.resolve();
    expect(log.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'worker crashed; it comes back after a pause',
      'the worker cannot start',
      'worker cannot load its files; it tries again later',
    ]);
    expect(log.lines.find(({ message }) => message === 'the worker cannot start')?.fields).toMatchObject({
      index: 0,
      why: expect.stringMatching(/^restart needed: .*9\.0\.0 by now/),
    });
    expect(supervisor.isStopping).toBe(false);
    expect(supervisor.slots.map(({ state }) => state)).toEqual(['down', 'running']);
  });

  it('does not begin with workers of another version', async () => {
    const forks = simulatedForks();
    const supervisor = new Supervisor(OPTIONS, forks, manualClock(), capturingLogger());
    await supervisor.start();
    for (const fork of forks.all) fork.say({ type: 'hello' } as FromWorker);
    expect(await supervisor.finished).toBe(2);
  });

  it('asks a worker that does not answer only so often', async () => {
    const { forks, supervisor } = await started({ roles: rolesOf([0]) });
    const [worker] = forks.all;
    worker!.say({ type: 'ready', epoch: 1 });
    const [slot] = supervisor.slots;
    for (let asked = 0; asked < QUESTIONS_LIMIT; asked++) {
      void slot!.ask({ type: 'quarantine', action: 'drop', task: 'x' });
      void slot!.child!.report();
    }
    const received = worker!.received.length;
    expect(await slot!.ask({ type: 'quarantine', action: 'drop', task: 'x' })).toEqual({
      ok: false,
      why: 'the worker of index 0 has 1000 open questions',
    });
    await slot!.child!.report();
    expect(worker!.received).toHaveLength(received);
  });

  it('answers open questions with a reason when their worker ends', async () => {
    const { forks, supervisor } = await started();
    forks.all[0]!.say({ type: 'ready', epoch: 1 });
    const asked = supervisor.ask(0, { type: 'quarantine', action: 'drop', task: 'x' });
    await forks.all[0]!.exit(null, 'SIGKILL');
    expect(await asked).toEqual({ ok: false, why: 'the worker of index 0 has ended' });
    expect(await supervisor.ask(7, { type: 'quarantine', action: 'drop', task: 'x' })).toMatchObject({ ok: false });
  });
});
