/** Ids of the tasks that a commit puts into the outbox. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Numbering } from '../../lib/commit/numbering.js';
import type { Outcome } from '../../lib/model/record.js';
import { sequencedOf } from '../../lib/model/task-id.js';
import { type DoneWork, Work } from '../../lib/model/work.js';
import { testDelivery, testTask } from '../support/deliveries.js';

let made = 0;

/** With tasks to these indexes. */
function workTo(indexes: readonly number[], outcome: Outcome = 'applied'): DoneWork {
  const derived = indexes.map((index) => ({
    id: 'given',
    key: 'ip:a',
    index,
    priority: true,
    body: Buffer.from('{}'),
  }));
  const result = { outcome, etype: 'ip', eid: 'a', history: [], raw: [], derived };
  return new Work(testDelivery({ id: `${++made}` }), testTask('ip:a')).conclude(result);
}

function placesOf(works: readonly DoneWork[]) {
  return works.flatMap(({ result }) => result.derived.map(({ id, index }) => ({ ...sequencedOf(id), index })));
}

it('a forwarded task keeps its id, and works without tasks stay as they are', () => {
  const works = [workTo([]), workTo([2], 'forwarded'), workTo([2])];
  const before = works.map(({ result }) => result);
  new Numbering().number(works);
  expect(works.slice(0, 2).map(({ result }) => result)).toEqual(before.slice(0, 2));
  expect(works[2]?.result.derived).not.toEqual(before[2]?.derived);
});

it('owners draw streams of their own', () => {
  const streams = [new Numbering(), new Numbering()].flatMap((each) => placesOf(numbered(each, [[0, 1]])));
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
        const underWay = numbered(numbering, present);
        // Made ready meanwhile.
        const next = numbered(numbering, following);
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

function numbered(numbering: Numbering, tasks: readonly (readonly number[])[]): readonly DoneWork[] {
  const works = tasks.map((indexes) => workTo(indexes));
  numbering.number(works);
  return works;
}

function numberAnew(numbering: Numbering, works: readonly DoneWork[]): readonly DoneWork[] {
  numbering.beginAnew();
  numbering.number(works);
  return works;
}
