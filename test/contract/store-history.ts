/** The part of the contract of stores that is about history: its rows, ranges and order, and how it ends with its record. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { HistoryRow, RecordState } from '../../lib/model/record.js';
import { parseInstant } from '../../lib/model/time.js';
import type { HistoryRange, StoreReader } from '../../lib/store/store.js';
import { all, at, deleted, eidsOf, observed, row, stateOf, stored, type TestEntry, take } from '../support/results.js';
import { NUM_PROCESSES, type OwnedBed, SHORT_LIVED } from './store-bed.js';

const [EID = '', OTHER = ''] = take(eidsOf(0, NUM_PROCESSES, 'e'), 2);

function history(reader: StoreReader, range: HistoryRange = {}, eid = EID): Promise<HistoryRow[]> {
  return all(reader.history('ip', eid, range));
}

/** By attribute and t1; of equal ones in the order in which they came. */
function sorted(rows: readonly HistoryRow[]): HistoryRow[] {
  return [...rows].sort((one, other) =>
    one.attr !== other.attr ? (one.attr < other.attr ? -1 : 1) : one.t1 < other.t1 ? -1 : one.t1 > other.t1 ? 1 : 0,
  );
}

function withRows(id: string, before: RecordState, rows: readonly HistoryRow[]): TestEntry {
  return stored(id, observed(before, rows), { history: rows });
}

export function describeHistory(owned: () => OwnedBed): void {
  it('gives rows by attribute and time, equal times as they came, none hidden by another', async () => {
    const { bed, commit } = owned();
    const names = ['a', 'a-b', 'aa', '__proto__', 'B', 'x'.repeat(255)];
    const rows = [3, 1, 2, 1, 1].flatMap((seconds, n) => names.map((attr) => row(attr, seconds, `${n}`)));
    const half = rows.length / 2;
    await commit(
      withRows('1', stateOf(EID), rows.slice(0, half)),
      withRows('2', observed(stateOf(EID), rows.slice(0, half)), rows.slice(half)),
    );
    expect(await history(await bed.reader())).toEqual(sorted(rows));
  });

  it('gives the rows that overlap a range, of one attribute where one is named, up to a limit', async () => {
    const { bed, commit } = owned();
    const rows = [row('a', 0, 'long', 100), row('a', 10), row('a', 20, 'v', 5), row('a', 30), row('b', 20)];
    await commit(withRows('1', stateOf(EID), rows));
    const reader = await bed.reader();
    const values = async (range: HistoryRange) => (await history(reader, range)).map(({ v }) => v);
    expect(await values({ attr: 'a' })).toEqual(['long', 10, 'v', 30]);
    expect(await values({ attr: 'nothing' })).toEqual([]);
    expect(await values({ from: at(25), to: at(29) })).toEqual(['long', 'v']);
    expect(await values({ from: at(30), to: at(30) })).toEqual(['long', 30]);
    expect(await values({ from: at(101) })).toEqual([]);
    expect(await values({ to: at(10) })).toEqual(['long', 10]);
    expect(await values({ limit: 2 })).toEqual(['long', 10]);
    expect(await values({ from: at(20), limit: 3 })).toEqual(['long', 'v', 30]);
    expect(await values({ limit: 0 })).toEqual([]);
  });

  it('takes times from year 1 to year 9999, to the microsecond', async () => {
    const { bed, commit } = owned();
    const times = ['0001-01-01T00:00:00.000000Z', '1969-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'];
    const rows = times.map(parseInstant).map((time) => ({ attr: 'a', t1: time, t2: time, v: time, c: 0.5 }));
    await commit(withRows('1', stateOf(EID), [...rows].reverse()));
    const reader = await bed.reader();
    expect(await history(reader)).toEqual(rows);
    expect(await history(reader, { from: rows[1]!.t1, to: rows[1]!.t1 })).toEqual([rows[1]]);
  });

  it('gives a long history whole, and lets its reader stop anywhere', async () => {
    const { bed, commit } = owned();
    const rows = Array.from({ length: 2_500 }, (_, n) => row('a', n));
    await commit(withRows('1', stateOf(EID), rows));
    const reader = await bed.reader();
    expect(await history(reader)).toEqual(rows);
    let seen = 0;
    for await (const _ of reader.history('ip', EID, {})) if (++seen === 700) break;
    expect(seen).toBe(700);
  });

  it('keeps histories of records apart whose ids begin alike', async () => {
    const { bed, commit } = owned();
    const eids = take(eidsOf(0, NUM_PROCESSES, '1'), 8);
    await commit(...eids.map((eid) => withRows(eid, stateOf(eid), [row('a', 1, eid)])));
    const reader = await bed.reader();
    for (const eid of eids) expect((await history(reader, {}, eid)).map(({ v }) => v)).toEqual([eid]);
  });

  it('ends with its record: a new incarnation begins with none, also within one batch', async () => {
    const { bed, commit, store } = owned();
    const old = observed(stateOf(EID), [row('a', 1, 'old')]);
    const young = stateOf(EID, { incarnation: 2 });
    const reader = await bed.reader();
    await commit(withRows('1', stateOf(EID), [row('a', 1, 'old')]), withRows('other', stateOf(OTHER), [row('a', 1)]));
    await commit(deleted('2', old));
    expect(await history(reader)).toEqual([]);
    await commit(withRows('3', young, [row('a', 2, 'young')]));
    expect((await history(reader)).map(({ v }) => v)).toEqual(['young']);
    const younger = stateOf(EID, { incarnation: 3 });
    await commit(deleted('4', young), withRows('5', younger, [row('b', 3, 'younger')]));
    while (await store.purge());
    expect((await history(reader)).map(({ v }) => v)).toEqual(['younger']);
    expect(await history(reader, {}, OTHER)).toHaveLength(1);
  });

  it('ends where one task deletes its record and creates it again', async () => {
    const { bed, commit, store } = owned();
    const { history: rows, state } = { history: [row('a', 1, 'old')], state: stateOf(EID) };
    await commit(withRows('1', state, rows));
    const again = withRows('2', stateOf(EID, { incarnation: 2 }), [row('a', 2, 'young')]);
    await commit({ ...again, result: { ...again.result, ended: 1 } });
    expect(await store.purge()).toBe(true);
    while (await store.purge());
    expect((await history(await bed.reader())).map(({ v }) => v)).toEqual(['young']);
    await commit(deleted('3', again.result.record!.state!));
    expect(await store.load([['ip', EID]])).toEqual([{ state: null, lastIncarnation: 2 }]);
  });

  it('is removed once it is older than its max_age, and that of other attributes stays', async () => {
    const { bed, commit, store } = owned();
    const { attr } = SHORT_LIVED;
    const ages = { old: -86_400, young: 100 * 365 * 86_400 };
    const rows = (name: string, from: number) => Array.from({ length: 16 }, (_, n) => row(name, from + n));
    const old = [...rows(attr, ages.old), ...rows('a', ages.old)];
    const state = observed(stateOf(EID), old);
    await commit(stored('1', state, { history: old }));
    const young = rows(attr, ages.young);
    await commit(stored('2', observed(state, young), { history: young }));
    while (await store.purge());
    const left = await history(await bed.reader());
    expect(left).toEqual([...rows('a', ages.old), ...young]);
  });

  it('stays whole while histories of deleted records are removed, however long', async () => {
    const { bed, commit, store } = owned();
    const eids = take(eidsOf(0, NUM_PROCESSES, 'p'), 60);
    const rows = Array.from({ length: 100 }, (_, n) => row('a', n));
    for (const [n, eid] of eids.entries()) {
      await commit(withRows(`c${n}`, stateOf(eid), rows), withRows(`k${n}`, stateOf(`${eid}!`), [row('a', 1)]));
    }
    await commit(...eids.map((eid, n) => deleted(`d${n}`, stateOf(eid))));
    await commit(withRows('again', stateOf(eids[0]!, { incarnation: 2 }), rows.slice(0, 3)));
    while (await store.purge());
    const reader = await bed.reader();
    expect(await history(reader, {}, eids[0]!)).toEqual(rows.slice(0, 3));
    const [view] = await store.load([['ip', `${eids[59]}!`]]);
    expect(view!.state!.observations.get('a')!.count).toBe(1);
  });

  it('shows after any series of batches what a list of rows would', async () => {
    const { bed, commit, store } = owned();
    const reader = await bed.reader();
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.array(fc.record({ attr: fc.constantFrom('a', 'b'), at: fc.nat(9) }), { maxLength: 4 }),
      },
      { weight: 1, arbitrary: fc.constant('delete' as const) },
      { weight: 1, arbitrary: fc.constant('purge' as const) },
      { weight: 3, arbitrary: fc.constant('commit' as const) },
    );
    let run = 0;
    const eids = eidsOf(0, NUM_PROCESSES, 'run');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const eid = eids.next().value ?? '';
        let state: RecordState | null = null;
        let incarnation = 0;
        let rows: HistoryRow[] = [];
        let batch: TestEntry[] = [];
        for (const [n, each] of [...steps, 'commit' as const].entries()) {
          const id = `${run}-${n}`;
          if (each === 'purge') await store.purge();
          else if (each === 'commit') await commit(...batch.splice(0));
          else if (each === 'delete') {
            if (state === null) continue;
            batch.push(deleted(id, state));
            [state, rows] = [null, []];
          } else {
            const added = each.map(({ attr, at: seconds }, i) => row(attr, seconds, `${id} ${i}`));
            state = observed(state ?? stateOf(eid, { incarnation: ++incarnation }), added);
            batch.push(stored(id, state, { history: added }));
            rows = [...rows, ...added];
          }
        }
        batch = [];
        run++;
        expect(await history(reader, {}, eid)).toEqual(sorted(rows));
        const view = await reader.get('ip', eid);
        // A purge may have forgotten the record with its last history.
        if (steps.includes('purge') && state === null && 'lastIncarnation' in view && view.lastIncarnation === 0)
          incarnation = 0;
        expect(view).toEqual(state ? { state } : { state, lastIncarnation: incarnation });
      }),
      { numRuns: 25 },
    );
  });
}
