/** What becomes of each task when a batch is refused. */
import { describe, expect, it } from 'vitest';
import { type Sorted, sortOut } from '../../lib/commit/sort-out.js';
import { type DoneWork, Work } from '../../lib/model/work.js';
import type { CommitOutcome } from '../../lib/store/store.js';
import { testDelivery, testTask } from '../support/deliveries.js';

/** `a1`: the first task of key a. */
function done(name: string): DoneWork {
  const result = { outcome: 'applied', etype: 'ip', eid: name[0]!, history: [], raw: [], derived: [] } as const;
  return new Work(testDelivery({ id: name }), testTask(name[0]!)).finish(result);
}

/** As the committer does. */
function putAside({ aside }: Sorted): void {
  for (const [work, result] of aside) work.conclude(result);
}

function namesOf(rewound: Sorted['rewound']) {
  return [...rewound].map(([key, works]) => [key, ids(works)]);
}

const batch = ['a1', 'b1', 'a2', 'c1', 'a3', 'b2'].map(done);
const later = ['a4', 'b3', 'd1'].map(done);
const ids = (works: readonly Work[]) => works.map(({ delivery }) => delivery.id);
const doneBefore = (...known: string[]): CommitOutcome => ({
  kind: 'done-before',
  ids: new Map(known.map((id) => [id, null])),
});
const unstorable = (...guilty: DoneWork[]): CommitOutcome => ({
  kind: 'unstorable',
  entries: new Map(guilty.map((each) => [each, `${each.delivery.id} is too long`])),
});

describe('sorting out a refused batch', () => {
  it('drops what was done before and executes all else of those keys again, in order, also what gathered since', () => {
    const sorted = sortOut(doneBefore('a2'), batch, later);
    expect(sorted).not.toBeNull();
    const { known, kept, rewound } = sorted!;
    expect(ids(known)).toEqual(['a2']);
    expect(namesOf(rewound)).toEqual([['a', ['a1', 'a3', 'a4']]]);
    expect(ids(kept)).toEqual(['b1', 'c1', 'b2', 'b3', 'd1']);
  });

  it('resets a key of which nothing is left to execute', () => {
    const { rewound, kept } = sortOut(doneBefore('c1'), batch, [])!;
    expect(namesOf(rewound)).toEqual([['c', []]]);
    expect(ids(kept)).toEqual(['a1', 'b1', 'a2', 'a3', 'b2']);
  });

  it('keeps a task that cannot be stored in its place, to be put aside with the reason, and nothing of what it did', () => {
    const { kept, aside, rewound, known } = sortOut(unstorable(batch[1]!, batch[3]!), batch, later)!;
    expect(known).toEqual([]);
    expect(ids(kept)).toEqual(['a1', 'b1', 'a2', 'c1', 'a3', 'a4', 'd1']);
    expect(namesOf(rewound)).toEqual([
      ['b', ['b2', 'b3']],
      ['c', []],
    ]);
    expect([...aside.keys()]).toEqual([kept[1], kept[3]]);
    expect(aside.get(kept[1]!)).toEqual({
      outcome: 'quarantined',
      etype: 'ip',
      eid: 'b',
      history: [],
      raw: [],
      derived: [],
      reason: { code: 'TASK_UNSTORABLE', sentence: 'b1 is too long' },
    });
  });

  it('takes out a message without a key alone', () => {
    const unread = new Work(testDelivery({ id: 'x1' }), null).conclude(done('x1').result);
    const { known, kept, rewound } = sortOut(doneBefore('x1'), [unread, ...batch], [])!;
    expect(ids(known)).toEqual(['x1']);
    expect(ids(kept)).toEqual(ids(batch));
    expect(rewound.size).toBe(0);
  });

  it('puts aside the only task of a batch that is refused as a whole', () => {
    const { kept, aside, rewound } = sortOut({ kind: 'refused', why: 'too large' }, [batch[0]!], later)!;
    expect(aside.get(kept[0]!)?.reason).toEqual({ code: 'TASK_UNSTORABLE', sentence: 'too large' });
    expect(namesOf(rewound)).toEqual([['a', ['a4']]]);
  });

  it('notes no more than the message where the note is refused, then not even its id, withholds what is refused even then, and rewinds nothing for it', () => {
    const named = (guilty: DoneWork): CommitOutcome => ({
      kind: 'unstorable',
      entries: new Map([[guilty, 'ż is no letter']]),
    });
    const works = ['a1', 'b1', 'a2'].map(done);
    const [guilty] = works;
    const once = sortOut(named(guilty!), works, later)!;
    putAside(once);
    const noted = guilty!.result;
    const twice = sortOut(named(guilty!), once.kept, [])!;
    putAside(twice);
    const bare = { code: 'TASK_UNSTORABLE', sentence: '? is no letter', bare: true };
    expect(guilty!.result).toEqual({ ...noted, etype: null, eid: null, reason: bare });
    const thrice = sortOut(named(guilty!), twice.kept, [])!;
    putAside(thrice);
    expect(guilty!.result).toEqual({ ...noted, etype: null, eid: null, reason: { ...bare, withoutId: true } });
    const last = sortOut(named(guilty!), thrice.kept, [])!;
    expect([...last.withheld]).toEqual([[guilty, 'ż is no letter']]);
    expect(ids(last.kept)).toEqual(ids(thrice.kept.slice(1)));
    expect([twice.rewound.size, thrice.rewound.size, last.rewound.size]).toEqual([0, 0, 0]);
  });

  it('names nothing where the outcome names nothing', () => {
    expect(sortOut(doneBefore('z9'), batch, later)).toBeNull();
    expect(sortOut(unstorable(), batch, later)).toBeNull();
    expect(sortOut({ kind: 'refused', why: 'too large' }, batch, later)).toBeNull();
  });
});
