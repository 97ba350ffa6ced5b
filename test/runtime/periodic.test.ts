import { expect, it } from 'vitest';
import { Periodic } from '../../lib/runtime/periodic.js';
import { manualClock } from '../support/clock.js';
import { nextTurn } from '../support/deliveries.js';

/** Work that does what its test says, once in ten seconds. */
function bed(run: () => undefined | number | Promise<undefined | number>, atOnce = false) {
  const clock = manualClock();
  const told: unknown[] = [];
  let runs = 0;
  const work = {
    name: 'counting',
    what: 'counts',
    everyMs: 10_000,
    atOnce,
    failed: (error: unknown) => told.push(error),
  };
  const count = () => {
    runs++;
    return run();
  };
  const service = new Periodic({ ...work, run: count }, clock);
  const pass = async (ms: number) => {
    clock.pass(ms);
    await nextTurn();
  };
  return { clock, told, service, pass, runs: () => runs };
}

it('runs once a period, or at once and then once a period', async () => {
  for (const [atOnce, expected] of [
    [false, [0, 0, 1, 2]],
    [true, [1, 1, 2, 3]],
  ] as const) {
    const { service, pass, runs } = bed(() => undefined, atOnce);
    await service.start();
    await service.start();
    const seen: number[] = [];
    for (const ms of [0, 9_999, 1, 10_000]) {
      await pass(ms);
      seen.push(runs());
    }
    expect(seen).toEqual(expected);
  }
});

it('comes sooner where a run says that more is left', async () => {
  const { service, pass, runs } = bed(() => 50);
  await service.start();
  await pass(10_000);
  await pass(50);
  expect(runs()).toBe(2);
});

it('tells a failure, counts it, and runs again', async () => {
  const errors = [new Error('away')];
  const { service, pass, told, runs } = bed(() => {
    const error = errors.shift();
    if (error) throw error;
    return undefined;
  });
  await service.start();
  expect(service.status()).toEqual({
    name: 'counting',
    what: 'counts',
    everyMs: 10_000,
    runs: 0,
    errors: 0,
    last: null,
    trouble: null,
  });
  await pass(10_000);
  expect(told).toEqual([new Error('away')]);
  expect(service.status()).toMatchObject({ runs: 1, errors: 1, last: { agoMs: 0, tookMs: 0 }, trouble: 'away' });
  await pass(10_000);
  await pass(5);
  expect(service.status()).toMatchObject({ runs: 2, errors: 1, last: { agoMs: 5, tookMs: 0 }, trouble: null });
  expect(runs()).toBe(2);
});

it('never runs twice at once, waits for a run when it stops, and leaves no timer behind', async () => {
  let end = () => {};
  const { service, pass, clock, runs } = bed(
    () =>
      new Promise((resolve) => {
        end = () => resolve(undefined);
      }),
  );
  await service.start();
  await pass(10_000);
  await pass(100_000);
  expect(runs()).toBe(1);
  let stopped = false;
  const stopping = service.stop().then(() => {
    stopped = true;
  });
  await nextTurn();
  expect(stopped).toBe(false);
  end();
  await stopping;
  expect(clock.waiting).toBe(0);
});
