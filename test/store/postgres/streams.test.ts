/** What PostgreSQL keeps of streams: which positions are committed, which never came, and when that is forgotten. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ranges } from '../../../lib/model/ranges.js';
import { newStream, newTaskId, sequencedId } from '../../../lib/model/task-id.js';
import { KNOWN_VERSION } from '../../../lib/store/postgres/schema-version.js';
import { testDelivery } from '../../support/deliveries.js';
import { plainState, quarantined, type TestEntry } from '../../support/results.js';
import { askOne, type Prepared, prepare, standby } from './prepared.js';

/** The entry of a position whose message carries a floor. */
function entryOf(stream: string, n: number, floor: number | null = n): TestEntry {
  const { result } = quarantined('x', Buffer.from('{}'));
  return { delivery: testDelivery({ id: sequencedId({ stream, n }), floor }), result };
}

async function missingOf({ store, ownership }: Prepared): Promise<Record<string, string>> {
  const missing = await store.streams.missing(ownership, null);
  return Object.fromEntries(missing.map(({ stream, positions }) => [stream, positions]));
}

test('a commit adds its positions to those that are committed, in whatever order they come', async () => {
  const prepared = await prepare();
  const { commit, session } = prepared;
  const orders = fc.integer({ min: 1, max: 12 }).chain((count) => {
    const positions = Array.from({ length: count }, (_, n) => n + 1);
    return fc.tuple(fc.shuffledSubarray(positions), fc.integer({ min: 1, max: 5 }));
  });
  await fc.assert(
    fc.asyncProperty(orders, async ([positions, size]) => {
      const stream = newStream();
      const left = [...positions];
      // Of the first commit, as many as there are.
      const first = Math.min(...left.slice(0, size));
      while (left.length > 0) await commit(...left.splice(0, size).map((n) => entryOf(stream, n)));
      const done = new Ranges();
      for (const n of positions.filter((each) => each >= first)) done.add(n);
      const row = await session.query('select first, done, floor from streams where stream = $1', [stream]);
      if (positions.length === 0) expect(row).toEqual([]);
      else {
        const text = `{${done.list().map(([from, end]) => `[${from},${end})`)}}`;
        expect(row).toEqual([[String(first), text, String(Math.max(...positions))]]);
      }
    }),
    { numRuns: 40 },
  );
});

test('what says nothing of its stream leaves no row', async () => {
  const { commit, session } = await prepare();
  const stream = newStream();
  const drawn = { ...entryOf(stream, 1), delivery: testDelivery({ id: newTaskId(), floor: 1 }) };
  expect(await commit(entryOf(stream, 1, null), drawn)).toEqual({ kind: 'stored' });
  expect(await askOne(session, 'select count(*) from streams')).toBe('0');
});

test('of too many ranges the widest gaps stay', async () => {
  const { session } = await prepare();
  const sets = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 })), { minLength: 1 });
  const textOf = (ranges: Ranges) => `{${ranges.list().map(([from, end]) => `[${from},${end})`)}}`;
  await fc.assert(
    fc.asyncProperty(sets, fc.integer({ min: 2, max: 5 }), async (pairs, most) => {
      const given = new Ranges(pairs.map(([from, length]) => [from, from + length]));
      const few = await askOne(session, 'select few_ranges($1, $2)', [textOf(given), most]);
      const ranges = given.list();
      const gaps = ranges.slice(1).map(([from], at) => [ranges[at]![1], from] as const);
      const widest = gaps.sort((a, b) => b[1] - b[0] - (a[1] - a[0]) || b[0] - a[0]).slice(0, most - 1);
      const expected = new Ranges(given.list());
      for (const [from, end] of gaps) if (!widest.some(([start]) => start === from)) expected.add(from, end);
      expect(few).toBe(textOf(expected));
      expect(expected.count).toBe(Math.min(most, ranges.length));
    }),
    { numRuns: 60 },
  );
});

test('positions below a floor that are not committed are missing, until they are lost or come', async () => {
  const prepared = await prepare();
  const { store, ownership, commit } = prepared;
  const [stream, other] = [newStream(), newStream()];
  await commit(entryOf(stream, 5, 3), entryOf(stream, 6, 5), entryOf(stream, 12, 6), entryOf(other, 1));
  // Nothing is said of 7 to 11 before a floor covers them, nor of what was before the first.
  expect(await missingOf(prepared)).toEqual({});
  await commit(entryOf(stream, 13, 10), entryOf(stream, 8, 8));
  expect(await missingOf(prepared)).toEqual({ [stream]: '{[7,8),[9,10)}' });
  await commit(entryOf(stream, 15, 12));
  const missing = await store.streams.missing(ownership, null);
  expect(missing).toEqual([{ stream, positions: '{[7,8),[9,12)}' }]);

  // One of them comes before it is told as lost, another one after that.
  await commit(entryOf(stream, 7, 7));
  const lost = { stream, tasks: 3, from: 9, to: 11 };
  expect(await store.streams.lose(ownership, missing)).toEqual([lost]);
  expect(await store.streams.lose(ownership, missing)).toEqual([lost]);
  expect(await missingOf(prepared)).toEqual({});
  expect(await store.streams.lost(ownership, [])).toEqual([lost]);
  await commit(entryOf(stream, 10, 10));
  expect(await store.streams.lost(ownership, [])).toEqual([{ stream, tasks: 2, from: 9, to: 11 }]);
  await commit(entryOf(stream, 9, 9), entryOf(stream, 11, 9));
  expect(await store.streams.lost(ownership, [])).toEqual([]);
  expect(await store.streams.lost(ownership, [stream])).toEqual([{ stream, tasks: 0, from: 0, to: 0 }]);
  expect(await missingOf(prepared)).toEqual({});
});

test('what came to be missing since the last look is found, however long ago that was', async () => {
  const { store, ownership, commit, session } = await prepare();
  const stream = newStream();
  await commit(entryOf(stream, 1), entryOf(stream, 3, 3));
  const found = async (sinceMs: number | null) => (await store.streams.missing(ownership, sinceMs)).length;
  expect([await found(null), await found(60_000)]).toEqual([1, 1]);
  await session.query("update streams set used = used - interval '4 hours'");
  const hour = 3_600_000;
  expect([await found(60_000), await found(3 * hour), await found(null)]).toEqual([0, 1, 1]);
});

test('a row is dropped once the retention has passed since its last use, and its stream may come back', async () => {
  const prepared = await prepare({ inboxRetentionMs: 60_000 });
  const { store, commit, clock, session } = prepared;
  const [old, young] = [newStream(), newStream()];
  await commit(entryOf(old, 1), entryOf(young, 1));
  await session.query("update streams set used = used - interval '62 minutes' where stream = $1", [old]);
  await session.query("update streams set used = used - interval '59 minutes' where stream = $1", [young]);
  clock.pass(60_000);
  while (await store.purge());
  expect(await session.query('select stream from streams')).toEqual([[young]]);
  await commit(entryOf(old, 500, 499));
  await commit(entryOf(old, 501, 501), entryOf(old, 3, 3));
  expect(await missingOf(prepared)).toEqual({});
  await commit(entryOf(young, 2, 2));
  expect(await askOne(session, "select now() - used < interval '1 hour' from streams where stream = $1", [young])).toBe(
    't',
  );
});

test('an owner that has lost its index tells nothing', async () => {
  const prepared = await prepare();
  const { url, store, ownership, commit } = prepared;
  const stream = newStream();
  await commit(entryOf(stream, 1), entryOf(stream, 3, 3));
  const missing = await store.streams.missing(ownership, null);
  expect(missing).toHaveLength(1);
  await store.release(ownership);
  const successor = await standby(url);
  const next = await successor.own(0);
  expect(await store.streams.lose(ownership, missing)).toEqual([]);
  expect(await successor.streams.lost(next, [])).toEqual([]);
  expect(await successor.streams.missing(next, null)).toEqual(missing);
});

test('reconfigure forgets all streams: another number of processes has others', async () => {
  const { store, ownership, commit, session } = await prepare();
  await commit(entryOf(newStream(), 1));
  await store.release(ownership);
  await session.query("select reconfigure(3, 'effectively-once')");
  expect(await askOne(session, 'select count(*) from streams')).toBe('0');
});

test('a record is stored with the position of its task, or neither', async () => {
  const { commit, session } = await prepare();
  const stream = newStream();
  const state = plainState('e', 1);
  const entry = { ...entryOf(stream, 1), result: { ...entryOf(stream, 1).result, outcome: 'applied' as const } };
  expect(await commit({ ...entry, result: { ...entry.result, record: { state } } })).toEqual({ kind: 'stored' });
  expect(await commit(entryOf(stream, 2), entryOf(stream, 1))).toMatchObject({ kind: 'done-before' });
  expect(await askOne(session, 'select done from streams')).toBe('{[1,2)}');
});

test('what an owner committed that knew nothing of streams is not taken for missing', async () => {
  const prepared = await prepare();
  const { url, store, ownership, commit, session } = prepared;
  const [here, elsewhere] = [newStream(), newStream()];
  await commit(entryOf(here, 1));
  await session.query(`insert into streams (index, stream, first, done, floor) values (1, $1, 1, '{[1,2)}', 1)`, [
    elsewhere,
  ]);
  const again = async () => {
    await store.release(await store.own(0));
    return (await session.query('select stream from streams order by index')).map(([stream]) => stream);
  };
  await store.release(ownership);
  expect(await again()).toEqual([here, elsewhere]);
  // As a program of 0.2.0 takes it.
  await session.query('update owners set epoch = epoch + 1, knows = 2 where index = 0');
  expect(await again()).toEqual([elsewhere]);
  const successor = await standby(url);
  await successor.own(0);
  expect(await askOne(session, 'select knows from owners where index = 0')).toBe(String(KNOWN_VERSION));
});
