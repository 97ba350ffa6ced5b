/** Ids of the tasks that a commit puts into the outbox. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Entry } from '../../lib/commit/entry.js';
import { Numbering } from '../../lib/commit/numbering.js';
import type { Outcome } from '../../lib/model/record.js';
import { sequencedOf } from '../../lib/model/task-id.js';
import { testDelivery } from '../support/deliveries.js';

let made = 0;

/** With tasks to these indexes. */
function entryTo(indexes: readonly number[], outcome: Outcome = 'applied'): Entry<never> {
  const derived = indexes.map((index) => ({
    id: 'given',
    key: 'ip:a',
    index,
    priority: true,
    body: Buffer.from('{}'),
  }));
  const result = { outcome, etype: 'ip', eid: 'a', history: [], raw: [], derived };
  return { delivery: testDelivery({ id: `${++made}` }), result, key: 'ip:a', again: null };
}

function placesOf(entries: readonly Entry<unknown>[]) {
  return entries.flatMap(({ result }) => result.derived.map(({ id, index }) => ({ ...sequencedOf(id), index })));
}

it('a forwarded task keeps its id, and entries without tasks stay as they are', () => {
  const numbering = new Numbering();
  const entries = [entryTo([]), entryTo([2], 'forwarded')];
  expect(numbering.number(entries)).toBe(entries);
  const [first, second] = numbering.number([...entries, entryTo([2])]);
  expect([first, second]).toEqual(entries);
});

it('owners draw streams of their own', () => {
  const streams = [new Numbering(), new Numbering()].flatMap((each) => placesOf(each.number([entryTo([0, 1])])));
  expect(new Set(streams.map(({ stream }) => stream)).size).toBe(4);
});

it('positions that are durable have no holes and no doubles, whatever commits come to nothing', () => {
  const entries = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }), { minLength: 1, maxLength: 4 });
  const end = fc.constantFrom('stored', 'stored', 'void', 'unknown');
  fc.assert(
    fc.property(fc.array(fc.tuple(entries, entries, end)), (commits) => {
      const numbering = new Numbering();
      const durable: ReturnType<typeof placesOf> = [];
      for (const [present, following, how] of commits) {
        const underWay = numbering.number(present.map((indexes) => entryTo(indexes)));
        // Made ready meanwhile.
        const next = numbering.number(following.map((indexes) => entryTo(indexes)));
        const batches = how === 'void' ? [numberAnew(numbering, [...next, ...underWay])] : [underWay, next];
        for (const batch of batches) {
          durable.push(...placesOf(batch));
          numbering.stored(batch);
        }
      }
      const streams = new Set(durable.map(({ stream }) => stream));
      for (const name of streams) {
        const places = durable.filter(({ stream }) => stream === name);
        expect(places.map(({ n }) => n)).toEqual(places.map((_, at) => at + 1));
        expect(new Set(places.map(({ index }) => index)).size).toBe(1);
      }
      expect(streams.size).toBe(new Set(durable.map(({ index }) => index)).size);
    }),
    { numRuns: 300 },
  );
});

function numberAnew(numbering: Numbering, entries: readonly Entry<never>[]): readonly Entry<never>[] {
  numbering.beginAnew();
  return numbering.number(entries);
}
