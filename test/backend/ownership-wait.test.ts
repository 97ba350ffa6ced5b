/** Taking an index that another process still owns: when it is tried again, and when it is given up. */
import { expect, it } from 'vitest';
import { waitForOwnership } from '../../lib/backend/ownership-wait.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';

/** Tries to take what is owned elsewhere until it has been refused so often; `pass` lets time pass and what follows from it happen. */
function bed(refusals: number) {
  const clock = manualClock();
  const tries: number[] = [];
  const told: string[] = [];
  const take = async () => {
    if (tries.push(clock.monotonic()) <= refusals) throw new ApplicationError('OWNED_ELSEWHERE', 'it is owned');
    return 'taken';
  };
  const taking = waitForOwnership(take, { mostMs: 1_000, clock, waiting: (why) => told.push(why) });
  const pass = async (times: number) => {
    for (let time = 0; time < times; time++) {
      await nextTurn();
      clock.pass(250);
    }
  };
  return { clock, tries, told, taking, pass };
}

it('tries again four times a second, by the clock that it was given, and says once what it waits for', async () => {
  const { tries, told, taking, pass, clock } = bed(3);
  await pass(3);
  expect(await taking).toBe('taken');
  expect([tries, told, clock.waiting]).toEqual([[0, 250, 500, 750], ['it is owned'], 0]);
});

it('gives up when its patience is over', async () => {
  const { tries, taking, pass } = bed(100);
  const refused = expect(taking).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  await pass(8);
  await refused;
  expect(tries.at(-1)).toBe(1_250);
});
