import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { every, LONGEST_TIMER_MS, systemClock } from '../../lib/runtime/clock.js';
import { manualClock } from '../support/clock.js';

const DAY_MS = 86_400_000;

afterEach(() => {
  vi.useRealTimers();
});

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

test.each([LONGEST_TIMER_MS, LONGEST_TIMER_MS + 1, 30 * DAY_MS, 3 * LONGEST_TIMER_MS, 36_500 * DAY_MS])(
  'a wait of %d ms ends when it is over, and not before',
  (delayMs) => {
    vi.useFakeTimers();
    const ran = vi.fn();
    systemClock.after(delayMs, ran);
    vi.advanceTimersByTime(delayMs - 1);
    expect(ran).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(ran).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  },
);

test('a long wait can be cancelled after the longest timer was over', () => {
  vi.useFakeTimers();
  const ran = vi.fn();
  const cancel = systemClock.after(30 * DAY_MS, ran);
  vi.advanceTimersByTime(25 * DAY_MS);
  cancel();
  vi.advanceTimersByTime(30 * DAY_MS);
  expect(ran).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test('what is done every so often is done until it is ended', () => {
  const clock = manualClock();
  const ran = vi.fn();
  const end = every(30 * DAY_MS, ran, clock);
  clock.pass(90 * DAY_MS);
  expect(ran).toHaveBeenCalledTimes(3);
  end();
  clock.pass(90 * DAY_MS);
  expect(ran).toHaveBeenCalledTimes(3);
});
