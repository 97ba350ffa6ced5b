import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_GIVEN_CHARACTERS, describe as show, ValueError, within } from '../../lib/model/value-error.js';

describe('an error about a value', () => {
  it('says what was given and what is allowed', () => {
    expect(ValueError.of('x', 'an integer').message).toBe('given "x", allowed is an integer');
    expect(ValueError.missing('an object with a', 'a').message).toBe('a: given nothing, allowed is an object with a');
  });

  it('gathers its path on the way out', () => {
    const error = ValueError.of(null, 'a string').within('eid').within(2).within('data');
    expect(error.path).toBe('data[2].eid');
    expect(error.message).toBe('data[2].eid: given null, allowed is a string');
    expect(ValueError.of(1, 'a').within(1).within(0).path).toBe('[0][1]');
  });

  it('is the only error that a container touches', () => {
    const other = new TypeError('bug');
    expect(within(1, other)).toBe(other);
  });

  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [Number.NaN, 'NaN'],
    [12n, '12'],
    ['a"\0\ud800', '"a\\"\\u0000\\ud800"'],
    [[1, [], {}], '[1,[],{}]'],
    [{ a: 'b', __x: [null] }, '{"a":"b","__x":[null]}'],
    [
      new Map<unknown, unknown>([
        ['a', 1],
        [5, 2],
      ]),
      '{"a":1,5:2}',
    ],
    [10n ** 500n, 'a huge integer'],
    [Symbol('s'), 'a symbol'],
  ])('shows %s as text', (value, text) => {
    expect(show(value)).toBe(text);
  });

  it('never shows more than its bound, and never half a character', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(show(circle).length).toBeLessThanOrEqual(MAX_GIVEN_CHARACTERS);
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withNullPrototype: true, maxDepth: 4 }),
        fc.string({ unit: 'grapheme', minLength: 30 }),
        (value, text) => {
          for (const shown of [show(value), show([text, value, text])]) {
            expect(shown.length).toBeLessThanOrEqual(MAX_GIVEN_CHARACTERS);
            expect(shown.isWellFormed()).toBe(true);
          }
        },
      ),
    );
  });

  it('has a path that does not grow with the length of a key, however many containers it stands in', () => {
    let error = ValueError.of(null, 'a string').within('k'.repeat(1_000_000));
    for (let n = 0; n < 170; n++) error = error.within('a');
    expect(error.path).toBe(`${'a.'.repeat(170)}${'k'.repeat(MAX_GIVEN_CHARACTERS)}`);
  });
});
