import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AckBitmap } from '../../lib/queue/amqp/acks.js';

it('holds what a Set would, as tags grow and the lowest are left behind', () => {
  const step = fc.record({ ahead: fc.integer({ min: 0, max: 20_000 }), passed: fc.integer({ min: 0, max: 5_000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const tags = new AckBitmap();
      const expected = new Set<number>();
      let from = 1;
      for (const { ahead, passed } of steps) {
        const tag = from + ahead;
        if (!expected.has(tag)) tags.add(tag, from);
        expected.add(tag);
        let wrong = 0;
        for (const until = from + passed; from < until; from++)
          if (tags.delete(from) !== expected.delete(from)) wrong++;
        expect([wrong, tags.size]).toEqual([0, expected.size]);
      }
      for (const tag of expected) expect(tags.delete(tag)).toBe(true);
      expect(tags.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});

it('takes a bit for each of ten million tags', () => {
  const before = process.memoryUsage().arrayBuffers;
  const tags = new AckBitmap();
  for (let tag = 2; tag < 10_000_000; tag++) tags.add(tag, 1);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  expect(tags.delete(9_999_999)).toBe(true);
  expect(tags.delete(9_999_999)).toBe(false);
  expect(tags.delete(20_000_000)).toBe(false);
});
