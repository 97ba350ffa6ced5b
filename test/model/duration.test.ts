import { describe, expect, it } from 'vitest';
import { readDuration } from '../../lib/model/duration.js';
import { ValueError } from '../../lib/model/value-error.js';

describe('a duration', () => {
  /** Setting, seconds. Checked against DP3. */
  it.each<[unknown, number]>([
    ['5s', 5],
    ['5m', 300],
    ['5h', 18_000],
    ['7d', 604_800],
    [' 5d ', 432_000],
    ['5 D', 432_000],
    ['0', 0],
    [0, 0],
    [90, 90],
    [5.5, 5.5],
    [0.000001, 0.000001],
    [86_400n, 86_400],
    ['P1D', 86_400],
    ['P1W2D', 777_600],
    ['P1Y', 31_536_000],
    ['P1M', 2_592_000],
    ['PT1M', 60],
    ['PT1H30M', 5_400],
    ['PT0.5H', 1_800],
    ['PT1,5S', 1.5],
    ['P1.5D', 129_600],
    ['P1DT', 86_400],
    ['+P10DT1S', 864_001],
    ['01:02', 3_720],
    ['1:02:03.5', 3_723.5],
    ['25:00:00', 90_000],
    ['3 days', 259_200],
    ['3 days, 01:02:03', 262_923],
    ['3d 01:02:03', 262_923],
  ])('is read from %s', (raw, seconds) => {
    expect(Number(readDuration(raw)) / 1_000_000).toBe(seconds);
  });

  it.each([
    '',
    '5',
    '5x',
    '5.5s',
    '-5d',
    -1,
    -0.5,
    '-P1D',
    'P',
    'PT',
    'p1d',
    'P1H',
    'P1D1',
    '1d2h',
    'inf',
    '5e3',
    '1000000000d',
    '1w',
    '5ms',
    '9'.repeat(100_000),
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e15,
    true,
    null,
    [],
    new Map(),
  ])('is not read from %s', (raw) => {
    expect(() => readDuration(raw)).toThrow(ValueError);
  });

  it('may be as long as Python allows, and exact', () => {
    expect(readDuration('999999999d')).toBe(86_399_999_913_600_000_000n);
  });
});
