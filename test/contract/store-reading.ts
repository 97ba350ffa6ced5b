/** The part of the contract of stores that is about reading by others, and about what an operator does with quarantined tasks. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { stringifyJson } from '../../lib/model/json.js';
import type { StoreReader } from '../../lib/store/store.js';
import { heldBytes } from '../support/garbage.js';
import {
  all,
  at,
  batchOf,
  deleted,
  eidsOf,
  observed,
  plainState,
  quarantined,
  row,
  stateOf,
  stored,
  type TestEntry,
  take,
} from '../support/results.js';
import { NUM_PROCESSES, type OwnedBed } from './store-bed.js';

export function describeReading(owned: () => OwnedBed): void {
  describeRecordsRead(owned);
  describeQuarantine(owned);
}

function describeRecordsRead(owned: () => OwnedBed): void {
  it('sees what is committed at each look, of all indexes, and what is absent', async () => {
    const { bed, store, ownership, commit } = owned();
    const [here = '', there = ''] = [0, 1].map((index) => take(eidsOf(index, NUM_PROCESSES), 1)[0]);
    const other = await bed.store(1);
    const owner = await other.own(1);
    const reader = await bed.reader();
    expect(await reader.get('ip', here)).toEqual({ state: null, lastIncarnation: 0 });
    for (const v of [1, 2, 3]) {
      await commit(stored(`a${v}`, plainState(here, v)));
      await other.commit(batchOf(owner, stored(`b${v}`, plainState(there, v))));
      expect(await reader.get('ip', here)).toEqual({ state: plainState(here, v) });
      expect(await reader.get('ip', there)).toEqual({ state: plainState(there, v) });
    }
    await store.commit(batchOf(ownership, deleted('d', plainState(here, 3))));
    expect(await reader.get('ip', here)).toEqual({ state: null, lastIncarnation: 1 });
    expect(await reader.counts()).toEqual({ records: 1, quarantined: 0 });
  });

  it('gives all records with their histories as they were at one moment, whatever is committed meanwhile', async () => {
    const { bed, store, ownership } = owned();
    const other = await bed.store(1);
    const owners = [
      { store, ownership },
      { store: other, ownership: await other.own(1) },
    ];
    const states = [0, 1].flatMap((index) => take(eidsOf(index, NUM_PROCESSES), 120).map((eid) => ({ index, eid })));
    const history = (n: number) => Array.from({ length: n }, (_, second) => row('a', second, second));
    const commit = async (index: number, ...entries: TestEntry[]) => {
      const owner = owners[index];
      if (owner !== undefined) await owner.store.commit(batchOf(owner.ownership, ...entries));
    };
    for (const [n, { index, eid }] of states.entries()) {
      const rows = history(n === 3 ? 600 : 2);
      await commit(index, stored(`s${n}`, observed(stateOf(eid), rows), { history: rows }));
    }
    const reader = await bed.reader();
    const seen: string[] = [];
    let rows = 0;
    await reader.snapshot(async (records) => {
      for await (const { state, history } of records) {
        if (seen.length === 0) {
          for (const [n, { index, eid }] of states.entries()) await commit(index, deleted(`d${n}`, stateOf(eid)));
          await commit(0, stored('new', plainState(take(eidsOf(0, NUM_PROCESSES, 'new'), 1)[0] ?? '', 1)));
        }
        seen.push(state.eid);
        rows += (await all(history())).length;
      }
    });
    expect(seen).toEqual(states.map(({ eid }) => eid).sort());
    expect(rows).toBe(2 * (states.length - 1) + 600);
    expect(await reader.count('ip')).toBe(1);
  });

  it('lists the records of a type page by page, in the order of their bytes, over all indexes', async () => {
    const { bed, ownership, store } = owned();
    const other = await bed.store(1);
    const owners = [
      { store, ownership },
      { store: other, ownership: await other.own(1) },
    ];
    const prefixes = ['', '0', 'ä', '€', '𝒳', '\u0001', 'a', 'A'];
    const eids = [0, 1].map((index) => {
      return [...new Set(prefixes.flatMap((prefix) => take(eidsOf(index, NUM_PROCESSES, prefix), 6)))];
    });
    for (const [index, owner] of owners.entries()) {
      const entries = (eids[index] ?? []).map((eid) => stored(eid, plainState(eid, 1)));
      const neighbour = { ...plainState('0', 1), etype: 'ip2' };
      await owner.store.commit(batchOf(owner.ownership, ...entries, stored('ip2', neighbour)));
    }
    const reader = await bed.reader();
    const expected = eids.flat().sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    for (const limit of [1, 7, 1_000]) expect(await listed(reader, limit)).toEqual(expected);
    const [first] = await reader.list('ip', { limit: 1 });
    expect(first).toEqual({ eid: expected[0], updated: at(60) });
    expect(await reader.list('ip', { limit: 0 })).toEqual([]);
    const counts = await Promise.all(['ip', 'i'].map((etype) => reader.count(etype)));
    expect(counts).toEqual([expected.length, 0]);
    expect(await reader.list('i', { limit: 5 })).toEqual([]);
    expect(await reader.list('ip', { after: '\uffff\uffff', limit: 50 })).toHaveLength(
      expected.filter((eid) => eid.startsWith('𝒳')).length,
    );
  });

  it('counts records and quarantined tasks', async () => {
    const { bed, commit } = owned();
    const reader = await bed.reader();
    expect(await reader.counts()).toEqual({ records: 0, quarantined: 0 });
    await commit(stored('1', plainState('e', 1)), stored('2', plainState('f', 1)), quarantined('3', Buffer.from('x')));
    expect(await reader.counts()).toEqual({ records: 2, quarantined: 1 });
    await commit(deleted('4', plainState('e', 1)), stored('5', plainState('f', 2)));
    expect(await reader.counts()).toEqual({ records: 1, quarantined: 1 });
  });
}

function describeQuarantine(owned: () => OwnedBed): void {
  it('lists quarantined tasks with their reason and the very bytes of their message', async () => {
    const { bed, commit, store } = owned();
    const bodies = [Buffer.from([0, 255, 254, 0, 128]), Buffer.alloc(0), Buffer.alloc(2 ** 20, '{')];
    const of = { etype: '__proto__', eid: 'constructor' };
    await commit(quarantined('__proto__', bodies[0]!), quarantined('b', bodies[1]!, of), quarantined('c', bodies[2]!));
    const reader = await bed.reader();
    const listed = await all(reader.quarantined());
    const messages = await Promise.all(listed.map(({ index, id }) => reader.quarantinedMessage(index, id)));
    const found = listed.map((task, n) => ({ ...task, body: digest(messages[n]!) }));
    expect(await reader.quarantinedMessage(0, 'not there')).toBeNull();
    const nobody = { etype: null, eid: null };
    const expected = [nobody, of, nobody].map((entity, n) => {
      const id = ['__proto__', 'b', 'c'][n]!;
      const body = digest(bodies[n]!);
      const time = expect.any(String);
      return { ...entity, id, index: 0, time, code: 'MESSAGE_INVALID', reason: `${id} is no task`, body };
    });
    expect(found.sort((one, other) => (one.id < other.id ? -1 : 1))).toEqual(expected);
    expect([...(await store.known(0, ['b'])).keys()]).toEqual(['b']);
  });

  it('lists any number of quarantined tasks', async () => {
    const { bed, commit } = owned();
    await commit(...Array.from({ length: 1_203 }, (_, n) => quarantined(`q${n}`, Buffer.from(`${n}`))));
    const ids = (await all((await bed.reader()).quarantined())).map(({ id }) => id);
    expect([ids.length, new Set(ids).size]).toEqual([1_203, 1_203]);
  });

  it('lists quarantined tasks without their messages in memory, however large these are', async () => {
    const { bed, commit } = owned();
    const body = Buffer.alloc(8 * 2 ** 20, '{');
    for (let n = 0; n < 8; n++) await commit(quarantined(`q${n}`, body));
    const reader = await bed.reader();
    const before = heldBytes();
    let [listed, most] = [0, before];
    for await (const { id } of reader.quarantined()) {
      expect(id).toMatch(/^q/);
      listed += 1;
      most = Math.max(most, heldBytes());
    }
    expect(listed).toBe(8);
    // One that is looked at, and what is read ahead.
    expect(most - before).toBeLessThan(3.5 * body.length);
  }, 30_000);

  it('sends a retried task under a new id to its own index, once, and knows the old id still', async () => {
    const { bed, commit, store } = owned();
    const [eid = ''] = take(eidsOf(1, NUM_PROCESSES), 1);
    await commit(quarantined('a', Buffer.from('mine')), quarantined('b', Buffer.from('theirs'), { etype: 'ip', eid }));
    expect([await store.quarantine.retry(0, 'a'), await store.quarantine.retry(0, 'a')]).toEqual([true, false]);
    expect(await store.quarantine.retry(0, 'b')).toBe(true);
    const sent = [...(await bed.sent(0)), ...(await bed.sent(1))];
    expect(sent.map(({ body }) => body.toString())).toEqual(['mine', 'theirs']);
    expect(sent.map(({ id }) => id)).not.toContain('a');
    expect(new Set(sent.map(({ id }) => id)).size).toBe(2);
    expect(await all((await bed.reader()).quarantined())).toEqual([]);
    expect([...(await store.known(0, ['a'])).keys()]).toEqual(['a']);
  });

  it('begins a new chain with a retried task: how it was derived counts no longer', async () => {
    const { bed, commit, store } = owned();
    const message = {
      etype: 'ip',
      eid: 'x',
      data_points: [{ attr: 'a', v: { depth: 3, n: 2n ** 70n } }],
      depth: 1_001,
    };
    const others = ['{"etype":"ip","tags":["\\"depth\\""]}', '{"depth":', '["depth"]'];
    const bodies = [stringifyJson(message), ...others];
    await commit(...bodies.map((body, n) => quarantined(`q${n}`, Buffer.from(body))));
    for (const n of bodies.keys()) expect(await store.quarantine.retry(0, `q${n}`)).toBe(true);
    const { depth, ...first } = message;
    expect((await bed.sent(0)).map(({ body }) => body.toString())).toEqual([stringifyJson(first), ...others]);
  });

  it('drops a quarantined task for good', async () => {
    const { bed, commit, store } = owned();
    await commit(quarantined('a', Buffer.from('1')), quarantined('b', Buffer.from('2')));
    expect([await store.quarantine.drop(0, 'a'), await store.quarantine.drop(0, 'a')]).toEqual([true, false]);
    expect((await all((await bed.reader()).quarantined())).map(({ id }) => id)).toEqual(['b']);
    expect(await bed.sent(0)).toEqual([]);
  });
}

/** A large buffer takes an assertion seconds to compare. */
function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

async function listed(reader: StoreReader, limit: number): Promise<string[]> {
  const eids: string[] = [];
  for (;;) {
    const after = eids.at(-1);
    const page = await reader.list('ip', { limit, ...(after !== undefined && { after }) });
    eids.push(...page.map(({ eid }) => eid));
    if (page.length < limit) return eids;
  }
}
