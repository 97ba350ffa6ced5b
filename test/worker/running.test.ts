/** A worker as a whole: its end, also one in the middle of its start or without its store. Its parts have tests of their own. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Emissions } from '../../lib/commit/emissions.js';
import { requireConfiguration } from '../../lib/config/load.js';
import type { Task } from '../../lib/model/task.js';
import { createEvents } from '../../lib/observability/events.js';
import { collectMetrics } from '../../lib/observability/metrics.js';
import type { Clock } from '../../lib/runtime/clock.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import type { Service } from '../../lib/runtime/service.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { TrustedTime } from '../../lib/runtime/trusted-time.js';
import { Scheduler } from '../../lib/scheduler/scheduler.js';
import { Records } from '../../lib/store/records.js';
import type { CommitOutcome, Ownership, StoreEvents } from '../../lib/store/store.js';
import type { Orders } from '../../lib/worker/life.js';
import { RunningWorker, type WorkerParts } from '../../lib/worker/running.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';
import { MemoryQueue } from '../support/memory-queue.js';
import { MemoryStore } from '../support/memory-store.js';
import { loadTestModel } from '../support/model.js';

const ORDERS = {
  stopProgram: () => {},
  stopWorker: () => {},
  restartWorker: () => {},
  standBy: () => {},
  waiting: () => {},
  suspect: () => {},
};

it('ends although what its parts share cannot be left', async () => {
  const clock = manualClock();
  const events = createEvents();
  const stopped: string[] = [];
  const part = (name: string) => ({
    name,
    obstacle: null,
    onObstacle: () => {},
    start: async () => {},
    stop: async () => void stopped.push(name),
  });
  const parts = {
    configuration: { shutdownTimeMs: 30_000 },
    telemetry: {
      log: Object.assign(capturingLogger(), { close: async () => void stopped.push('log') }),
      events,
      metrics: collectMetrics(events, clock),
    },
    clock,
    backend: {
      reader: part('reader'),
      writer: part('writer'),
      store: { ...part('store'), listen: () => {} },
      leave: () => new Promise(() => {}),
    },
    modules: part('modules'),
  };
  const worker = new RunningWorker(parts as unknown as WorkerParts, ORDERS);
  let ended = false;
  const stopping = worker.stop(Deadline.in(0, clock)).finally(() => {
    ended = true;
  });
  for (let turn = 0; turn < 100 && !ended; turn++) {
    await nextTurn();
    clock.pass(100);
  }
  expect(ended).toBe(true);
  expect(await stopping).toEqual({ left: 0 });
  expect(stopped.at(-1)).toBe('log');
});

/** A worker over a store in memory; `steps` has what of it was stopped. */
function workerOf(store: MemoryStore, { orders = ORDERS, modules = () => {}, scheduler }: Given = {}) {
  const clock = manualClock();
  const events = createEvents();
  const steps: string[] = [];
  const part = (name: string, start: () => unknown = () => {}) => ({
    name,
    onObstacle: () => {},
    start: async () => void (await start()),
    stop: async () => void steps.push(name),
  });
  let lose = (_: string) => {};
  const release = store.release.bind(store);
  const stop = store.stop.bind(store);
  Object.assign(store, {
    stop: () => {
      steps.push('store');
      return stop();
    },
    release: (ownership: Ownership) => {
      steps.push('release');
      return release(ownership);
    },
    listen: (events: StoreEvents) => {
      lose = events.lost;
    },
  });
  const emissions = new Emissions();
  const queue = new MemoryQueue();
  const parts = {
    configuration: requireConfiguration({ dir: join(import.meta.dirname, '..', '..', 'config'), env: 'test' })
      .configuration,
    spec: loadTestModel(),
    index: 0,
    telemetry: {
      log: Object.assign(capturingLogger(), { close: async () => {} }),
      events,
      metrics: collectMetrics(events, clock),
    },
    clock,
    backend: { reader: queue, writer: part('writer'), store, own: () => store.own(0), leave: async () => {} },
    engine: {
      records: new Records(store, { bytes: 1_000 }),
      executor: { running: () => [] },
      storeTroubles: new Troubles(),
      emissions,
      submit: async () => {},
    },
    modules: part('modules', () => modules(emissions)),
    scheduler: scheduler?.(emissions, clock) ?? part('scheduler'),
    time: new TrustedTime(clock),
  };
  const worker = new RunningWorker(parts as unknown as WorkerParts, orders);
  return { worker, clock, events, steps, emissions, queue, lose: (why: string) => lose(why) };
}

interface Given {
  readonly orders?: Orders;
  /** What their start does. */
  readonly modules?: (emissions: Emissions) => unknown;
  readonly scheduler?: (emissions: Emissions, clock: Clock) => Service;
}

const emitted = (id: string) => ({ id, key: `ip:${id}`, index: 0, priority: true, body: Buffer.from('{}') });

it('does nothing more for an index that is lost, lets what runs end, and has another worker stand by', async () => {
  const told: string[] = [];
  const orders = { ...ORDERS, standBy: (why: string) => told.push(why), stopWorker: () => told.push('crash') };
  const store = new MemoryStore();
  const { worker, clock, events, steps, emissions, queue, lose } = workerOf(store, { orders });
  events.on('ownership-lost', ({ index, epoch }) => told.push(`${index} ${epoch}`));
  await worker.start();
  const sent = emissions.send([emitted('e')]);
  lose('another process has it');
  lose('another process has it');
  await expect(sent).rejects.toMatchObject({ code: 'OWNERSHIP_LOST', message: 'another process has it' });
  expect(told).toEqual(['0 1', 'another process has it']);
  expect(steps).toEqual(['scheduler']);
  expect(queue.paused).toBe(true);
  expect(await worker.stop(Deadline.in(60_000, clock))).toEqual({ left: 0 });
  expect(steps).toEqual(['scheduler', 'scheduler', 'modules', 'writer', 'store']);
  expect(store.stored).toEqual([]);
});

/** A store whose commit ends as it is told. */
class HeldStore extends MemoryStore {
  end: (outcome: CommitOutcome) => void = () => {};
  fail: (error: unknown) => void = () => {};
  begun = false;

  override commit(): Promise<CommitOutcome> {
    this.begun = true;
    return new Promise((end, fail) => Object.assign(this, { end, fail }));
  }
}

const HOUR_MS = 3_600_000;
const FULL = new ApplicationError('STORE_FAILED', 'the disk is full');

/** A worker with a job whose task waits for its commit. */
async function withWaitingJob() {
  const store = new HeldStore();
  const told: string[] = [];
  const orders = { ...ORDERS, stopProgram: (why: string) => told.push(why) };
  const log = capturingLogger();
  const scheduler = (emissions: Emissions, clock: Clock) =>
    new Scheduler({
      jobs: [
        {
          module: 'm',
          name: 'job',
          schedule: { text: 'hourly', next: (after) => after + HOUR_MS, show: String },
          run: () => [{} as Task],
        },
      ],
      submit: () => emissions.send([emitted('of-a-job')]),
      owns: () => true,
      misfireGraceMs: 1_000,
      clock,
      events: eventsLoggedTo(log),
    });
  const parts = workerOf(store, { orders, scheduler });
  await parts.worker.start();
  parts.clock.pass(HOUR_MS);
  for (let turn = 0; turn < 100 && !store.begun; turn++) await nextTurn();
  expect(store.begun).toBe(true);
  return { ...parts, store, told, log };
}

/** Resolves when it ends without any time passing. */
async function endsAtOnce<T>(promise: Promise<T>): Promise<T | 'waits'> {
  const turns = (async () => {
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    return 'waits' as const;
  })();
  return Promise.race([promise, turns]);
}

it('tells whoever waits for a commit that none comes any more, so that a stop waits for nobody', async () => {
  const { worker, clock, emissions, store, told, log } = await withWaitingJob();
  store.fail(FULL);
  await nextTurn();
  expect(told).toEqual(['the disk is full']);
  expect(log.lines.at(-1)).toMatchObject({ message: 'a scheduled job failed', fields: { tasksLost: 1, error: FULL } });
  expect(await endsAtOnce(emissions.send([emitted('later')]).catch((error: unknown) => error))).toBe(FULL);
  expect(await endsAtOnce(worker.stop(Deadline.in(60_000, clock)))).toEqual({ left: 0 });
});

it.each(['fails for good', 'finds another owner'])(
  'ends at once where the store %s in the middle of a drain',
  async (how) => {
    const { worker, clock, store } = await withWaitingJob();
    const stopping = worker.stop(Deadline.in(60_000, clock));
    await nextTurn();
    if (how === 'fails for good') store.fail(FULL);
    else store.end({ kind: 'outdated' });
    expect(await endsAtOnce(stopping)).toEqual({ left: 0 });
  },
);

it('stops the store after its modules, also where they are just starting and wait for what they emit', async () => {
  let begun = () => {};
  const starting = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let emit = () => {};
  const modules = async (emissions: Emissions) => {
    begun();
    await new Promise<void>((resolve) => {
      emit = resolve;
    });
    await emissions.send([emitted('of-a-start')]);
  };
  const store = new MemoryStore();
  const { worker, clock, steps } = workerOf(store, { modules });
  const started = worker.start();
  await starting;
  const stopping = worker.stop(Deadline.in(60_000, clock));
  await nextTurn();
  expect(steps).not.toContain('store');
  emit();
  expect(await endsAtOnce(stopping)).toEqual({ left: 0 });
  await started;
  expect(store.stored.map(({ result }) => result.derived.map(({ key }) => key))).toEqual([['ip:of-a-start']]);
  expect(steps.slice(-2)).toEqual(['release', 'store']);
});
