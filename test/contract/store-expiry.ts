/** The part of the contract of stores that is about expiry: which records a store names, and when. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RecordState } from '../../lib/model/record.js';
import type { Instant } from '../../lib/model/time.js';
import { at, deleted, eidsOf, plainState, stateOf, stored, type TestEntry, take } from '../support/results.js';
import { NUM_PROCESSES, type OwnedBed } from './store-bed.js';

const EIDS = take(eidsOf(0, NUM_PROCESSES), 5);
const [A = '', B = '', C = ''] = EIDS;

/** A record with these tokens, in seconds after the fixed time. */
function mortal(eid: string, tokens: Readonly<Record<string, number>>, incarnation = 1): RecordState {
  const ttlTokens = new Map(Object.entries(tokens).map(([name, seconds]) => [name, at(seconds)]));
  return stateOf(eid, { ttlTokens, incarnation });
}

export function describeExpiry(owned: () => OwnedBed): void {
  let ids = 0;
  const id = () => `expiry-${ids++}`;
  const expired = async (before: Instant, limit = 100, etype = 'ip') =>
    owned().store.due({ kind: 'expiry', etype }, before, limit);
  const named = async (seconds: number) => (await expired(at(seconds))).records.map(({ eid }) => eid);

  it('names records whose tokens are all past, by the latest of them, until they are deleted', async () => {
    const { commit } = owned();
    const state = mortal(A, { base: 50, data: 20 });
    await commit(
      stored(id(), state),
      stored(id(), mortal(B, { base: 10, data: 40 })),
      stored(id(), plainState(C, 1)),
      stored(id(), { ...mortal(A, { base: 1 }), etype: 'ip6' }),
    );
    expect(await named(40)).toEqual([]);
    expect(await named(50)).toEqual([B]);
    for (let look = 0; look < 2; look++) {
      expect(await expired(at(51))).toEqual({
        records: [
          { eid: B, until: at(40) },
          { eid: A, until: at(50) },
        ],
        more: false,
      });
    }
    await commit(deleted(id(), state));
    expect(await named(1_000)).toEqual([B]);
    expect(await expired(at(1_000), 100, 'i')).toEqual({ records: [], more: false });
  });

  it('names a record that lives longer by now when its new time has come, and not before', async () => {
    const { commit } = owned();
    await commit(stored(id(), mortal(A, { base: 10 })));
    await commit(stored(id(), mortal(A, { base: 10, data: 30 })));
    expect(await named(20)).toEqual([]);
    await commit(stored(id(), mortal(A, { base: 10, data: 35 })));
    expect(await named(31)).toEqual([]);
    expect(await named(36)).toEqual([A]);
  });

  it('goes by the record there is now, where an earlier one of the entity lived longer', async () => {
    const { commit } = owned();
    const first = mortal(A, { base: 1_000 });
    await commit(stored(id(), first), stored(id(), mortal(B, { base: 1 })));
    await commit(deleted(id(), first), stored(id(), mortal(A, { base: 10 }, 2)));
    await commit(deleted(id(), mortal(B, { base: 1 })), stored(id(), plainState(B, 1, 2)));
    expect(await named(11)).toEqual([A]);
    expect(await named(2_000)).toEqual([A]);
  });

  it('looks at so many records at a time, and says when there may be more', async () => {
    const { commit } = owned();
    await commit(...EIDS.map((eid, n) => stored(id(), mortal(eid, { base: n }))));
    expect((await expired(at(100), 2)).records.map(({ eid }) => eid)).toEqual(EIDS.slice(0, 2));
    await commit(...EIDS.slice(0, 3).map((eid) => stored(id(), mortal(eid, { base: 0, data: 500 }))));
    const seen: unknown[] = [];
    for (let more = true; more; ) {
      const step = await expired(at(100), 4);
      seen.push(step.records.length);
      ({ more } = step);
    }
    expect(seen).toEqual([1, 2]);
  });

  it('keeps its times over a change of owner', async () => {
    const { bed, store, ownership, commit } = owned();
    await commit(stored(id(), mortal(A, { base: 10 })));
    await store.release(ownership);
    const successor = await bed.store(0);
    expect(await successor.own(0)).toMatchObject({ index: 0 });
    expect((await successor.due({ kind: 'expiry', etype: 'ip' }, at(11), 10)).records).toEqual([
      { eid: A, until: at(10) },
    ]);
  });

  it('names after any commits exactly what has expired', async () => {
    const { commit } = owned();
    const alive = new Map<string, RecordState>();
    const last = new Map<string, number>();
    const entryOf = ({ eid, token, until }: { eid: string; token: string; until: number }): TestEntry => {
      const before = alive.get(eid);
      if (token === 'delete' && before !== undefined) {
        alive.delete(eid);
        return deleted(id(), before);
      }
      const incarnation = before?.incarnation ?? (last.get(eid) ?? 0) + 1;
      last.set(eid, incarnation);
      const ttlTokens = new Map(before?.ttlTokens);
      const known = ttlTokens.get(token);
      if (token !== 'delete' && (known === undefined || known < at(until))) ttlTokens.set(token, at(until));
      const state = stateOf(eid, { incarnation, ttlTokens });
      alive.set(eid, state);
      return stored(id(), state);
    };
    const change = fc.record({
      eid: fc.constantFrom(...EIDS),
      token: fc.constantFrom('base', 'data', 'delete'),
      until: fc.nat(30),
    });
    const steps = fc.array(fc.tuple(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(32)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        for (const [changes, seconds] of given) {
          await commit(...changes.map(entryOf));
          const due = [...alive.values()].filter(({ ttlTokens }) => {
            return ttlTokens.size > 0 && [...ttlTokens.values()].every((until) => until < at(seconds));
          });
          expect((await named(seconds)).sort()).toEqual(due.map(({ eid }) => eid).sort());
        }
      }),
      { numRuns: 50 },
    );
  });
}
