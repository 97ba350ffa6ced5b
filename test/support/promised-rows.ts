/** What a disturbed run of the stream application must have left, by what its delivery promises. */
import { expect } from 'vitest';
import { expectSameRows, type StoredRows } from './stored-rows.js';
import type { Undisturbed } from './storm.js';

export type Delivery = 'effectively-once' | 'at-least-once' | 'at-most-once';

export interface Disturbances {
  /** Tasks that may have run in workers that were killed. */
  readonly running: number;
  /** Tasks that may have been sent or handed out again without anybody who knows them. */
  readonly repeated: number;
}

export function expectPromised(
  delivery: Delivery,
  stored: StoredRows,
  { rows, tasks }: Undisturbed,
  { running, repeated }: Disturbances,
): void {
  if (delivery === 'effectively-once') {
    expectSameRows(stored, rows, tasks);
    return;
  }
  const [found, expected] = [observed(stored), observed(rows)];
  const missing = [...expected.keys()].filter((each) => !found.has(each));
  expect([...found.keys()].filter((each) => !expected.has(each))).toEqual([]);
  if (delivery === 'at-least-once') {
    expect(missing).toEqual([]);
    expect(lastOf(stored)).toEqual(lastOf(rows));
    return;
  }
  for (const etype of ['ip', 'network']) {
    const ofType = (keys: Iterable<string>) => [...keys].filter((key) => key.startsWith(`${etype} `));
    expect(ofType(missing).length, `lost of ${etype}`).toBeLessThanOrEqual(running);
    const doubled = ofType(found.keys()).reduce((sum, key) => sum + (found.get(key) ?? 0) - 1, 0);
    expect(doubled, `doubled of ${etype}`).toBeLessThanOrEqual(repeated);
  }
}

/** How often each observation is there. Traces are left out: tasks of theirs that are lost or run again delete others. */
function observed({ history = [] }: StoredRows): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const row of history) {
    const [etype, eid, , , t1, , , v] = JSON.parse(row) as readonly unknown[];
    if (etype === 'trace') continue;
    const key = `${etype} ${eid} ${t1} ${v}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** The plain values of each record: what came last. */
function lastOf({ records = [] }: StoredRows): readonly unknown[] {
  return records.map((row) => {
    const [etype, eid, , , plain] = JSON.parse(row) as readonly unknown[];
    return [etype, eid, plain];
  });
}
