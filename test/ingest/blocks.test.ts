import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, readBlocks } from '../../lib/ingest/blocks.js';
import { InputBroken } from '../../lib/ingest/item.js';
import { itemCutter } from '../../lib/ingest/items.js';
import { manualClock } from '../support/clock.js';

const BOUNDS = { items: 3, bytes: 1_000, pauseMs: 100 };

async function* chunksOf(...texts: readonly (string | Error)[]): AsyncIterable<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

async function blocksOf(chunks: AsyncIterable<Buffer>) {
  const blocks: Block[] = [];
  let error: unknown = null;
  try {
    for await (const block of readBlocks(chunks, itemCutter(10_000), BOUNDS)) blocks.push(block);
  } catch (thrown) {
    error = thrown;
  }
  return { blocks, error, texts: blocks.map((items) => items.map(({ bytes }) => String(bytes)).join(' ')) };
}

describe('blocks', () => {
  it('are bound by the number and the bytes of their items', async () => {
    const { texts } = await blocksOf(chunksOf('1\n2\n3\n4\n5\n'));
    expect(texts).toEqual(['1 2 3', '4 5']);
    const long = 'x'.repeat(999);
    expect((await blocksOf(chunksOf(`${long}\n1\n2\n`))).texts).toEqual([`${long} 1`, '2']);
  });

  it('hold the same items, however they arrive', async () => {
    const lines = fc.array(fc.stringMatching(/^[a-z0-9]{1,400}$/), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(lines, fc.integer({ min: 1, max: 50 }), async (items, size) => {
        const text = items.join('\n');
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
          text.slice(n * size, (n + 1) * size),
        );
        const whole = await blocksOf(chunksOf(text));
        const cut = await blocksOf(chunksOf(...chunks));
        expect(cut.texts).toEqual(whole.texts);
      }),
    );
  });

  it('hold all that was read where reading fails', async () => {
    const { texts, error } = await blocksOf(chunksOf('1\n2\n3\n4\n', new Error('gone')));
    expect([texts, String(error)]).toEqual([['1 2 3', '4'], 'Error: gone']);
  });

  it('end at an empty chunk', async () => {
    expect((await blocksOf(chunksOf('1\n', '', '2\n', ''))).texts).toEqual(['1', '2']);
  });

  it('hold all that stands before the place where the content is broken', async () => {
    const broken = new InputBroken('no more');
    for (const text of ['1\n2\n3\n4\n', '[1,2,3,4']) {
      const { texts, error } = await blocksOf(chunksOf(text, ...(text.startsWith('[') ? [' 5]'] : [broken])));
      expect([texts, error]).toEqual([['1 2 3', '4'], expect.any(InputBroken)]);
    }
  });

  it('end where the input pauses', async () => {
    const clock = manualClock();
    let more = () => {};
    async function* slow(): AsyncIterable<Buffer> {
      yield Buffer.from('1\n2\n');
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield Buffer.from('3\n');
    }
    const blocks = readBlocks(slow(), itemCutter(100), BOUNDS, clock);
    const iterator = blocks[Symbol.asyncIterator]();
    const first = iterator.next();
    while (clock.waiting === 0) await new Promise(setImmediate);
    clock.pass(99);
    let ended = false;
    void first.then(() => {
      ended = true;
    });
    await new Promise(setImmediate);
    expect(ended).toBe(false);
    clock.pass(1);
    expect((await first).value).toHaveLength(2);
    const second = iterator.next();
    more();
    expect((await second).value).toHaveLength(1);
    expect((await iterator.next()).done).toBe(true);
    expect(clock.waiting).toBe(0);
  });

  it('end the input when their reader leaves', async () => {
    let closed = false;
    async function* endless(): AsyncIterable<Buffer> {
      try {
        for (;;) yield Buffer.from('1\n2\n3\n');
      } finally {
        closed = true;
      }
    }
    for await (const _ of readBlocks(endless(), itemCutter(100), BOUNDS)) break;
    await new Promise(setImmediate);
    expect(closed).toBe(true);
  });
});
