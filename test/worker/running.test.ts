/** A worker as a whole: its end. Its parts have tests of their own. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Emissions } from '../../lib/commit/emissions.js';
import { requireConfiguration } from '../../lib/config/load.js';
import { createEvents } from '../../lib/observability/events.js';
import { collectMetrics } from '../../lib/observability/metrics.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import { Records } from '../../lib/store/records.js';
import type { StoreEvents } from '../../lib/store/store.js';
import { RunningWorker, type WorkerParts } from '../../lib/worker/running.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';
import { MemoryQueue } from '../support/memory-queue.js';
import { MemoryStore } from '../support/memory-store.js';
import { loadTestModel } from '../support/model.js';

const ORDERS = {
  stopProgram: () => {},
  stopWorker: () => {},
  restartWorker: () => {},
  standBy: () => {},
  waiting: () => {},
};

it('ends although what its parts share can not be left', async () => {
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
    root: Object.assign(capturingLogger(), { close: async () => void stopped.push('log') }),
    clock,
    events,
    metrics: collectMetrics(events, clock),
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

it('does nothing more for an index that is lost, lets what runs end, and has another worker stand by', async () => {
  const clock = manualClock();
  const events = createEvents();
  const steps: string[] = [];
  const part = (name: string) => ({
    name,
    onObstacle: () => {},
    start: async () => {},
    stop: async () => void steps.push(name),
  });
  let lose = (_: string) => {};
  const emissions = new Emissions();
  const queue = new MemoryQueue();
  const store = Object.assign(new MemoryStore(), {
    stop: async () => void steps.push('store'),
    release: async () => void steps.push('release'),
    listen: (events: StoreEvents) => {
      lose = events.lost;
    },
  });
  const parts = {
    configuration: requireConfiguration({ dir: join(import.meta.dirname, '..', '..', 'config'), env: 'test' })
      .configuration,
    spec: loadTestModel(),
    index: 0,
    root: Object.assign(capturingLogger(), { close: async () => {} }),
    clock,
    events,
    metrics: collectMetrics(events, clock),
    backend: { reader: queue, writer: part('writer'), store, leave: async () => {}, patienceMs: 0 },
    records: new Records(store, { bytes: 1_000 }),
    executor: { running: () => [] },
    storeTroubles: new Troubles(),
    emissions,
    modules: part('modules'),
    scheduler: part('scheduler'),
    sweeper: part('sweeper'),
  };
  const told: string[] = [];
  const orders = { ...ORDERS, standBy: (why: string) => told.push(why), stopWorker: () => told.push('crash') };
  const worker = new RunningWorker(parts as unknown as WorkerParts, orders);
  events.on('ownership-lost', ({ index, epoch }) => told.push(`${index} ${epoch}`));
  await worker.start();
  const emitted = emissions.send([{ id: 'e', key: 'ip:e', index: 0, priority: true, body: Buffer.from('{}') }]);
  lose('another process has it');
  lose('another process has it');
  await expect(emitted).rejects.toMatchObject({ code: 'OWNERSHIP_LOST', message: 'another process has it' });
  expect(told).toEqual(['0 1', 'another process has it']);
  expect(steps).toEqual(['scheduler', 'sweeper']);
  expect(queue.paused).toBe(true);
  expect(await worker.stop(Deadline.in(60_000, clock))).toEqual({ left: 0 });
  expect(steps).toEqual(['scheduler', 'sweeper', 'sweeper', 'scheduler', 'modules', 'writer', 'store']);
  expect(store.stored).toEqual([]);
});
