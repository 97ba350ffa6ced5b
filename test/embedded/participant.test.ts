/** How a producer finds its place in a data folder where others come, go and leave damage behind. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MOST_PRODUCERS, producerName } from '../../lib/embedded/folder.js';
import { joinAsProducer } from '../../lib/embedded/participant.js';
import { manualClock } from '../support/clock.js';
import { dataFolder, type TestFolder } from '../support/data-folder.js';

/** So many environments that cannot be used, from a number on. */
function damage(folder: TestFolder, count: number, from = 0): void {
  for (let n = from; n < from + count; n++) writeFileSync(join(folder.path, producerName(n)), 'in the way');
}

it('leaves a damaged environment alone and takes the next one', async () => {
  const folder = dataFolder();
  damage(folder, 1);
  mkdirSync(join(folder.path, producerName(1)));
  writeFileSync(join(folder.path, producerName(1), 'data.mdb'), 'hello');
  expect((await folder.producer()).environment.name).toBe('producer-2');
});

it('says what is wrong with the first one where none can be used', async () => {
  const folder = dataFolder();
  damage(folder, MOST_PRODUCERS);
  await expect(folder.producer()).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('producer-0 cannot be used'),
  });
});

it('waits for one of too many to end and says so, but not forever', async () => {
  const folder = dataFolder();
  const taken = await folder.environment(producerName(0));
  taken.claim();
  damage(folder, MOST_PRODUCERS - 1, 1);
  const clock = manualClock();
  const said: string[] = [];
  const joining = joinAsProducer(folder, { clock }, (why) => said.push(why));
  await expect.poll(() => clock.waiting).toBe(1);
  expect(said).toEqual([expect.stringContaining(`${MOST_PRODUCERS} producers send`)]);
  await taken.stop();
  clock.pass(100);
  const participant = await joining;
  expect(participant.environment.name).toBe('producer-0');
  const late = joinAsProducer(folder, { clock });
  const refused = expect(late).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  const passing = setInterval(() => clock.pass(1_000), 1);
  await refused;
  clearInterval(passing);
  await participant.leave();
});

it('waits for a place no longer once its signal has fired', async () => {
  const folder = dataFolder();
  (await folder.environment(producerName(0))).claim();
  damage(folder, MOST_PRODUCERS - 1, 1);
  const clock = manualClock();
  const controller = new AbortController();
  const joining = joinAsProducer(folder, { clock }, () => {}, controller.signal);
  const refused = expect(joining).rejects.toThrow('interrupted');
  await expect.poll(() => clock.waiting).toBe(1);
  controller.abort(new Error('interrupted'));
  clock.pass(1_000);
  await refused;
});
