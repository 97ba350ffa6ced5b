/** Upkeep: goes on while the store has more to remove, and leaves most of the time to others. */
import { expect, it } from 'vitest';
import { Upkeep } from '../../lib/worker/upkeep.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';
import { capturingLogger } from '../support/logger.js';

const STEP_MS = 8;

/** A store that has something to remove for so many steps. */
function bed(steps: number) {
  const clock = manualClock();
  const log = capturingLogger();
  const state = { purged: 0, fails: false };
  const purge = async () => {
    state.purged++;
    await Promise.resolve();
    clock.pass(STEP_MS);
    if (state.fails) throw new Error('the store is away');
    return --steps > 0;
  };
  return { clock, log, state, upkeep: new Upkeep({ purge }, clock, log) };
}

it('takes step after step until nothing is left, and rests three times as long as each took', async () => {
  const { clock, state, upkeep } = bed(3);
  upkeep.begin();
  for (const purged of [1, 2]) {
    await nextTurn();
    clock.pass(3 * STEP_MS - 1);
    expect(state.purged).toBe(purged);
    clock.pass(1);
  }
  await nextTurn();
  expect([state.purged, clock.waiting]).toEqual([3, 0]);
  upkeep.begin();
  expect(state.purged).toBe(4);
});

it('does one step at a time, however often it is begun', async () => {
  const { clock, state, upkeep } = bed(2);
  for (let begun = 0; begun < 3; begun++) upkeep.begin();
  await nextTurn();
  upkeep.begin();
  expect([state.purged, clock.waiting]).toEqual([1, 1]);
});

it('says why a step failed, and tries again when it is begun again', async () => {
  const { clock, state, upkeep, log } = bed(9);
  state.fails = true;
  upkeep.begin();
  await nextTurn();
  expect(log.lines).toMatchObject([{ level: 'warn' }]);
  expect(clock.waiting).toBe(0);
  state.fails = false;
  upkeep.begin();
  await nextTurn();
  expect([state.purged, clock.waiting]).toEqual([2, 1]);
});

it('ends where it is when it is stopped', async () => {
  const { clock, state, upkeep } = bed(9);
  upkeep.begin();
  await nextTurn();
  upkeep.stop();
  clock.pass(1_000);
  upkeep.begin();
  expect([state.purged, clock.waiting]).toEqual([1, 0]);
});
