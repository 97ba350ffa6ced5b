/**
 * Spans: the bytes that blocks of lines were cut from. Where they are the same again, so are the lines, and none has to be cut and
 * compared; where they are not, lines decide.
 */
import { createHash } from 'node:crypto';
import type { Edition, Span } from './edition.js';

/** No block is cut from more, but for blank lines and lines too long to be kept: these go without spans. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The spans of an input that is being read, one after the other from a place on. */
export class SpanReader {
  private chunks: Buffer[] = [];
  private held = 0;
  private known = true;

  constructor(private at: number) {}

  async *pass(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    for await (const chunk of chunks) {
      if (this.known && chunk.length > 0) {
        this.chunks.push(chunk);
        this.held += chunk.length;
        if (this.held > MOST_BYTES) this.forget();
      }
      yield chunk;
    }
  }

  /** The next one; null where its end is not known, and for all that follow. */
  take(to: number | undefined, items: number): Span | null {
    if (!this.known || to === undefined) {
      this.forget();
      return null;
    }
    const from = this.at;
    const digest = takeDigest(this.chunks, to - from);
    this.held -= to - from;
    this.at = to;
    return { from, to, digest, items };
  }

  private forget(): void {
    this.known = false;
    this.chunks = [];
  }
}

/** How far an input is what was sent, by spans alone. */
export interface Passed {
  readonly bytes: number;
  readonly items: number;
  readonly line: number;
  /** Of the edition, what follows begins here. */
  readonly end: number;
}

const NOTHING: Passed = { bytes: 0, items: 0, line: 0, end: 0 };

/** Reads as much of an input as is the same, and gives what follows. */
export async function passSent(
  chunks: AsyncIterable<Buffer>,
  edition: Edition,
): Promise<{ passed: Passed; rest: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const read: Buffer[] = [];
  let bytes = 0;
  let last: () => IteratorResult<Buffer> | null = () => null;
  let passed = NOTHING;
  for (const { span, line, end } of edition.spans()) {
    const length = span.to - span.from;
    while (bytes < length) {
      const next = await iterator.next().catch((error: unknown) => () => {
        throw error;
      });
      if (typeof next === 'function' || next.done === true || next.value.length === 0) {
        last = typeof next === 'function' ? next : () => next;
        return { passed, rest: following(read, last, iterator) };
      }
      read.push(next.value);
      bytes += next.value.length;
    }
    const before = [...read];
    if (takeDigest(read, length) !== span.digest) return { passed, rest: following(before, last, iterator) };
    bytes -= length;
    passed = { bytes: span.to, items: passed.items + span.items, line, end };
  }
  return { passed, rest: following(read, last, iterator) };
}

/** What was read and not passed, what was met behind it, then the rest. */
async function* following(
  read: readonly Buffer[],
  last: () => IteratorResult<Buffer> | null,
  iterator: AsyncIterator<Buffer>,
): AsyncIterable<Buffer> {
  try {
    yield* read;
    const met = last();
    if (met?.done === true) return;
    if (met !== null) yield met.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    await iterator.return?.();
  }
}

/** Of the first bytes of these chunks, which are taken away. */
function takeDigest(chunks: Buffer[], length: number): string {
  const hash = createHash('sha256');
  let left = length;
  while (left > 0) {
    const [chunk = Buffer.alloc(0)] = chunks;
    const part = chunk.subarray(0, left);
    hash.update(part);
    left -= part.length;
    if (part.length < chunk.length) chunks[0] = chunk.subarray(part.length);
    else chunks.shift();
    if (part.length === 0 && chunks.length === 0) break;
  }
  return hash.digest('hex');
}
