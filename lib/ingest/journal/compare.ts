/**
 * Compares an input with the edition that was sent last, line by line as both stream by, before anything of it is sent.
 *
 * Lines that were sent must come again in their order. Between them may stand as many others as were refused up to there: a refused line
 * that was corrected is new. Where that does not hold, lines are told apart by how often each was sent, wherever it stands.
 */
import { CountedDigests, REFUSED } from './digests.js';
import type { Edition } from './edition.js';
import type { Passed } from './spans.js';

/** So many lines, or the first block, tell whether it is another input. */
const FIRST_LINES = 8_192;

/** A line of an input, with its digest. */
export interface ComparedLine {
  readonly line: number;
  readonly digest: string;
}

/**
 * What an input is beside the edition. `grown`: all that was sent, and perhaps more. `corrected`: the same, but refused lines came before
 * the end. `changed`: some lines that were sent are others now. `another`: of its first lines none was sent. `empty`: it has no line.
 */
export interface Comparison<L> {
  readonly kind: 'grown' | 'corrected' | 'changed' | 'another' | 'empty';
  /** Lines found to be sent before. */
  readonly before: number;
  /** Of the block that was read last, what follows them; the iterator goes on behind it. */
  readonly rest: readonly L[];
  /** The first line that is another; null where a line is missing at the end. */
  readonly changedLine: number | null;
  /** Why it could not be read to its end; null where it could, or nobody has come so far. */
  readonly fault: unknown;
}

export interface CompareOptions {
  /** It is known to be grown once all that was sent has come, whatever follows. */
  readonly atOnce: boolean;
  /** It ends by itself: what follows its first block may be read to judge it. */
  readonly ends: boolean;
  /** What of the input came before these blocks, and is what was sent. */
  readonly passed?: Passed | null;
  /** Whether an error is of the content of the input, which ends there. */
  isBroken(error: unknown): boolean;
}

export async function compare<L extends ComparedLine>(
  blocks: AsyncIterator<readonly L[]>,
  edition: Edition,
  { atOnce, ends, isBroken, passed = null }: CompareOptions,
): Promise<Comparison<L>> {
  const alignment = new Alignment(edition.digests(passed?.end));
  alignment.matched = passed?.items ?? 0;
  /** Of its first lines. */
  const first = new Set<string>();
  let fault: unknown = null;
  const compared = (kind: Comparison<L>['kind'], rest: readonly L[] = [], changedLine: number | null = null) => ({
    kind,
    before: alignment.matched,
    rest,
    changedLine,
    fault,
  });
  const asGrown = (rest: readonly L[]) =>
    compared(alignment.isPlain && edition.gone === 0 ? 'grown' : 'corrected', rest);
  const nextBlock = () =>
    blocks.next().catch((error: unknown) => {
      if (!isBroken(error)) throw error;
      fault = error;
      return { done: true, value: undefined } as const;
    });
  const otherwise = async (changedLine: number | null) => {
    // However small its blocks are, and where more of it need not be waited for.
    while (ends && alignment.matched === 0 && first.size < FIRST_LINES) {
      const { done, value: block } = await nextBlock();
      if (done === true) break;
      for (const { digest } of block) first.add(digest);
    }
    const isAnother = alignment.matched === 0 && !hasAnyOf(edition, first);
    return compared(isAnother ? 'another' : 'changed', [], changedLine);
  };
  try {
    for (;;) {
      if (alignment.isOver && atOnce) return asGrown([]);
      const { done, value: block } = await nextBlock();
      if (done === true) {
        if (first.size === 0 && alignment.matched === 0) return compared('empty');
        if (!alignment.isOver) return await otherwise(null);
        return alignment.unmatched > 0 ? asGrown([]) : compared('grown');
      }
      if (alignment.matched === 0) for (const { digest } of block) first.add(digest);
      for (const [at, { line, digest }] of block.entries()) {
        if (alignment.isOver) return asGrown(block.slice(at));
        if (alignment.take(digest) === 'changed') return await otherwise(line);
      }
    }
  } finally {
    alignment.close();
  }
}

/** Tells the lines of an input that was read before from those that are new. */
export class Sorter {
  private readonly alignment: Alignment | null;
  private readonly counted: CountedDigests | null;

  constructor(kind: 'corrected' | 'changed', base: Edition) {
    this.alignment = kind === 'corrected' ? new Alignment(base.digests()) : null;
    if (this.alignment === null) this.counted = new CountedDigests(base.sentBefore(), base.sent + base.gone);
    else this.counted = base.gone === 0 ? null : new CountedDigests(base.goneDigests(), base.gone);
  }

  isKnown(digest: string): boolean {
    const found = this.alignment?.take(digest) ?? 'new';
    if (found === 'changed') throw new Error('it was changed while it was read');
    return found === 'known' || (this.counted?.take(digest) ?? false);
  }

  /** Whatever follows is new. */
  get isDone(): boolean {
    return this.counted === null && this.alignment?.isOver === true;
  }

  close(): void {
    this.alignment?.close();
  }

  /** What was sent and has not come. */
  left(): Iterable<string> {
    return this.counted?.left() ?? [];
  }
}

class Alignment {
  matched = 0;
  /** Lines taken that are not among those sent. */
  unmatched = 0;
  private refused = 0;
  private refusedAtEnd = false;
  private readonly sent: Iterator<string>;
  private next: string | null = null;

  constructor(digests: Iterable<string>) {
    this.sent = digests[Symbol.iterator]();
    this.advance();
  }

  /** All that was sent has come. */
  get isOver(): boolean {
    return this.next === null;
  }

  /** What follows can be put behind what was sent: no refused line stands before it. */
  get isPlain(): boolean {
    return this.unmatched === 0 && !this.refusedAtEnd;
  }

  take(digest: string): 'known' | 'new' | 'changed' {
    if (digest === this.next) {
      this.matched += 1;
      this.advance();
      return 'known';
    }
    this.unmatched += 1;
    return this.next === null || this.unmatched <= this.refused ? 'new' : 'changed';
  }

  close(): void {
    this.sent.return?.();
  }

  private advance(): void {
    this.refusedAtEnd = false;
    for (;;) {
      const { done, value } = this.sent.next();
      this.next = done === true ? null : value;
      if (this.next !== REFUSED) return;
      this.refused += 1;
      this.refusedAtEnd = true;
    }
  }
}

function hasAnyOf(edition: Edition, wanted: Set<string>): boolean {
  wanted.delete(REFUSED);
  for (const digest of edition.digests()) if (wanted.has(digest)) return true;
  return false;
}
