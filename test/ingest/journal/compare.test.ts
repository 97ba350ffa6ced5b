import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ComparedLine, compare, Sorter } from '../../../lib/ingest/journal/compare.js';
import { CountedDigests, digestOf, packDigests, REFUSED, unpackDigests } from '../../../lib/ingest/journal/digests.js';
import { Journal } from '../../../lib/ingest/journal/journal.js';
import { makeFolder } from '../../support/folder.js';

const PLAIN = { atOnce: false, ends: false, isBroken: () => false };
const digest = (text: string) => digestOf(Buffer.from(text));

/** An edition of lines; `!` before one that was refused. */
async function editionOf(lines: readonly string[], blockSize = 2) {
  const journal = Journal.open(join(makeFolder(), 'journal'), { destination: 'test', input: { name: 'n' } });
  for (let at = 0; at < lines.length; at += blockSize) {
    const digests = lines.slice(at, at + blockSize).map((text) => (text.startsWith('!') ? REFUSED : digest(text)));
    const lines_ = { digests, known: null };
    await journal.mark(
      journal.blockOf({ lines: lines_, span: null, tasks: [], range: [1, 1], numProcesses: 1, now: 0 }),
    );
  }
  await journal.close();
  return journal.edition;
}

async function* blocksOf(lines: readonly string[], blockSize = 2): AsyncGenerator<ComparedLine[]> {
  for (let at = 0; at < lines.length; at += blockSize)
    yield lines.slice(at, at + blockSize).map((text, n) => ({ line: at + n + 1, digest: digest(text) }));
}

async function compared(sent: readonly string[], now: readonly string[], blockSize = 2) {
  const edition = await editionOf(sent);
  const blocks = blocksOf(now, blockSize);
  const { kind, before, rest, changedLine } = await compare(blocks, edition, PLAIN);
  const following: ComparedLine[] = [...rest];
  if (kind === 'grown') for await (const block of blocks) following.push(...block);
  return { kind, before, following: following.map(({ line }) => line), changedLine };
}

it('is another only where none of its first lines was sent, however small its blocks are', async () => {
  const edition = await editionOf(['a', 'b', 'c']);
  const kindOf = async (now: readonly string[], ends: boolean) =>
    (await compare(blocksOf(now, 1), edition, { ...PLAIN, ends })).kind;
  expect(await kindOf(['x', 'y', 'c'], true)).toBe('changed');
  expect(await kindOf(['x', 'y', 'z'], true)).toBe('another');
  // More of it may never come.
  expect(await kindOf(['x', 'y', 'c'], false)).toBe('another');
});

describe('an input beside what was sent of it last', () => {
  it.each<[string, string[], string[], object]>([
    ['the same', ['a', 'b', 'c'], ['a', 'b', 'c'], { kind: 'grown', before: 3, following: [] }],
    ['nothing sent yet', [], ['a', 'b', 'c'], { kind: 'grown', before: 0, following: [1, 2, 3] }],
    ['grown inside a block', ['a', 'b', 'c'], ['a', 'b', 'c', 'd', 'e'], { kind: 'grown', following: [4, 5] }],
    ['equal lines', ['a', 'a'], ['a', 'a', 'a'], { kind: 'grown', before: 2, following: [3] }],
    ['another first line', ['a', 'b'], ['x', 'b'], { kind: 'changed', changedLine: 1 }],
    ['another later line', ['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'x'], { kind: 'changed', before: 3, changedLine: 4 }],
    ['one line more in front', ['a', 'b'], ['x', 'a', 'b'], { kind: 'changed', changedLine: 1 }],
    ['shorter', ['a', 'b', 'c'], ['a', 'b'], { kind: 'changed', changedLine: null }],
    ['no line in common', ['a', 'b', 'c'], ['x', 'y', 'z'], { kind: 'another' }],
    ['none of its first block, one later', ['a', 'b', 'c'], ['x', 'y', 'c'], { kind: 'another' }],
    ['without a line', ['a'], [], { kind: 'empty' }],
    ['a refused line that is the same', ['a', '!b', 'c'], ['a', 'b', 'c'], { kind: 'corrected', before: 2 }],
    ['a refused line corrected', ['a', '!b', 'c'], ['a', 'B', 'c'], { kind: 'corrected', before: 2 }],
    ['a refused line taken out', ['a', '!b', 'c'], ['a', 'c'], { kind: 'grown', before: 2, following: [] }],
    ['a refused last line', ['a', '!b'], ['a', 'B', 'c'], { kind: 'corrected', before: 1 }],
    ['a refused line and a changed one', ['a', '!b', 'c'], ['a', 'B', 'x'], { kind: 'changed', changedLine: 3 }],
    ['only refused lines', ['!a', '!b'], ['a', 'x'], { kind: 'corrected', before: 0 }],
  ])('%s', async (_, sent, now, found) => {
    expect(await compared(sent, now)).toMatchObject(found);
  });

  it('is found to be grown exactly where it begins with what was sent, however it is cut', async () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 });
    const asked = fc.tuple(lines, lines, fc.integer({ min: 1, max: 4 }));
    await fc.assert(
      fc.asyncProperty(asked, async ([sent, now, blockSize]) => {
        const { kind, following, before } = await compared(sent, now, blockSize);
        const isPrefix = now.length > 0 && sent.every((text, n) => now[n] === text);
        expect(kind === 'grown').toBe(isPrefix);
        if (!isPrefix) return;
        expect(before).toBe(sent.length);
        expect(following).toEqual(now.slice(sent.length).map((__, n) => sent.length + n + 1));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the lines of a changed input', () => {
  it('are new by how often each was sent, and what has not come is left', async () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(lines, lines, async (sent, now) => {
        const edition = await editionOf(sent);
        const sorter = new Sorter('changed', edition);
        const left = [...sent];
        for (const text of now) {
          const at = left.indexOf(text);
          expect(sorter.isKnown(digest(text))).toBe(at >= 0);
          if (at >= 0) left.splice(at, 1);
        }
        expect([...sorter.left()].sort()).toEqual(left.map(digest).sort());
      }),
      { numRuns: 60 },
    );
  });

  it('that was corrected are those between the ones that were sent', async () => {
    const edition = await editionOf(['a', '!b', '!c', 'a', '!d']);
    const sorter = new Sorter('corrected', edition);
    const known = ['a', 'B', 'a', 'x', 'a'].map((text) => [sorter.isDone, sorter.isKnown(digest(text))]);
    expect(known).toEqual([
      [false, true],
      [false, false],
      [false, true],
      [true, false],
      [true, false],
    ]);
    expect(() => new Sorter('corrected', edition).isKnown(digest('z'))).toThrow('it was changed while it was read');
  });
});

describe('digests', () => {
  it('are of 8 bytes, the same for the same line, and come back as they were packed', () => {
    expect([digest('a').length, digest('a'), digest('a') === digest('b')]).toEqual([8, digest('a'), false]);
    const digests = [digest('a'), REFUSED, digest('ü')];
    expect([...unpackDigests(packDigests(digests))]).toEqual(digests);
  });

  it('are counted, refused ones not', () => {
    const counted = new CountedDigests([digest('a'), REFUSED, digest('b'), digest('a')], 4);
    const taken = ['a', 'a', 'a', 'b', 'c'].map((text) => counted.take(digest(text)));
    expect([taken, counted.take(REFUSED), [...counted.left()]]).toEqual([[true, true, false, true, false], false, []]);
  });
});
