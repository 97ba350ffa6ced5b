/** The watchdog: what stands still, runs too long or holds up all others is found at its next look. */
import { describe, expect, it } from 'vitest';
import type { RunningTask } from '../../lib/executor/executor.js';
import { Periodic } from '../../lib/runtime/periodic.js';
import { startAll, stopAll } from '../../lib/runtime/service.js';
import { type WatchdogOptions, watchdogs } from '../../lib/upkeep/watchdog.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';

const INTERVAL_MS = 30_000;

function bed(
  given: {
    memory?: number[];
    baseline?: number;
    stuck?: boolean;
    window?: number;
    filledBy?: { key: string; tasks: number };
  } = {},
) {
  const clock = manualClock();
  const log = capturingLogger();
  const events = eventsLoggedTo(log);
  const running: RunningTask[] = [];
  const seen: string[] = [];
  events.on('task-hanging', ({ key, hook, durationMs }) => seen.push(`${key} hangs in ${hook} for ${durationMs}`));
  events.on('window-full', ({ filledBy, tasks }) => seen.push(`${filledBy?.key ?? null} of ${tasks}`));
  let looks = 0;
  const tasks = given.window ?? 0;
  const window = { tasks, tasksLimit: 10, bytes: 0, bytesLimit: 100, full: tasks === 10 };
  const pipeline = {
    status: () => ({
      busy: 0,
      waiting: 1,
      keys: 1,
      restarts: 1,
      window: { ...window, filledBy: given.filledBy ?? null },
    }),
    revive: () => {
      looks++;
      return given.stuck ?? false;
    },
  };
  const works = watchdogs({
    pipeline: pipeline as unknown as WatchdogOptions['pipeline'],
    running: () => running,
    intervalMs: INTERVAL_MS,
    hangTimeoutMs: 45_000,
    events,
    log,
    memory: {
      bytes: () => given.memory?.shift() ?? 0,
      baselineBytes: given.baseline ?? 0,
      limitBytes: given.memory ? 100 : null,
      outgrown: (why, atOnce) => seen.push(`${why}${atOnce ? ', at once' : ''}`),
    },
  });
  const services = works.map((work) => new Periodic(work, clock));
  const watchdog = { start: () => startAll(services), stop: () => stopAll(services) };
  /** As many intervals. */
  const pass = async (intervals = 1) => {
    for (let n = 0; n < intervals; n++) {
      clock.pass(INTERVAL_MS);
      await nextTurn();
    }
  };
  return {
    clock,
    log,
    running,
    seen,
    watchdog,
    pass,
    looks: () => looks,
  };
}

describe('the watchdog', () => {
  it('looks once in an interval, and leaves no timer behind when it stops', async () => {
    const { clock, watchdog, looks, pass } = bed();
    await watchdog.start();
    clock.pass(INTERVAL_MS - 1);
    expect(looks()).toBe(0);
    clock.pass(1);
    await nextTurn();
    await pass(2);
    expect(looks()).toBe(3);
    await watchdog.stop();
    expect(clock.waiting).toBe(0);
    await pass();
    expect(looks()).toBe(3);
  });

  it('says so when lanes stood still', async () => {
    const { pass, watchdog, log } = bed({ stuck: true });
    await watchdog.start();
    await pass();
    expect(log.lines).toMatchObject([{ level: 'error', message: 'lanes stood still and were set going' }]);
  });

  it('names key and hook of a task that runs longer than hang_timeout, once a task', async () => {
    const { pass, watchdog, running, seen, log } = bed();
    await watchdog.start();
    running.push({ id: 'a', key: 'ip:192.0.2.1', runningMs: 45_001, hook: 'geo onEntityCreation' });
    running.push({ id: 'b', key: 'ip:192.0.2.2', runningMs: 45_000, hook: null });
    await pass();
    await pass();
    const line = 'ip:192.0.2.1 hangs in geo onEntityCreation for 45001';
    expect(seen).toEqual([line]);
    expect(log.lines).toMatchObject([{ fields: { id: 'a', entity: 'ip:192.0.2.1', hook: 'geo onEntityCreation' } }]);

    // Gone, and there again: it was redelivered and hangs anew.
    const [first] = running.splice(0);
    await pass();
    running.push(first!);
    await pass();
    expect(seen).toEqual([line, line]);
  });

  it('tells of a full window, and names the entity in the log that holds most of it', async () => {
    const { pass, watchdog, seen, log } = bed({ window: 10, filledBy: { key: 'ip:192.0.2.1', tasks: 6 } });
    await watchdog.start();
    await pass();
    expect(seen).toEqual(['ip:192.0.2.1 of 10']);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { entity: 'ip:192.0.2.1', waiting: 6, tasks: 10 } }]);
  });

  it('asks for a restart once when the process has more memory than is allowed', async () => {
    const { pass, watchdog, seen } = bed({ memory: [100, 101, 102] });
    await watchdog.start();
    await pass();
    expect(seen).toEqual([]);
    await pass(2);
    expect(seen).toEqual([
      'its resident memory is 101 bytes, 0 of them before its first task; allowed are 100 (max_memory)',
    ]);
  });

  it.each([
    [100, ''],
    [101, ', at once'],
  ])('says whether the process had too much with the %d bytes before its first task', async (baseline, told) => {
    const { pass, watchdog, seen } = bed({ memory: [103], baseline });
    await watchdog.start();
    await pass();
    expect(seen).toEqual([
      `its resident memory is 103 bytes, ${baseline} of them before its first task; allowed are 100 (max_memory)${told}`,
    ]);
  });

  it('writes nothing where the tasks of many entities fill the window, or where it has room', async () => {
    for (const { told, ...given } of [
      { window: 10, told: ['null of 10'] },
      { window: 9, told: [] },
    ]) {
      const { pass, watchdog, log, seen } = bed(given);
      await watchdog.start();
      await pass();
      expect(log.lines).toEqual([]);
      expect(seen).toEqual(told);
    }
  });
});
