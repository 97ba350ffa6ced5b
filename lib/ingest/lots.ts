/** Lots: what the sender sends at once. Lines of an input with a journal have their digests with them. */
import type { Block } from './blocks.js';
import type { Item } from './item.js';
import { digestOf, NO_LINE } from './journal/digests.js';
import type { BlockLines, Span } from './journal/edition.js';
import type { SpanReader } from './journal/spans.js';

export interface Lot {
  readonly items: readonly Item[];
  /** Null without a journal. */
  readonly lines: BlockLines | null;
  /** Null where it is not known. */
  readonly span: Span | null;
}

export interface DigestedItem {
  readonly item: Item;
  readonly line: number;
  readonly digest: string;
  /** Of its block, where it is the last one of it. */
  readonly span: Span | null;
}

export async function* digested(
  blocks: AsyncIterable<Block>,
  spans: SpanReader,
): AsyncGenerator<readonly DigestedItem[]> {
  for await (const block of blocks) {
    const span = spans.take(block.at(-1)?.end, block.length);
    yield block.map((item, at) => {
      const digest = item.bytes === null ? NO_LINE : digestOf(item.bytes);
      return { item, line: item.line, digest, span: at === block.length - 1 ? span : null };
    });
  }
}

export async function* lotsWithoutLines(blocks: AsyncIterable<Block>): AsyncIterable<Lot> {
  for await (const items of blocks) yield { items, lines: null, span: null };
}

/** `isKnown`: null where all of it is new. */
export function lotOf(block: readonly DigestedItem[], isKnown: ((digest: string) => boolean) | null): Lot {
  const digests = block.map(({ digest }) => digest);
  const span = block.at(-1)?.span ?? null;
  return {
    items: block.map(({ item }) => item),
    lines: { digests, known: isKnown && digests.map(isKnown) },
    span: span?.items === block.length ? span : null,
  };
}
