import { describe, expect, it } from 'vitest';
import { parseIndex, parseIndexes } from '../../lib/config/indexes.js';

describe('process indexes', () => {
  it.each<[string | undefined, number[]]>([
    [undefined, [0, 1, 2, 3, 4, 5]],
    ['0', [0]],
    ['0-3,5', [0, 1, 2, 3, 5]],
    ['5, 0-1', [0, 1, 5]],
    ['2-2', [2]],
  ])('are read from %s', (text, indexes) => {
    expect(parseIndexes(text, 6)).toEqual(indexes);
  });

  it.each([
    ['', /given was ""/],
    ['x', /given was "x", allowed are process indexes and ranges/],
    ['3-1', /given was "3-1"/],
    ['-1', /given was "-1"/],
    ['0,,1', /given was/],
    ['1.5', /given was/],
    ['0-6', /there is no index 6; with 6 worker processes they go from 0 to 5/],
    ['0-999999999', /there is no index 999999999/],
    ['0-3,2', /index 2 is named twice/],
  ])('are refused in %s', (text, sentence) => {
    expect(() => parseIndexes(text, 6)).toThrow(sentence);
  });

  it('are read one by one', () => {
    expect(parseIndex('5', 6)).toBe(5);
    for (const text of ['6', '-1', '', 'x', '0x1', '1e0'])
      expect(() => parseIndex(text, 6)).toThrow('allowed is an index from 0 to 5');
  });
});
