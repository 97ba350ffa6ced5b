import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Finished, LAST_SEQUENCE } from '../../lib/embedded/finished.js';

const additions = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 7 })), { maxLength: 40 });

it('knows after any additions exactly which sequences are finished', () => {
  fc.assert(
    fc.property(additions, (some) => {
      const finished = Finished.none();
      const expected = new Set<number>();
      for (const [start, length] of some) {
        finished.add(start, start + length);
        for (let n = start; n < start + length; n++) expected.add(n);
      }
      for (let n = 0; n < 70; n++) expect(finished.has(n)).toBe(expected.has(n));
      expect(finished.count).toBe(expected.size);
      expect(expected.has(finished.next)).toBe(false);
      expect([...Array(finished.next).keys()].every((n) => expected.has(n))).toBe(true);
    }),
  );
});

it('keeps its ranges ascending and apart, however they were added', () => {
  fc.assert(
    fc.property(additions, (some) => {
      const finished = Finished.none();
      for (const [start, length] of some) finished.add(start, start + length);
      const edges = [...finished.ranges()].flat();
      expect(edges).toEqual([...new Set(edges)].sort((one, other) => one - other));
    }),
  );
});

it('reads what it wrote', () => {
  fc.assert(
    fc.property(additions, (some) => {
      const finished = Finished.none();
      for (const [start, length] of some) finished.add(start, start + length);
      expect([...Finished.decode(finished.encode()).ranges()]).toEqual([...finished.ranges()]);
    }),
  );
});

it('holds sequences up to the last one', () => {
  const finished = Finished.none();
  finished.add(LAST_SEQUENCE - 1, LAST_SEQUENCE);
  expect([...Finished.decode(finished.encode()).ranges()]).toEqual([[LAST_SEQUENCE - 1, LAST_SEQUENCE]]);
});

it('leaves a copy as it is', () => {
  const finished = Finished.none();
  finished.add(3, 5);
  const copy = finished.copy();
  finished.add(0, 3);
  expect([copy.next, copy.count, finished.next]).toEqual([0, 2, 5]);
});
