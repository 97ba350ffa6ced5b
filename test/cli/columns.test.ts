import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cell, type Column, tableLines } from '../../lib/cli/columns.js';
import { widthOf } from '../../lib/runtime/text-width.js';
import { all } from '../support/results.js';

async function table(head: readonly (string | Column)[], rows: readonly (readonly Cell[])[], space: number) {
  const left: string[] = [];
  const look = {
    space,
    head: (title: string) => title,
    omitted: (titles: readonly string[]) => void left.push(...titles),
  };
  return { lines: await all(tableLines(head, rows, look)), left };
}

describe('a table', () => {
  it('cuts the widest columns with a mark where the terminal ends', async () => {
    const { lines } = await table(['key', 'value'], [['k'.repeat(12), 'v'.repeat(40)]], 30);
    expect(lines).toEqual([`key${' '.repeat(11)}value`, `${'k'.repeat(12)}  ${'v'.repeat(15)}…`]);
  });

  it('first shrinks what says how much is enough, then leaves out what it may, from the right', async () => {
    const head = [
      { title: 'id', enough: 5 },
      'n',
      { title: 'more', optional: true },
      { title: 'most', optional: true },
    ];
    const rows = [['0123456789', 1, 'more', 'most']];
    const at = async (space: number) => table(head, rows, space);
    expect(await at(26)).toEqual({ lines: ['id          n  more  most', '0123456789  1  more  most'], left: [] });
    expect(await at(20)).toEqual({ lines: ['id     n  more  most', '0123…  1  more  most'], left: [] });
    expect(await at(14)).toEqual({ lines: ['id     n  more', '0123…  1  more'], left: ['most'] });
    expect(await at(9)).toEqual({ lines: ['id     n', '0123…  1'], left: ['more', 'most'] });
  });

  it('cuts nothing where there is no terminal, however late a long row comes', async () => {
    const rows = Array.from({ length: 300 }, (_, n) => [n, n === 299 ? 'x'.repeat(500) : 'y']);
    const { lines } = await table(['n', 'value'], rows, Number.POSITIVE_INFINITY);
    expect(lines.at(-1)).toBe(`299  ${'x'.repeat(500)}`);
    const narrow = await table(['n', 'value'], rows, 80);
    expect(narrow.lines.at(-1)).toBe(`299  ${'x'.repeat(74)}…`);
  });

  it('is never wider than the terminal, whatever stands in it', async () => {
    const cell = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer(), fc.constant(null));
    const rows = fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 28, max: 90 }), async (given, space) => {
        const { lines } = await table(['a', { title: 'b', optional: true }, { title: 'c', enough: 3 }], given, space);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(space);
      }),
    );
  });
});
