/** What becomes of each task when a batch is refused. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../lib/commit/entry.js';
import { sortOut } from '../../lib/commit/sort-out.js';
import type { CommitOutcome } from '../../lib/store/store.js';
import { testDelivery } from '../support/deliveries.js';

/** `a1`: the first task of key a; the name is what the lanes would take back. */
function entry(name: string): Entry<string> {
  const result = { outcome: 'applied', etype: 'ip', eid: name[0]!, history: [], raw: [], derived: [] } as const;
  return { delivery: testDelivery({ id: name }), result, key: name[0]!, again: name };
}

const batch = ['a1', 'b1', 'a2', 'c1', 'a3', 'b2'].map(entry);
const later = ['a4', 'b3', 'd1'].map(entry);
const ids = (entries: readonly Entry<string>[]) => entries.map(({ delivery }) => delivery.id);
const doneBefore = (...known: string[]): CommitOutcome => ({
  kind: 'done-before',
  ids: new Map(known.map((id) => [id, null])),
});
const unstorable = (...guilty: Entry<string>[]): CommitOutcome => ({
  kind: 'unstorable',
  entries: new Map(guilty.map((each) => [each, `${each.delivery.id} is too long`])),
});

describe('sorting out a refused batch', () => {
  it('drops what was done before and executes all else of those keys again, in order, also what gathered since', () => {
    const sorted = sortOut(doneBefore('a2'), batch, later);
    expect(sorted).not.toBeNull();
    const { known, kept, rewound } = sorted!;
    expect(ids(known)).toEqual(['a2']);
    expect([...rewound]).toEqual([['a', ['a1', 'a3', 'a4']]]);
    expect(ids(kept)).toEqual(['b1', 'c1', 'b2', 'b3', 'd1']);
  });

  it('resets a key of which nothing is left to execute', () => {
    const { rewound, kept } = sortOut(doneBefore('c1'), batch, [])!;
    expect([...rewound]).toEqual([['c', []]]);
    expect(ids(kept)).toEqual(['a1', 'b1', 'a2', 'a3', 'b2']);
  });

  it('keeps a task that can not be stored in its place, to be put aside with the reason, and nothing of what it did', () => {
    const { kept, rewound, known } = sortOut(unstorable(batch[1]!, batch[3]!), batch, later)!;
    expect(known).toEqual([]);
    expect(ids(kept)).toEqual(['a1', 'b1', 'a2', 'c1', 'a3', 'a4', 'd1']);
    expect([...rewound]).toEqual([
      ['b', ['b2', 'b3']],
      ['c', []],
    ]);
    const { result, again } = kept[1]!;
    expect(again).toBeNull();
    expect(result).toEqual({
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
    const unread: Entry<string> = { ...entry('x1'), key: null, again: null };
    const { known, kept, rewound } = sortOut(doneBefore('x1'), [unread, ...batch], [])!;
    expect(ids(known)).toEqual(['x1']);
    expect(ids(kept)).toEqual(ids(batch));
    expect(rewound.size).toBe(0);
  });

  it('puts aside the only task of a batch that is refused as a whole', () => {
    const { kept, rewound } = sortOut({ kind: 'refused', why: 'too large' }, [batch[0]!], later)!;
    expect(kept[0]?.result.reason).toEqual({ code: 'TASK_UNSTORABLE', sentence: 'too large' });
    expect([...rewound]).toEqual([['a', ['a4']]]);
  });

  it('notes no more than the message where the note is refused, then not even its id, withholds what is refused even then, and rewinds nothing for it', () => {
    const named = (guilty: Entry<string>): CommitOutcome => ({
      kind: 'unstorable',
      entries: new Map([[guilty, 'ż is no letter']]),
    });
    const once = sortOut(named(batch[0]!), batch, later)!;
    const twice = sortOut(named(once.kept[0]!), once.kept, [])!;
    const bare = { code: 'TASK_UNSTORABLE', sentence: '? is no letter', bare: true };
    expect(twice.kept[0]!.result).toEqual({ ...once.kept[0]!.result, etype: null, eid: null, reason: bare });
    const thrice = sortOut(named(twice.kept[0]!), twice.kept, [])!;
    expect(thrice.kept[0]!.result).toEqual({ ...twice.kept[0]!.result, reason: { ...bare, withoutId: true } });
    const last = sortOut(named(thrice.kept[0]!), thrice.kept, [])!;
    expect([...last.withheld]).toEqual([[thrice.kept[0], 'ż is no letter']]);
    expect(ids(last.kept)).toEqual(ids(thrice.kept.slice(1)));
    expect([twice.rewound.size, thrice.rewound.size, last.rewound.size]).toEqual([0, 0, 0]);
  });

  it('names nothing where the outcome names nothing', () => {
    expect(sortOut(doneBefore('z9'), batch, later)).toBeNull();
    expect(sortOut(unstorable(), batch, later)).toBeNull();
    expect(sortOut({ kind: 'refused', why: 'too large' }, batch, later)).toBeNull();
  });
});
