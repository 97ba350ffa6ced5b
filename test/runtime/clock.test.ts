import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../../lib/runtime/clock.js';

test('the system clock runs what is due and nothing that was cancelled', async () => {
  const ran: string[] = [];
  const cancel = systemClock.after(1, () => ran.push('cancelled'));
  cancel();
  await new Promise<void>((resolve) => systemClock.after(5, resolve, true));
  expect(ran).toEqual([]);
});

test('the system clock tells the time of day, and durations that only grow', async () => {
  const before = systemClock.monotonic();
  await wait(2);
  expect(systemClock.monotonic()).toBeGreaterThan(before);
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
});
