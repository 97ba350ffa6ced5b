import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryParams, ObservationsAttribute } from '../../lib/model/attribute.js';
import { confidenceAt, currentValue, reachOf } from '../../lib/model/current.js';
import type { HistoryRow } from '../../lib/model/record.js';
import { type Instant, instantOfMs } from '../../lib/model/time.js';
import { loadTestModel } from '../support/model.js';

const MINUTE = 60_000_000n;
const PARAMS: HistoryParams = {
  maxAge: null,
  maxItems: null,
  expireTime: null,
  preValidity: 10n * MINUTE,
  postValidity: 20n * MINUTE,
  aggregate: true,
};

/** So many minutes after the beginning. */
function minute(n: number): Instant {
  return instantOfMs(Date.UTC(2026, 0, 1) + n * 60_000);
}

function row(from: number, to: number, v: unknown, c = 1): HistoryRow {
  return { attr: 'a', t1: minute(from), t2: minute(to), v, c };
}

function current(
  rows: readonly HistoryRow[],
  at: number,
  parts: Partial<ObservationsAttribute> = {},
): Promise<unknown> {
  const attribute = loadTestModel().attribute('bus', 'int') as ObservationsAttribute;
  const all = (async function* () {
    yield* rows;
  })();
  return currentValue(all, { ...attribute, historyParams: PARAMS, ...parts }, minute(at));
}

describe('the confidence of a row', () => {
  it.each([
    [89, 0],
    [90, 0],
    [95, 0.4],
    [100, 0.8],
    [150, 0.8],
    [200, 0.8],
    [205, 0.6],
    [220, 0],
    [221, 0],
  ])('at minute %d of a row from 100 to 200 is %d', (at, confidence) => {
    expect(confidenceAt(row(100, 200, 1, 0.8), minute(at), PARAMS)).toBeCloseTo(confidence, 10);
  });

  it('is 0 outside of the row where nothing extends it', () => {
    const strict = { ...PARAMS, preValidity: 0n, postValidity: 0n };
    expect([99, 100, 101].map((at) => confidenceAt(row(100, 100, 1), minute(at), strict))).toEqual([0, 1, 0]);
  });

  it('is 0 for every row that does not overlap the reach', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.nat(50),
        fc.integer({ min: 0, max: 300 }),
        (from, length, at) => {
          const one = row(from, from + length, 1);
          const reach = reachOf(minute(at), PARAMS);
          const overlaps = one.t1 <= reach.to && one.t2 >= reach.from;
          if (!overlaps) expect(confidenceAt(one, minute(at), PARAMS)).toBe(0);
        },
      ),
    );
  });

  it('has a reach at the ends of time', () => {
    const first = '0001-01-01T00:00:00.000000Z' as Instant;
    const last = '9999-12-31T23:59:59.999999Z' as Instant;
    expect(reachOf(first, PARAMS)).toEqual({ from: first, to: '0001-01-01T00:10:00.000000Z' });
    expect(reachOf(last, PARAMS).to).toBe(last);
  });
});

describe('the current value', () => {
  it('is the one with the highest confidence, of equal ones the one valid for longest', async () => {
    expect(await current([row(0, 100, 'a', 0.5), row(0, 100, 'b', 0.9), row(0, 100, 'c', 0.7)], 50)).toBe('b');
    expect(await current([row(0, 100, 'a'), row(0, 120, 'b'), row(0, 110, 'c')], 50)).toBe('b');
    expect(await current([row(0, 100, 'a'), row(0, 100, 'b')], 50)).toBe('b');
    expect(await current([row(0, 40, 'old'), row(0, 50, 'new', 0.6)], 50)).toBe('new');
  });

  it('is null where no row says anything, and a confidence of 0 says nothing', async () => {
    expect(await current([], 50)).toBeNull();
    expect(await current([row(0, 10, 'a'), row(90, 100, 'b'), row(0, 100, 'c', 0)], 50)).toBeNull();
  });

  it('is a list of all different values where an attribute has many', async () => {
    const rows = [row(0, 100, { x: 1 }), row(0, 10, 2), row(10, 60, 3), row(20, 70, { x: 1 })];
    expect(await current(rows, 50, { multiValue: true })).toEqual([{ x: 1 }, 3]);
    expect(await current([], 50, { multiValue: true })).toEqual([]);
  });
});
