/**
 * What every store adapter must do, whatever it stands on. An adapter's test calls `describeStore` with a bed that makes stores and
 * readers on a fresh store; nothing here knows which one it is.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RecordState } from '../../lib/model/record.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { parseInstant } from '../../lib/model/time.js';
import type { Store } from '../../lib/store/store.js';
import { testDelivery } from '../support/deliveries.js';
import {
  at,
  batchOf,
  deleted,
  eidsOf,
  observed,
  plainState,
  resultOf,
  row,
  stateOf,
  stored,
  type TestEntry,
  take,
} from '../support/results.js';
import { type MakeStoreBed, NUM_PROCESSES, nothing, type OwnedBed, RETENTION_MS, type StoreBed } from './store-bed.js';
import { describeDigests } from './store-digests.js';
import { describeExpiry } from './store-expiry.js';
import { describeHistory } from './store-history.js';
import { describeReading } from './store-reading.js';

export function describeStore(name: string, make: MakeStoreBed): void {
  describe(`${name} as a store`, () => {
    let owned: OwnedBed;
    let made: StoreBed | null = null;
    beforeEach(async () => {
      made = null;
      const bed = await make();
      made = bed;
      const store = await bed.store(0);
      const ownership = await store.own(0);
      const commit = async (...entries: TestEntry[]) => {
        expect(await store.commit(batchOf(ownership, ...entries))).toEqual({ kind: 'stored' });
      };
      owned = { bed, store, ownership, commit };
    });
    // Also after a test that could not begin.
    afterEach(() => made?.close());
    describeOwning(() => owned);
    describeCommit(() => owned);
    describeInbox(() => owned);
    describeDigests(() => owned);
    describeRecords(() => owned);
    describeSending(() => owned);
    describeHistory(() => owned);
    describeReading(() => owned);
    describeExpiry(() => owned);
  });
}

function describeOwning(owned: () => OwnedBed): void {
  it('raises the epoch of an index each time it is owned, by whomever, and of that index alone', async () => {
    const { bed, store, ownership } = owned();
    const again = await store.own(0);
    expect(again).toEqual({ index: 0, epoch: ownership.epoch + 1 });
    await store.release(again);
    const successor = await bed.store(0);
    expect(await successor.own(0)).toEqual({ index: 0, epoch: ownership.epoch + 2 });
    expect(await (await bed.store(1)).own(1)).toEqual({ index: 1, epoch: 1 });
  });

  it('commits nothing for an owner whose epoch is outdated', async () => {
    const { store, ownership } = owned();
    const current = await store.own(0);
    const entry = stored('late', plainState('e', 1));
    expect(await store.commit(batchOf(ownership, entry))).toEqual({ kind: 'outdated' });
    expect(entry.delivery.settled).toBe(0);
    expect(await store.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 0 }]);
    expect(await idsKnown(store, ['late'])).toEqual(new Set());
    await store.release(ownership);
    expect(await store.commit(batchOf(current, entry))).toEqual({ kind: 'stored' });
  });

  it('commits nothing for an owner who has let go of the index', async () => {
    const { store, ownership } = owned();
    await store.release(ownership);
    expect(await store.commit(batchOf(ownership, stored('a', plainState('e', 1))))).toEqual({ kind: 'outdated' });
  });

  it('hands everything that is stored to the next owner', async () => {
    const { bed, commit } = owned();
    const state = plainState('e', 'kept');
    await commit(stored('a', state));
    const successor = await bed.store(0);
    const ownership = await successor.own(0);
    expect(await successor.load([['ip', 'e']])).toEqual([{ state }]);
    expect(await successor.commit(batchOf(ownership, stored('a', state)))).toMatchObject({ kind: 'done-before' });
  });
}

function describeCommit(owned: () => OwnedBed): void {
  it('settles each delivery of a stored batch once', async () => {
    const { commit } = owned();
    const entries = [stored('a', plainState('e', 1)), stored('b', plainState('f', 1)), nothing('c')];
    await commit(...entries);
    expect(entries.map(({ delivery }) => delivery.settled)).toEqual([1, 1, 1]);
  });

  it('takes a batch without entries', async () => {
    await owned().commit();
  });

  it('names those that were committed before, stores nothing of the batch and settles none of it', async () => {
    const { commit, store, ownership } = owned();
    await commit(stored('a', plainState('e', 1)), stored('b', plainState('e', 2)));
    const batch = [stored('new', plainState('f', 3)), stored('b', plainState('e', 9)), stored('a', plainState('e', 9))];
    expect(await store.commit(batchOf(ownership, ...batch))).toEqual({
      kind: 'done-before',
      ids: new Map([
        ['a', null],
        ['b', null],
      ]),
    });
    expect(batch.map(({ delivery }) => delivery.settled)).toEqual([0, 0, 0]);
    const kept = await store.load([
      ['ip', 'e'],
      ['ip', 'f'],
    ]);
    expect(kept).toEqual([{ state: plainState('e', 2) }, { state: null, lastIncarnation: 0 }]);
    await commit(batch[0]!);
    expect(await idsKnown(store, ['new'])).toEqual(new Set(['new']));
  });

  it('names the task whose data it can never store, not those that built on it, and stores nothing of the batch', async () => {
    const { bed, commit, store, ownership } = owned();
    const [good, bad] = [plainState('e', 1), plainState('f', bed.unstorable)];
    const later = { ...bad, plain: new Map([...bad.plain, ['other', { v: 1, ts: at(1) }]]) };
    const batch = [stored('1', good), stored('2', plainState('f', 0)), stored('3', bad), stored('4', later)];
    const outcome = await store.commit(batchOf(ownership, ...batch));
    expect(outcome).toEqual({ kind: 'unstorable', entries: new Map([[batch[2], expect.any(String)]]) });
    expect(batch.map(({ delivery }) => delivery.settled)).toEqual([0, 0, 0, 0]);
    expect(await store.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 0 }]);
    await commit(batch[0]!, batch[1]!);
  });

  it('names a task whose history or raw data-points it can never store', async () => {
    const { bed, store, ownership } = owned();
    const rows = [row('seen', 1, bed.unstorable)];
    const plain = {
      ...observed(stateOf('e'), rows),
      observations: observed(stateOf('e'), [row('seen', 1)]).observations,
    };
    const raw = [{ etype: 'ip', eid: 'f', attr: 'a', v: bed.unstorable, t1: null, t2: null, c: 1, src: null }];
    const batch = [stored('1', plain, { history: rows }), stored('2', plainState('f', 1), { raw }), nothing('3')];
    const outcome = await store.commit(batchOf(ownership, ...batch));
    if (outcome.kind !== 'unstorable') throw new Error(`the outcome is ${outcome.kind}`);
    expect(outcome.entries.size).toBeGreaterThan(0);
    expect(outcome.entries.has(batch[2]!)).toBe(false);
  });

  it('names a task whose entity cannot be a key, whatever store it is', async () => {
    const { commit, store, ownership } = owned();
    const batch = [stored('1', plainState('e', 1)), stored('2', plainState('e\0f', 1)), nothing('3')];
    const outcome = await store.commit(batchOf(ownership, ...batch));
    expect(outcome).toEqual({ kind: 'unstorable', entries: new Map([[batch[1], expect.any(String)]]) });
    await commit(batch[0]!, batch[2]!);
  });

  it('refuses a batch that holds an id twice, and stores and settles nothing of it', async () => {
    const { store, ownership } = owned();
    const batch = [stored('same', plainState('e', 1)), stored('same', plainState('e', 2))];
    expect(await store.commit(batchOf(ownership, ...batch))).toMatchObject({ kind: 'refused' });
    expect(batch.map(({ delivery }) => delivery.settled)).toEqual([0, 0]);
    expect(await idsKnown(store, ['same'])).toEqual(new Set());
  });
}

async function idsKnown(store: Store, ids: readonly string[]): Promise<ReadonlySet<string>> {
  return new Set((await store.known(0, ids)).keys());
}

function describeInbox(owned: () => OwnedBed): void {
  it('knows the ids that were committed and no others', async () => {
    const { commit, store } = owned();
    await commit(nothing('a'), nothing('__proto__'), nothing('ä/…'));
    const asked = ['a', 'b', '__proto__', 'constructor', 'ä/…'];
    expect(await idsKnown(store, asked)).toEqual(new Set(['a', '__proto__', 'ä/…']));
    expect(await idsKnown(store, [])).toEqual(new Set());
  });

  it('keeps no ids where none are wanted, so that a task may be applied twice', async () => {
    const { store, ownership } = owned();
    for (const v of [1, 2]) {
      const batch = { ownership, entries: [stored('a', plainState('e', v))], inbox: false };
      expect(await store.commit(batch)).toEqual({ kind: 'stored' });
    }
    expect(await idsKnown(store, ['a'])).toEqual(new Set());
  });

  it('keeps no ids of deliveries that come once in any case', async () => {
    const { store, ownership } = owned();
    for (const v of [1, 2]) {
      const entry = { ...stored('a', plainState('e', v)), delivery: testDelivery({ id: 'a', deduplicated: true }) };
      expect(await store.commit(batchOf(ownership, entry))).toEqual({ kind: 'stored' });
    }
    expect(await idsKnown(store, ['a'])).toEqual(new Set());
  });

  it('forgets ids in time, and not before', async () => {
    const { bed, commit, store } = owned();
    await commit(nothing('old'));
    await bed.pass(RETENTION_MS / 2);
    await commit(nothing('young'));
    await bed.pass(RETENTION_MS / 2 + 1);
    while (await store.purge());
    expect(await idsKnown(store, ['old', 'young'])).toEqual(new Set(['young']));
    await bed.pass(RETENTION_MS);
    while (await store.purge());
    expect(await idsKnown(store, ['young'])).toEqual(new Set());
  });

  it('forgets any number of ids step by step', async () => {
    const { bed, commit, store } = owned();
    const ids = Array.from({ length: 5_000 }, (_, n) => `id-${n}`);
    await commit(...ids.map(nothing));
    while (await store.purge());
    expect((await store.known(0, ids)).size).toBe(ids.length);
    await bed.pass(2 * RETENTION_MS);
    await commit(nothing('young'));
    while (await store.purge());
    expect(await idsKnown(store, [...ids, 'young'])).toEqual(new Set(['young']));
  });
}

/** A state that holds all that is difficult. */
function difficult(eid: string): RecordState {
  const values = [null, true, '', 'Größe 𝒳 \u0001"\\', 2 ** 53, 12345678901234567890n, -1e300, 1e-7, [[]], { a: [{}] }];
  const traps = JSON.parse('{"__proto__": {"constructor": 1}}');
  const names = ['__proto__', 'constructor', 'toString'];
  const rows = names.flatMap((name, n) => [row(name, n, values), row(name, n + 1, traps, 5)]);
  return {
    ...observed(stateOf(eid), rows),
    ttlTokens: new Map([
      ['__proto__', at(5)],
      ['constructor', parseInstant('9999-12-31T23:59:59.999999Z')],
    ]),
    plain: new Map([...values.entries()].map(([n, v]) => [names[n] ?? `p${n}`, { v, ts: at(n) }])),
    timeseries: new Map([
      ['hasOwnProperty', { count: 2 ** 40, newest: { ...row('hasOwnProperty', 1, traps), c: 0.25 } }],
    ]),
  };
}

function describeRecords(owned: () => OwnedBed): void {
  it('gives a record back as it was stored', async () => {
    const { commit, store } = owned();
    const state = difficult('e');
    await commit(stored('a', state));
    const [view] = await store.load([['ip', 'e']]);
    expect(view).toEqual({ state });
    expect(JSON.stringify(view!.state!.plain.get('__proto__'))).toBe(JSON.stringify(state.plain.get('__proto__')));
  });

  it('keeps the row that arrived last beside the newest one', async () => {
    const { commit, store, bed } = owned();
    const [newest, lastArrived] = [row('o', 7), row('o', 3, { deep: [2n ** 70n, 'x'] })];
    const summary = { count: 2, newest };
    const state = stateOf('x', {
      observations: new Map([
        ['o', { ...summary, lastArrived }],
        ['p', { count: 1, newest: row('p', 1) }],
      ]),
      timeseries: new Map([['s', { count: 1, newest: row('s', 1), lastArrived: row('s', 1) }]]),
    });
    await commit(stored('a', state));
    expect(await store.load([['ip', 'x']])).toEqual([{ state }]);
    expect(await (await bed.reader()).get('ip', 'x')).toEqual({ state });
  });

  it('takes ids and entity types of any name up to the longest', async () => {
    const { commit, store } = owned();
    const names = ['__proto__', 'constructor', 'ä'.repeat(127), ' ', '1', '10', 'a:b', '\u0001', '\uffff', '𝒳'];
    const eids = [...names, 'x'.repeat(1_024), '€'.repeat(341), 'ip'];
    const states = names.flatMap((etype) => eids.map((eid) => ({ ...plainState(eid, `${etype} ${eid}`), etype })));
    await commit(...states.map((state, n) => stored(`t${n}`, state)));
    const views = await store.load(states.map(({ etype, eid }) => [etype, eid] as const));
    expect(views).toEqual(states.map((state) => ({ state })));
  });

  it('loads in the order asked, the same key twice where it is asked twice, and says what is absent', async () => {
    const { commit, store } = owned();
    await commit(stored('a', plainState('e', 1)), stored('b', plainState('f', 2)));
    const views = await store.load([
      ['ip', 'f'],
      ['ip', 'nobody'],
      ['net', 'e'],
      ['ip', 'e'],
      ['ip', 'f'],
    ]);
    expect(views.map(({ state }) => state?.plain.get('value')?.v)).toEqual([2, undefined, undefined, 1, 2]);
    expect(views[1]).toEqual({ state: null, lastIncarnation: 0 });
    expect(await store.load([])).toEqual([]);
  });

  it('folds several results of a key to the last one', async () => {
    const { commit, store } = owned();
    const entries = Array.from({ length: 20 }, (_, n) => stored(`t${n}`, plainState(n % 2 === 0 ? 'e' : 'f', n)));
    await commit(...entries);
    const keys = [['ip', 'e'] as const, ['ip', 'f'] as const];
    expect(await store.load(keys)).toEqual([{ state: plainState('e', 18) }, { state: plainState('f', 19) }]);
  });

  it('remembers the incarnation of a record that was deleted, until it is created again', async () => {
    const { commit, store } = owned();
    const states = [1, 2, 7].map((incarnation) => plainState('e', 'v', incarnation));
    for (const [n, state] of states.entries()) {
      await commit(stored(`create ${n}`, state));
      expect(await store.load([['ip', 'e']])).toEqual([{ state }]);
      await commit(deleted(`delete ${n}`, state));
      const absent = { state: null, lastIncarnation: state.incarnation };
      expect(await store.load([['ip', 'e']])).toEqual([absent]);
    }
  });

  it('folds a delete and a creation in one batch, in either order', async () => {
    const { commit, store } = owned();
    const [first, second] = [plainState('e', 1), plainState('e', 2, 2)];
    await commit(stored('1', first), deleted('2', first), stored('3', second));
    expect(await store.load([['ip', 'e']])).toEqual([{ state: second }]);
    await commit(stored('4', plainState('e', 3, 2)), deleted('5', second));
    expect(await store.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 2 }]);
  });

  it('leaves the record alone when a result does not touch it', async () => {
    const { commit, store } = owned();
    await commit(stored('1', plainState('e', 1)));
    const denied = resultOf({ outcome: 'denied', etype: 'ip', eid: 'e' });
    await commit({ delivery: testDelivery({ id: '2' }), result: denied });
    expect(await store.load([['ip', 'e']])).toEqual([{ state: plainState('e', 1) }]);
  });
}

function describeSending(owned: () => OwnedBed): void {
  it('sends derived tasks with the commit, in order, to the index of each', async () => {
    const { bed, commit } = owned();
    const derived = (name: string, index: number): OutgoingTask => {
      return { id: name, key: `ip:${name}`, index, priority: true, body: Buffer.from(`"${name}"`) };
    };
    await commit(
      stored('1', plainState('e', 1), { sends: [derived('a', 0), derived('b', 1), derived('c', 0)] }),
      stored('2', plainState('e', 2), { sends: [derived('d', 0)] }),
    );
    expect((await bed.sent(0)).map(({ id }) => id)).toEqual(['a', 'c', 'd']);
    expect(await bed.sent(1)).toMatchObject([{ id: 'b', priority: true, body: Buffer.from('"b"') }]);
  });

  it('sends nothing of a batch that is not stored', async () => {
    const { bed, commit, store, ownership } = owned();
    await commit(nothing('known'));
    const [eid] = take(eidsOf(0, NUM_PROCESSES), 1);
    const derived = [{ id: 'd', key: `ip:${eid}`, index: 0, priority: true, body: Buffer.from('1') }];
    const entry = stored('1', plainState('e', 1), { sends: derived });
    for (const other of [nothing('known'), stored('2', plainState('f', bed.unstorable))]) {
      await store.commit(batchOf(ownership, entry, other));
    }
    expect(await bed.sent(0)).toEqual([]);
  });
}
