/** How far a stream is confirmed without a hole, as its messages say. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { newStream, newTaskId, sequencedId } from '../../lib/model/task-id.js';
import { Floors, floorOf } from '../../lib/queue/amqp/floors.js';

it('is the first position that is not confirmed, in whatever order confirmations come', () => {
  const orders = fc
    .tuple(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 20 }))
    .chain(([first, count]) => {
      const positions = Array.from({ length: count }, (_, n) => first + n);
      return fc.tuple(fc.constant(positions), fc.shuffledSubarray(positions));
    });
  fc.assert(
    fc.property(orders, ([positions, confirmed]) => {
      const floors = new Floors();
      const stream = newStream();
      const places = positions.map((n) => floors.placeOf({ id: sequencedId({ stream, n }) }));
      const left = new Set(positions);
      for (const n of confirmed) {
        places[n - positions[0]!]?.confirm();
        left.delete(n);
        const floor = Math.min(...left, positions.at(-1)! + 1);
        expect(places.map((place) => place?.floor)).toEqual(positions.map(() => floor));
      }
      expect(floors.placeOf({ id: sequencedId({ stream: newStream(), n: 7 }) })?.floor).toBe(7);
    }),
  );
});

it('nothing is said of a stream of which a writer has some tasks only', () => {
  const id = sequencedId({ stream: newStream(), n: 1 });
  const floors = new Floors();
  expect(floors.placeOf({ id, forwarded: true })).toBeNull();
  expect(floors.placeOf({ id: newTaskId() })).toBeNull();
  expect(floors.placeOf({ id })?.floor).toBe(1);
});

it('is read from a property that others use for what they like', () => {
  expect(['1', '1099511627776'].map(floorOf)).toEqual([1, 2 ** 40]);
  const foreign = [undefined, '', '0', '-1', '1.5', '1e3', '12345678901234', newTaskId(), 7];
  expect(foreign.map(floorOf)).toEqual(foreign.map(() => null));
});
