import { expect, it } from 'vitest';
import { ownSpeaker, type Speaker } from '../../lib/ipc/protocol.js';
import { rehearse } from '../../lib/primary/rehearsal.js';
import { worker } from '../../lib/primary/roles.js';
import { manualClock } from '../support/clock.js';
import { simulatedForks } from './forks.js';

const ASSIGNMENT = { index: 0, heartbeatMs: 0, config: { dir: 'config', flags: {} } };
const NOT_STARTED = 'a new worker could not start, so all keep the old one: ';

function rehearsing(hello: Speaker = ownSpeaker()) {
  const forks = simulatedForks();
  const clock = manualClock();
  const fork = forks.another(worker(0), { programs: '/bin', workingDir: '/', configDir: 'config' });
  const why = rehearse(fork, ASSIGNMENT, 1_000, clock);
  const simulated = forks.last();
  simulated.say({ type: 'hello', ...hello });
  return { clock, simulated, why };
}

it.each([null, 'nets.js: a mistake'])('tells what the process found (%s), and ends it', async (found) => {
  const { clock, simulated, why } = rehearsing();
  expect(simulated.received).toEqual([{ type: 'rehearse', assignment: ASSIGNMENT, ...ownSpeaker() }]);
  simulated.say({ type: 'rehearsed', why: found });
  expect(await why).toBe(found === null ? null : `${NOT_STARTED}${found}`);
  expect(simulated.signals).toEqual(['SIGKILL']);
  expect(clock.waiting).toBe(0);
});

it('takes a process that ends for one that could not start', async () => {
  const { simulated, why } = rehearsing();
  await simulated.exit(3);
  expect(await why).toBe(`${NOT_STARTED}the process that tried it ended (exit code 3)`);
});

it('says why where no process can be made', async () => {
  const { simulated, why } = rehearsing();
  await simulated.fail(new Error('spawn node EAGAIN'));
  expect(await why).toBe(`${NOT_STARTED}no process could be made to try it: spawn node EAGAIN`);
});

it('gives up what never ends', async () => {
  const { clock, why } = rehearsing();
  clock.pass(1_000);
  expect(await why).toBe(`${NOT_STARTED}it was not loaded within 1000 ms`);
});

it('says of files of another version that a restart is needed, whichever side finds out', async () => {
  const found = rehearsing({ protocol: 99, version: '9.0.0' });
  expect(await found.why).toMatch(/^restart needed: .* runs is dp3-cluster .*, on disk is 9\.0\.0/);
  expect(found.simulated.received).toEqual([]);
  const told = rehearsing();
  told.simulated.say({ type: 'rehearsed', why: 'restart needed: of the data folder', restart: true });
  expect(await told.why).toBe('restart needed: of the data folder');
});

it('takes a process that does not say who it is for one of 0.1.0', async () => {
  const { why } = rehearsing({} as Speaker);
  expect(await why).toMatch(/^restart needed: .* on disk is 0\.1\.0/);
});
