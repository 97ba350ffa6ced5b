/**
 * Blocks: how far `send` reads ahead. Data-points of one entity that stand in one block become one task, so that fewer tasks carry
 * more; the bounds of a block bound the memory. A block ends as well where its input pauses, so that what a slow producer writes does not
 * wait for more. Nothing depends on where an input is cut.
 */
import { type Clock, systemClock } from '../runtime/clock.js';
import type { Item, ItemCutter } from './item.js';

export type Block = readonly Item[];

export interface BlockBounds {
  readonly items: number;
  readonly bytes: number;
  /** How long an input may pause before what was read is sent. */
  readonly pauseMs: number;
}

export const BLOCK_BOUNDS: BlockBounds = { items: 8_192, bytes: 8 * 1024 * 1024, pauseMs: 100 };

/** The blocks of an input; an empty chunk ends one. Where reading fails, the error follows all that was read before. */
export async function* readBlocks(
  chunks: AsyncIterable<Buffer>,
  cutter: ItemCutter,
  bounds: BlockBounds = BLOCK_BOUNDS,
  clock: Clock = systemClock,
): AsyncGenerator<Block> {
  const builder = new BlockBuilder(bounds);
  const iterator = chunks[Symbol.asyncIterator]();
  let reading = iterator.next();
  try {
    for (;;) {
      const paused = builder.size > 0 && !(await arrives(reading, bounds.pauseMs, clock));
      if (paused) yield builder.take();
      const { done, value } = await reading;
      if (done === true) break;
      yield* builder.add(cutter.push(value));
      if (value.length === 0 && builder.size > 0) yield builder.take();
      reading = iterator.next();
    }
    yield* builder.add(cutter.end());
  } catch (error) {
    if (builder.size > 0) yield builder.take();
    throw error;
  } finally {
    reading.catch(() => {});
    void iterator.return?.()?.catch(() => {});
  }
  if (builder.size > 0) yield builder.take();
}

class BlockBuilder {
  private items: Item[] = [];
  private bytes = 0;

  constructor(private readonly bounds: BlockBounds) {}

  get size(): number {
    return this.items.length;
  }

  /** The blocks that these items fill. */
  *add(items: readonly Item[]): Iterable<Block> {
    for (const item of items) {
      this.items.push(item);
      this.bytes += item.bytes?.length ?? 0;
      if (this.items.length >= this.bounds.items || this.bytes >= this.bounds.bytes) yield this.take();
    }
  }

  take(): Block {
    const { items } = this;
    this.items = [];
    this.bytes = 0;
    return items;
  }
}

/** Whether the promise settles before a pause is over. */
async function arrives(promise: Promise<unknown>, pauseMs: number, clock: Clock): Promise<boolean> {
  let cancel = () => {};
  const pause = new Promise<boolean>((resolve) => {
    cancel = clock.after(pauseMs, () => resolve(false), true);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const first = await Promise.race([settled, pause]);
  cancel();
  return first;
}
