/** The cache of records against a model that keeps everything, while its store takes any time to answer and fails at times. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordView } from '../../lib/model/record.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { sizeOfView } from '../../lib/store/record-size.js';
import { LOAD_KEYS_LIMIT, Records } from '../../lib/store/records.js';
import { nextTurn } from '../support/deliveries.js';
import { cyclic, plainState } from '../support/results.js';

const ABSENT: RecordView = { state: null, lastIncarnation: 0 };
const viewOf = (eid: string, v: unknown): RecordView => ({ state: plainState(eid, v) });

/** A store that answers when it is told to, with what it had when it was asked. */
class SlowStore {
  readonly stored = new Map<string, RecordView>();
  readonly asked: (readonly string[])[] = [];
  private readonly waiting: { answer: () => void; fail: (error: ApplicationError) => void }[] = [];

  load(keys: readonly (readonly [string, string])[]): Promise<readonly RecordView[]> {
    const names = keys.map(([etype, eid]) => `${etype}:${eid}`);
    this.asked.push(names);
    const views = names.map((name) => this.stored.get(name) ?? ABSENT);
    return new Promise((resolve, reject) => this.waiting.push({ answer: () => resolve(views), fail: reject }));
  }

  async answer(): Promise<void> {
    await nextTurn();
    for (const { answer } of this.waiting.splice(0)) answer();
    await nextTurn();
  }

  async fail(): Promise<void> {
    await nextTurn();
    for (const { fail } of this.waiting.splice(0)) fail(new ApplicationError('STORE_UNAVAILABLE', 'the store is away'));
    await nextTurn();
  }
}

function bed(bytes = Number.POSITIVE_INFINITY) {
  const store = new SlowStore();
  return { store, records: new Records(store, { bytes }) };
}

describe('records', () => {
  it('reads the keys of one tick together, each once, and then knows them at once', async () => {
    const { store, records } = bed();
    store.stored.set('ip:a', viewOf('a', 1));
    const views = ['a', 'b', 'a', '__proto__'].map((eid) => records.newest('ip', eid));
    await store.answer();
    expect(await Promise.all(views)).toEqual([viewOf('a', 1), ABSENT, viewOf('a', 1), ABSENT]);
    expect(store.asked).toEqual([['ip:a', 'ip:b', 'ip:__proto__']]);
    expect(records.newest('ip', 'a')).toEqual(viewOf('a', 1));
    expect(records.newest('ip', 'b')).toEqual(ABSENT);
  });

  it('asks for a bounded number of keys at once', async () => {
    const { store, records } = bed();
    const views = Array.from({ length: 2 * LOAD_KEYS_LIMIT + 1 }, (_, n) => records.newest('ip', `${n}`));
    await store.answer();
    await Promise.all(views);
    expect(store.asked.map(({ length }) => length)).toEqual([LOAD_KEYS_LIMIT, LOAD_KEYS_LIMIT, 1]);
  });

  it('rejects for all who asked when the store fails, and asks again the next time', async () => {
    const { store, records } = bed();
    const first = Promise.allSettled([records.newest('ip', 'a'), records.newest('ip', 'a'), records.newest('ip', 'b')]);
    await store.fail();
    expect((await first).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const second = records.newest('ip', 'a');
    await store.answer();
    expect(await second).toEqual(ABSENT);
  });

  it('rejects for a key that cannot be read, and for no other that was asked for beside it', async () => {
    const load = async (keys: readonly (readonly [string, string])[]) => {
      if (keys.some(([, eid]) => eid === 'bad')) throw new Error('bad is damaged');
      return keys.map(() => ABSENT);
    };
    const records = new Records({ load }, { bytes: 10_000 });
    const asked = ['a', 'b', 'bad', 'c', 'd'].map((eid) => records.newest('ip', eid));
    const read = await Promise.allSettled(asked);
    expect(read.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(read[2]).toMatchObject({ reason: { message: 'bad is damaged' } });
  });

  it('rejects when the store answers for other keys than it was asked', async () => {
    const records = new Records({ load: async () => [] }, { bytes: 1 });
    await expect(records.newest('ip', 'a')).rejects.toThrow('asked for 1 records, got 0');
  });

  it('keeps within its bound, the least recently used leave first, and what is not durable stays', async () => {
    const size = sizeOfView('ip:0', viewOf('0', 1));
    const { store, records } = bed(3 * size);
    for (const eid of ['0', '1', '2']) {
      records.put(`ip:${eid}`, viewOf(eid, 1));
      records.committed(`ip:${eid}`);
    }
    records.newest('ip', '0');
    records.put('ip:3', viewOf('3', 1));
    const inside = () => ['0', '1', '2', '3'].filter((eid) => !(records.newest('ip', eid) instanceof Promise));
    expect(inside()).toEqual(['0', '2', '3']);
    await store.answer();
    for (const eid of ['4', '5', '6', '7']) records.put(`ip:${eid}`, viewOf(eid, 1));
    expect(records.size).toBe(5);
    expect(records.bytes).toBe(5 * size);
    for (const eid of ['3', '4', '5', '6', '7']) records.committed(`ip:${eid}`);
    expect([records.size, records.bytes]).toEqual([3, 3 * size]);
  });

  it('holds a key until each of its puts is durable', () => {
    const { records } = bed(0);
    for (const v of [1, 2]) records.put('ip:a', viewOf('a', v));
    records.committed('ip:a');
    expect(records.newest('ip', 'a')).toEqual(viewOf('a', 2));
    records.committed('ip:a');
    expect([records.size, records.bytes]).toEqual([0, 0]);
    records.committed('ip:a');
    expect(records.size).toBe(0);
  });

  it('estimates sizes of values that are deep or point to themselves', () => {
    const deep = JSON.parse('['.repeat(5_000) + ']'.repeat(5_000));
    for (const v of [deep, cyclic(), 10n ** 50n, 'x'.repeat(10_000), null]) {
      expect(sizeOfView('ip:a', viewOf('a', v))).toBeGreaterThan(600);
    }
    expect(sizeOfView('ip:a', viewOf('a', 'x'.repeat(10_000)))).toBeGreaterThan(20_000);
  });
});

const EIDS = ['a', 'b', '__proto__'];
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('put', 'ask'), eid: fc.constantFrom(...EIDS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'answer', 'fail') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset'), eid: fc.constantFrom(...EIDS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear') }) },
);

describe('records under any schedule', () => {
  it('never show anything older than the newest state, and keep only what they may', async () => {
    const schedule = fc.array(step, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(schedule, fc.constantFrom(0, 1_500, 1e9), async (steps, bytes) => {
        const { store, records } = bed(bytes);
        const newest = new Map<string, RecordView>();
        let open: (readonly [key: string, view: RecordView])[] = [];
        const asking: Promise<unknown>[] = [];
        for (const [n, { kind, ...rest }] of steps.entries()) {
          const eid = 'eid' in rest ? rest.eid : '';
          const key = `ip:${eid}`;
          if (kind === 'put') {
            const view = viewOf(eid, n);
            records.put(key, view);
            newest.set(key, view);
            open.push([key, view]);
          } else if (kind === 'ask') {
            const expected = newest.get(key) ?? ABSENT;
            const view = records.newest('ip', eid);
            if (view instanceof Promise) {
              // A lane waits for its record before it does anything else with the key: only a later put may come between.
              const check = view.then((found) => expect([expected, newest.get(key)]).toContainEqual(found));
              asking.push(check.catch((error) => expect(String(error)).toContain('away')));
            } else expect(view).toEqual(expected);
          } else if (kind === 'commit') {
            for (const [each, view] of open) store.stored.set(each, view);
            for (const [each] of open.splice(0)) records.committed(each);
          } else if (kind === 'answer') await store.answer();
          else if (kind === 'fail') await store.fail();
          else {
            // What is not durable yet is void: the key is what the store has.
            const lost = (each: string) => kind === 'clear' || each === key;
            open = open.filter(([each]) => !lost(each));
            for (const each of EIDS.map((eid) => `ip:${eid}`).filter(lost)) {
              newest.set(each, store.stored.get(each) ?? ABSENT);
            }
            if (kind === 'clear') records.clear();
            else records.reset(key);
          }
          const pinned = new Map(open).size;
          expect(records.size).toBeGreaterThanOrEqual(pinned);
          if (bytes === 0) expect(records.size).toBe(pinned);
          if (records.size === 0) expect(records.bytes).toBe(0);
        }
        await store.answer();
        await Promise.all(asking);
        for (const eid of EIDS) {
          const view = records.newest('ip', eid);
          await store.answer();
          expect(await view).toEqual(newest.get(`ip:${eid}`) ?? ABSENT);
        }
      }),
      { numRuns: 150 },
    );
  });
});
