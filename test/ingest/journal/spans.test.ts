import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { digestOf, REFUSED } from '../../../lib/ingest/journal/digests.js';
import { Journal } from '../../../lib/ingest/journal/journal.js';
import { passSent, SpanReader } from '../../../lib/ingest/journal/spans.js';
import { makeFolder } from '../../support/folder.js';

async function* chunksOf(text: string, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

/** An edition of blocks of lines; of one with a `!` a line was refused, and of one with a `?` it is not known where it ends. */
async function editionOf(blocks: readonly (readonly string[])[]) {
  const journal = Journal.open(join(makeFolder(), 'journal'), { destination: 'test', input: { name: 'n' } });
  const text = blocks
    .flat()
    .map((line) => `${line}\n`)
    .join('');
  const spans = new SpanReader(0);
  for await (const _ of spans.pass(chunksOf(text, 7)));
  let bytes = 0;
  let line = 0;
  for (const block of blocks) {
    bytes += block.reduce((sum, each) => sum + each.length + 1, 0);
    const digests = block.map((each) => (each === '!' ? REFUSED : digestOf(Buffer.from(each))));
    const span = spans.take(block.includes('?') ? undefined : bytes, block.length);
    const range = [line + 1, line + block.length] as const;
    line += block.length;
    const lines = { digests, known: null };
    await journal.mark(journal.blockOf({ lines, span, tasks: [], range, numProcesses: 1, now: 0 }));
  }
  await journal.close();
  return { edition: journal.edition, text };
}

it('hold no more than a bound of what no block is cut from', async () => {
  const piece = Buffer.alloc(2 ** 20, '\n');
  const spans = new SpanReader(0);
  const chunks = async function* () {
    for (let n = 0; n < 33; n++) yield piece;
  };
  for await (const _ of spans.pass(chunks()));
  expect(spans.take(33 * 2 ** 20, 1)).toBeNull();
  const short = new SpanReader(0);
  for await (const _ of short.pass(chunksOf('a\n', 2)));
  expect(short.take(2, 1)).toMatchObject({ from: 0, to: 2 });
});

it('pass the blocks whose bytes are the same, however they come, and give all that follows', async () => {
  const line = fc.constantFrom('a', 'b', 'cc', '');
  const blocks = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 4 });
  const asked = fc.tuple(blocks, fc.integer({ min: 1, max: 9 }), fc.nat(30), fc.constantFrom('', 'x', 'a\nb'));
  await fc.assert(
    fc.asyncProperty(asked, async ([sent, size, keep, more]) => {
      const { edition, text } = await editionOf(sent);
      const now = text.slice(0, keep) + more;
      const { passed, rest } = await passSent(chunksOf(now, size), edition);
      let [same, items] = [0, 0];
      for (const block of sent) {
        const bytes = block.reduce((sum, each) => sum + each.length + 1, 0);
        if (now.slice(same, same + bytes) !== text.slice(same, same + bytes)) break;
        same += bytes;
        items += block.length;
      }
      expect(passed).toMatchObject({ bytes: same, items, line: items });
      expect([...edition.digests(passed.end)]).toEqual([...edition.digests()].slice(items));
      expect(await textOf(rest)).toBe(now.slice(same));
    }),
    { numRuns: 60 },
  );
});

it('end before a block with a refused line, or one whose end is not known', async () => {
  for (const [other, items] of [
    ['!', 2],
    ['?', 2],
    ['c', 4],
  ] as const) {
    const { edition, text } = await editionOf([
      ['a', 'b'],
      [other, 'd'],
    ]);
    const { passed, rest } = await passSent(chunksOf(text, 100), edition);
    expect([passed.items, await textOf(rest)]).toEqual([items, items === 2 ? `${other}\nd\n` : '']);
  }
});

it('give an error of the input, and an empty chunk, where they stood', async () => {
  const { edition } = await editionOf([['a', 'b']]);
  async function* failing(): AsyncIterable<Buffer> {
    yield Buffer.from('a\n');
    throw new Error('gone');
  }
  const { passed, rest } = await passSent(failing(), edition);
  const read: string[] = [];
  const reading = (async () => {
    for await (const chunk of rest) read.push(String(chunk));
  })();
  await expect(reading).rejects.toThrow('gone');
  expect([passed.items, read]).toEqual([0, ['a\n']]);
  async function* pausing(): AsyncIterable<Buffer> {
    for (const text of ['a\n', '', 'b\n']) yield Buffer.from(text);
  }
  const chunks: string[] = [];
  for await (const chunk of (await passSent(pausing(), edition)).rest) chunks.push(String(chunk));
  expect(chunks).toEqual(['a\n', '', 'b\n']);
});
