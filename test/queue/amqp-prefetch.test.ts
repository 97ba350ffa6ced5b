import { expect, it } from 'vitest';
import { ENOUGH_MESSAGES, isOutOfScale, MessageSizes, prefetchFor } from '../../lib/queue/amqp/prefetch.js';

const LIMITS = { most: 2_000, bytes: 32 * 2 ** 20 };

function sizesOf(...bytes: readonly number[]): MessageSizes {
  const sizes = new MessageSizes();
  for (const each of bytes) sizes.add(each);
  return sizes;
}

it('keeps mean size times prefetch under the bound in bytes', () => {
  expect(prefetchFor(300, LIMITS)).toBe(2_000);
  expect(prefetchFor(2 ** 20, LIMITS)).toBe(32);
  expect(prefetchFor(2 ** 30, LIMITS)).toBe(1);
});

it('takes the configured prefetch while little is known', () => {
  const few = sizesOf(...Array(ENOUGH_MESSAGES - 1).fill(2 ** 20));
  expect(few.meanBytes).toBe(null);
  expect(prefetchFor(few.meanBytes, LIMITS)).toBe(2_000);
  expect(isOutOfScale(2_000, few.meanBytes, LIMITS)).toBe(false);
});

it('follows sizes that change', () => {
  const sizes = sizesOf(...Array(100).fill(300));
  expect(sizes.meanBytes).toBeCloseTo(300);
  for (let i = 0; i < 500; i++) sizes.add(2 ** 20);
  expect(prefetchFor(sizes.meanBytes, LIMITS)).toBeLessThan(35);
});

it('replaces a prefetch only when it is wrong by a factor of two', () => {
  expect(isOutOfScale(32, 2 ** 20, LIMITS)).toBe(false);
  expect(isOutOfScale(60, 2 ** 20, LIMITS)).toBe(false);
  expect(isOutOfScale(65, 2 ** 20, LIMITS)).toBe(true);
  expect(isOutOfScale(16, 2 ** 20, LIMITS)).toBe(true);
  expect(isOutOfScale(2_000, 300, LIMITS)).toBe(false);
});
