/** Sets of positions as ranges, against sets of numbers. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ranges } from '../../lib/model/ranges.js';

const position = fc.integer({ min: 1, max: 40 });
const added = fc
  .tuple(position, fc.integer({ min: 0, max: 6 }))
  .map(([from, length]) => [from, from + length] as const);

function rangesOf(positions: ReadonlySet<number>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const n of [...positions].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === n) last[1] = n + 1;
    else ranges.push([n, n + 1]);
  }
  return ranges;
}

it('holds what was added, in as few ranges as there can be', () => {
  fc.assert(
    fc.property(fc.array(added, { maxLength: 30 }), position, (ranges, from) => {
      const set = new Ranges(ranges);
      const model = new Set(ranges.flatMap(([first, end]) => Array.from({ length: end - first }, (_, n) => first + n)));
      expect(set.list()).toEqual(rangesOf(model));
      expect(set.count).toBe(rangesOf(model).length);
      let missing = from;
      while (model.has(missing)) missing++;
      expect(set.firstMissing(from)).toBe(missing);
      set.cut(from);
      expect(set.list()).toEqual(rangesOf(new Set([...model].filter((n) => n >= from))));
    }),
    { numRuns: 2_000 },
  );
});
