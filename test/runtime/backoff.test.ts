import { expect, test } from 'vitest';
import { doubling, RECONNECT_STEPS_MS, steps } from '../../lib/runtime/backoff.js';

const take = (count: number, backoff: { nextMs(): number }) => Array.from({ length: count }, () => backoff.nextMs());

test('reconnects wait 1, 2, 5, 10, 30 and then always 30 seconds', () => {
  expect(take(7, steps())).toEqual([1_000, 2_000, 5_000, 10_000, 30_000, 30_000, 30_000]);
});

test('a written list of steps begins anew after a success', () => {
  const backoff = steps([1, 2]);
  take(5, backoff);
  backoff.reset();
  expect(take(3, backoff)).toEqual([1, 2, 2]);
});

test('a list without steps waits not at all instead of failing', () => {
  expect(take(2, steps([]))).toEqual([0, 0]);
});

test('two backoffs over the same list do not share their place in it', () => {
  const [one, other] = [steps(RECONNECT_STEPS_MS), steps(RECONNECT_STEPS_MS)];
  take(3, one);
  expect(other.nextMs()).toBe(1_000);
});

test('doubling pauses grow up to the greatest and stay there', () => {
  expect(
    take(
      5,
      doubling(500, 3_000, () => 1),
    ),
  ).toEqual([500, 1_000, 2_000, 3_000, 3_000]);
});

test('a doubling pause is drawn between its half and its whole', () => {
  expect(doubling(500, 3_000, () => 0).nextMs()).toBe(250);
  expect(doubling(500, 3_000, () => 0.5).nextMs()).toBe(375);
  for (const pauseMs of take(100, doubling(1_000, 1_000))) {
    expect(pauseMs).toBeGreaterThanOrEqual(500);
    expect(pauseMs).toBeLessThanOrEqual(1_000);
  }
});

test('a doubling pause begins anew after a success', () => {
  const backoff = doubling(500, 3_000, () => 1);
  take(4, backoff);
  backoff.reset();
  expect(backoff.nextMs()).toBe(500);
});
