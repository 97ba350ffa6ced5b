/** When it is looked for losses, and back to when; what is found is tested with real queues (queue/amqp/losses.test.ts). */
import { expect, it } from 'vitest';
import { Periodic } from '../../lib/runtime/periodic.js';
import { LossSearch } from '../../lib/upkeep/lost-tasks.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';

const MINUTE = 60_000;

it('a look that follows a task of hours reaches back to the look before', async () => {
  const clock = manualClock();
  let settled: number | null = null;
  const looks: (number | null)[] = [];
  const streams = {
    missing: async (_: unknown, sinceMs: number | null) => {
      looks.push(sinceMs);
      return looks.length === 1 ? [{ stream: 'a', positions: '{[1,2)}' }] : [];
    },
    lose: async () => [{ stream: 'a', tasks: 1, from: 1, to: 1 }],
    lost: async () => [],
  };
  const log = capturingLogger();
  const search = new LossSearch({
    ownership: { index: 0, epoch: 1 },
    streams,
    reader: { redeliveryHorizon: async () => settled },
    intervalMs: MINUTE,
    clock,
    events: eventsLoggedTo(log),
    log,
  });
  const losses = new Periodic(search, clock);
  const pass = async () => {
    while (clock.waiting === 0) await new Promise(setImmediate);
    clock.pass(MINUTE);
  };
  await losses.start();
  for (let minute = 0; minute < 180; minute++) await pass();
  expect([looks, log.lines]).toEqual([[null], []]);
  settled = clock.monotonic();
  await pass();
  while (clock.waiting === 0) await new Promise(setImmediate);
  expect(log.lines).toMatchObject([{ fields: { stream: 'a', tasks: 1, from: 1, to: 1 } }]);
  expect(looks).toEqual([null, 181 * MINUTE]);
  await losses.stop();
});
