/** Lots: what the sender sends at once. Lines of an input with a journal have their digests with them. */

import { digestOf, NO_LINE } from '../../journal/digests.js';
import type { BlockLines } from '../../journal/edition.js';
import type { Block } from './blocks.js';
import type { Item } from './item.js';

export interface Lot {
  readonly items: readonly Item[];
  /** Null without a journal. */
  readonly lines: BlockLines | null;
}

export interface DigestedItem {
  readonly item: Item;
  readonly line: number;
  readonly digest: string;
}

export async function* digested(blocks: AsyncIterable<Block>): AsyncGenerator<readonly DigestedItem[]> {
  for await (const block of blocks) {
    yield block.map((item) => ({
      item,
      line: item.line,
      digest: item.bytes === null ? NO_LINE : digestOf(item.bytes),
    }));
  }
}

export async function* lotsWithoutLines(blocks: AsyncIterable<Block>): AsyncIterable<Lot> {
  for await (const items of blocks) yield { items, lines: null };
}

/** `isKnown`: null where all of it is new. */
export function lotOf(block: readonly DigestedItem[], isKnown: ((digest: string) => boolean) | null): Lot {
  const digests = block.map(({ digest }) => digest);
  return { items: block.map(({ item }) => item), lines: { digests, known: isKnown && digests.map(isKnown) } };
}
