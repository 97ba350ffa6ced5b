/**
 * Blocks: how far `send` reads ahead. Data-points of one entity that stand in one block become one task, so that fewer tasks carry
 * more; the bounds of a block bound the memory.
 *
 * A repeatable input is cut by its content alone: what was sent before a send broke off is cut the same way when it is repeated, and
 * gets the same ids. Any other input is cut as well where it pauses, so that what a slow producer writes does not wait for more.
 */
import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../../runtime/clock.js';
import { InputBroken, type Item, type ItemCutter } from './item.js';

export interface Block {
  readonly items: readonly Item[];
  /** Digest of everything from the beginning of the input to the end of this block; what the same bytes always give. */
  readonly digest: string;
}

export interface BlockBounds {
  readonly items: number;
  readonly bytes: number;
  /** How long an input that can not be repeated may pause before what was read is sent. */
  readonly pauseMs: number;
}

export const BLOCK_BOUNDS: BlockBounds = { items: 8_192, bytes: 8 * 1024 * 1024, pauseMs: 100 };

export interface BlockOptions {
  readonly repeatable: boolean;
  readonly bounds?: BlockBounds;
  readonly clock?: Clock;
}

/**
 * The blocks of an input. Where reading fails, the error follows the last whole block: the part of a block that was read is left out
 * where the input can be repeated. Where its content is broken, all before that place is given: a repeat would find the same.
 */
export async function* readBlocks(
  chunks: AsyncIterable<Buffer>,
  cutter: ItemCutter,
  options: BlockOptions,
): AsyncIterable<Block> {
  const { repeatable, bounds = BLOCK_BOUNDS, clock = systemClock } = options;
  const builder = new BlockBuilder(bounds);
  const iterator = chunks[Symbol.asyncIterator]();
  let reading = iterator.next();
  try {
    for (;;) {
      const paused = !repeatable && builder.size > 0 && !(await arrives(reading, bounds.pauseMs, clock));
      if (paused) yield builder.take();
      const { done, value } = await reading;
      if (done === true) break;
      yield* builder.add(cutter.push(value));
      reading = iterator.next();
    }
    yield* builder.add(cutter.end());
  } catch (error) {
    if ((!repeatable || error instanceof InputBroken) && builder.size > 0) yield builder.take();
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
  private digest = '';

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
    const hash = createHash('sha256').update(`${this.digest}\0${items.length}\0`);
    this.digest = hash.update(Buffer.concat(items.map(({ bytes }) => bytes ?? Buffer.alloc(0)))).digest('hex');
    this.items = [];
    this.bytes = 0;
    return { items, digest: this.digest };
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
