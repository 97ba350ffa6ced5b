/** The purge: goes on while the store has more to remove, and leaves most of the time to others. */
import { expect, it } from 'vitest';
import { Periodic } from '../../lib/runtime/periodic.js';
import { purge } from '../../lib/upkeep/purge.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';

const STEP_MS = 8;
const EVERY_MS = 1_000;

/** A store that has something to remove for so many steps, a period later. */
async function bed(steps: number) {
  const clock = manualClock();
  const log = capturingLogger();
  const state = { purged: 0, fails: false };
  const store = {
    purge: async () => {
      state.purged++;
      await Promise.resolve();
      clock.pass(STEP_MS);
      if (state.fails) throw new Error('the store is away');
      return --steps > 0;
    },
  };
  const service = new Periodic(purge({ store, everyMs: EVERY_MS, clock, log }), clock);
  await service.start();
  const pass = async (ms: number) => {
    clock.pass(ms);
    await nextTurn();
  };
  return { clock, log, state, service, pass };
}

it('takes step after step until nothing is left, and rests three times as long as each took', async () => {
  const { state, pass } = await bed(3);
  await pass(EVERY_MS);
  for (const purged of [1, 2]) {
    await pass(3 * STEP_MS - 1);
    expect(state.purged).toBe(purged);
    await pass(1);
  }
  await pass(EVERY_MS - 1);
  expect(state.purged).toBe(3);
  await pass(1);
  expect(state.purged).toBe(4);
});

it('says why a step failed, and tries again a period later', async () => {
  const { state, log, pass } = await bed(9);
  state.fails = true;
  await pass(EVERY_MS);
  expect(log.lines).toMatchObject([{ level: 'warn' }]);
  state.fails = false;
  await pass(EVERY_MS - 1);
  expect(state.purged).toBe(1);
  await pass(1);
  expect(state.purged).toBe(2);
});

it('ends where it is when it is stopped', async () => {
  const { clock, state, service, pass } = await bed(9);
  await pass(EVERY_MS);
  await service.stop();
  await pass(EVERY_MS);
  expect([state.purged, clock.waiting]).toEqual([1, 0]);
});
