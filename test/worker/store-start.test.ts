import { expect, it } from 'vitest';
import { ApplicationError, type ErrorCode } from '../../lib/runtime/errors.js';
import { StoreStart } from '../../lib/worker/store-start.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';
import { MemoryStore } from '../support/memory-store.js';

/** A store that fails to start with these codes, one after the other, and then starts. */
function failing(...codes: readonly ErrorCode[]) {
  const [clock, log, store] = [manualClock(), capturingLogger(), new MemoryStore()];
  const left = [...codes];
  let attempts = 0;
  store.start = async () => {
    attempts++;
    const code = left.shift();
    if (code !== undefined) throw new ApplicationError(code, `attempt ${attempts}: ${code}`);
  };
  const start = new StoreStart(store, clock, log);
  let stops = 0;
  store.stop = async () => void stops++;
  return { start, clock, log, attempts: () => attempts, stops: () => stops };
}

/** Lets everything happen that waits for no time. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

it('waits for a store that does not answer, longer each time, and says when it does', async () => {
  const { start, clock, log, attempts } = failing('STORE_UNAVAILABLE', 'STORE_UNAVAILABLE', 'STORE_UNAVAILABLE');
  const running = start.run();
  for (const pauseMs of [1_000, 2_000, 5_000]) {
    await settle();
    expect(start.trouble).toBe(`attempt ${attempts()}: STORE_UNAVAILABLE`);
    clock.pass(pauseMs - 1);
    const before = attempts();
    await settle();
    expect(attempts()).toBe(before);
    clock.pass(1);
  }
  await running;
  expect([attempts(), start.trouble, log.lines.at(-1)?.message]).toEqual([4, null, 'the store can be reached now']);
});

it('throws what cannot pass by itself', async () => {
  const { start } = failing('STORE_DENIED');
  await expect(start.run()).rejects.toMatchObject({ code: 'STORE_DENIED' });
});

it('ends at once when it is stopped while it waits', async () => {
  const { start, attempts, stops } = failing('STORE_UNAVAILABLE');
  const running = start.run();
  await settle();
  start.stop();
  await expect(running).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect([attempts(), stops()]).toEqual([1, 1]);
});

it('leaves a store alone that has started: others use it', async () => {
  const { start, stops } = failing();
  await start.run();
  start.stop();
  expect(stops()).toBe(0);
});

it('starts no store for a worker that has been stopped, and hands out none that was stopped meanwhile', async () => {
  const early = failing();
  early.start.stop();
  await expect(early.start.run()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect([early.attempts(), early.stops()]).toEqual([0, 0]);
  const meanwhile = failing();
  const running = meanwhile.start.run();
  meanwhile.start.stop();
  await expect(running).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(meanwhile.stops()).toBe(1);
});

it('says nothing of a store that answers', async () => {
  const { start, log, clock } = failing();
  await start.run();
  clock.pass(60_000);
  expect(log.lines).toEqual([]);
});
