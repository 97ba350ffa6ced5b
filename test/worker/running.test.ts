/** A worker as a whole: its end. Its parts have tests of their own. */
import { expect, it } from 'vitest';
import { createEvents } from '../../lib/observability/events.js';
import { collectMetrics } from '../../lib/observability/metrics.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import { RunningWorker, type WorkerParts } from '../../lib/worker/running.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';

const ORDERS = { stopProgram: () => {}, stopWorker: () => {}, restartWorker: () => {}, waiting: () => {} };

it('ends although what its parts share can not be left', async () => {
  const clock = manualClock();
  const events = createEvents();
  const stopped: string[] = [];
  const part = (name: string) => ({
    name,
    onBlocked: () => {},
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
