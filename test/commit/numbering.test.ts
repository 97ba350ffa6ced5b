/** Ids of the tasks that a commit puts into the outbox. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Numbering } from '../../lib/commit/numbering.js';
import { sequencedOf } from '../../lib/model/task-id.js';
import { type DoneWork, Work } from '../../lib/model/work.js';
import { Placement } from '../../lib/routing/placement.js';
import { testDelivery, testTask } from '../support/deliveries.js';
import { eidsOf, take } from '../support/results.js';

let made = 0;

const PLACEMENT = new Placement(3);
/** An entity of each index. */
const KEYS = PLACEMENT.indexes.map((index) => `ip:${take(eidsOf(index, 3), 1)[0]}`);

/** Of a task that derived tasks for entities of these indexes. */
function workTo(indexes: readonly number[]): DoneWork {
  const derived = indexes.map((index) => ({ key: KEYS[index]!, priority: true, body: Buffer.from('{}') }));
  const result = { outcome: 'applied', etype: 'ip', eid: 'a', history: [], raw: [], derived } as const;
  return new Work(testDelivery({ id: `${++made}` }), testTask('ip:a')).conclude(result);
}

function placesOf(works: readonly DoneWork[]) {
  return works.flatMap(({ sends }) => sends.map(({ id, index, key }) => ({ ...sequencedOf(id), index, key })));
}

it('each derived task goes to the index of its entity, which is asked for when the commit is built', () => {
  const places = placesOf(numbered(new Numbering(PLACEMENT), [[2, 0], [1]]));
  expect(places.map(({ index }) => index)).toEqual([2, 0, 1]);
  expect(places.map(({ key }) => key)).toEqual([KEYS[2], KEYS[0], KEYS[1]]);
});

it('a forwarded task keeps its id, and works without tasks stay as they are', () => {
  const [nothing, forwarded] = [workTo([]), workTo([])];
  const sends = [{ id: 'given', key: 'ip:a', index: 2, priority: false, body: Buffer.from('{}'), forwarded: true }];
  forwarded!.sends = sends;
  new Numbering(PLACEMENT).number([nothing!, forwarded!]);
  expect([nothing!.sends, forwarded!.sends]).toEqual([[], sends]);
});

it('owners draw streams of their own', () => {
  const streams = [new Numbering(PLACEMENT), new Numbering(PLACEMENT)].flatMap((each) =>
    placesOf(numbered(each, [[0, 1]])),
  );
  expect(new Set(streams.map(({ stream }) => stream)).size).toBe(4);
});

it('positions that are durable have no holes and no doubles, whatever commits come to nothing', () => {
  const entries = fc.array(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }), { minLength: 1, maxLength: 4 });
  const end = fc.constantFrom('stored', 'stored', 'void', 'unknown');
  fc.assert(
    fc.property(fc.array(fc.tuple(entries, entries, end)), (commits) => {
      const numbering = new Numbering(PLACEMENT);
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
