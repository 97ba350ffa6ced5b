import { expect, it } from 'vitest';
import { rehearse } from '../../lib/primary/rehearsal.js';
import { manualClock } from '../support/clock.js';
import { simulatedForks } from './forks.js';

const ASSIGNMENT = { index: 0, heartbeatMs: 0, config: { dir: 'config', flags: {} } };

function rehearsing() {
  const forks = simulatedForks();
  const clock = manualClock();
  const fork = forks.another();
  const why = rehearse(fork, ASSIGNMENT, 1_000, clock);
  const simulated = forks.last();
  simulated.say({ type: 'hello' });
  return { clock, simulated, why };
}

it.each([null, 'nets.js: a mistake'])('tells what the process found (%s), and ends it', async (found) => {
  const { clock, simulated, why } = rehearsing();
  expect(simulated.received).toEqual([{ type: 'rehearse', assignment: ASSIGNMENT }]);
  simulated.say({ type: 'rehearsed', why: found });
  expect(await why).toBe(found);
  expect(simulated.signals).toEqual(['SIGKILL']);
  expect(clock.waiting).toBe(0);
});

it('takes a process that ends for one that could not start', async () => {
  const { simulated, why } = rehearsing();
  await simulated.exit(3);
  expect(await why).toBe('the process that tried it ended (exit code 3)');
});

it('says why where no process can be made', async () => {
  const { simulated, why } = rehearsing();
  await simulated.fail(new Error('spawn node EAGAIN'));
  expect(await why).toBe('no process could be made to try it: spawn node EAGAIN');
});

it('gives up what never ends', async () => {
  const { clock, why } = rehearsing();
  clock.pass(1_000);
  expect(await why).toBe('it was not loaded within 1000 ms');
});
