import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CUT, cutTo, widthOf, wrapped } from '../../lib/runtime/text-width.js';

const ANY_TEXT = fc.string({ unit: 'binary', maxLength: 40 });

describe('the width of a text', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['ﾊﾟ', 2],
    ['한국', 4],
    ['Ａ', 2],
    ['😀', 2],
    ['❤', 1],
    ['❤\ufe0f', 2],
    ['🇨🇿', 2],
    ['…', 1],
  ])('of %j is %d columns', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  it('is for an emoji of several what those terminals need that draw each', () => {
    expect(widthOf('👩\u200d💻')).toBe(4);
  });
});

describe('a cut text', () => {
  it('never takes more columns than there are, and is the text itself or its begin with a mark', () => {
    fc.assert(
      fc.property(ANY_TEXT, fc.nat(40), (text, columns) => {
        const cut = cutTo(text, columns);
        expect(widthOf(cut)).toBeLessThanOrEqual(columns);
        if (cut === text) return;
        expect(widthOf(text)).toBeGreaterThan(columns);
        if (columns > 0) expect(cut.endsWith(CUT) && text.startsWith(cut.slice(0, -1))).toBe(true);
      }),
    );
    expect(cutTo('日本語', 4)).toBe('日…');
    expect(cutTo('日本', 4)).toBe('日本');
  });
});

describe('a wrapped text', () => {
  it('keeps every word, breaks at blanks alone, and each line fits that has more than one word', () => {
    const words = fc.array(fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('a', 'é', '日', '😀') }));
    fc.assert(
      fc.property(words, fc.integer({ min: 8, max: 40 }), (each, columns) => {
        const lines = wrapped(each.join(' '), columns);
        expect(lines.map((line) => line.trimStart()).join(' ')).toBe(each.join(' '));
        for (const line of lines.filter((found) => found.trimStart().includes(' '))) {
          expect(widthOf(line)).toBeLessThanOrEqual(columns);
        }
      }),
    );
    expect(wrapped('one two three', 8)).toEqual(['one two', '  three']);
  });
});
