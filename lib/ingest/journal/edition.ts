/**
 * An edition: the lines of an input as they were sent last, in its order, one digest each (8 bytes), a record a block. Records are only
 * appended, each once all of its block is in the queues: so an edition is the mark of what was sent, too.
 *
 * An edition that is based on another, while a changed input is read again, holds lines that were known before beside those that are new.
 * What was sent of older ones and is in the input no more follows at its end.
 */
import { closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ApplicationError } from '../../runtime/errors.js';
import { DIGEST_BYTES, packDigests, REFUSED, unpackDigests } from './digests.js';
import { writeDurably } from './durable.js';
import { encodeRecord, isTorn, readRecord, type StoredRecord } from './records.js';

/** Of a stream, the first and the last position. */
export type Positions = readonly [stream: string, first: number, last: number];

/** What a record says of its block; people find a lost task by it. */
export interface BlockHeader {
  /** Counted over all editions. */
  readonly block: number;
  /** When it was opened: ISO 8601. */
  readonly at: string;
  /** Its first and its last line. */
  readonly lines: readonly [number, number];
  /** All of its lines, and those of them that were not refused. */
  readonly items: number;
  readonly sent: number;
  /** What was cut into them: from, to and SHA-256; absent where that is not known. */
  readonly bytes?: readonly [number, number, string];
  /** Lines in it that were sent with it. */
  readonly points: number;
  readonly tasks: number;
  readonly numProcesses: number;
  /** By index. */
  readonly streams: Readonly<Record<string, Positions>>;
  /** Its tasks were left out on demand. */
  readonly skipped?: true;
}

/** The lines of a block, in order. */
export interface BlockLines {
  readonly digests: readonly string[];
  /** Which of them were sent before; null where none was. */
  readonly known: readonly boolean[] | null;
}

/** The bytes that a block was cut from. */
export interface Span {
  /** Bytes of the unpacked input before it, and up to its end, which is behind the end of a line. */
  readonly from: number;
  readonly to: number;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
  /** Items that were cut from it. */
  readonly items: number;
}

/** Lines that were sent and are in the input no more. */
interface GoneHeader {
  readonly gone: number;
}

const GONE_A_RECORD = 8_192;

export class Edition {
  /** Lines sent that are in it, and those gone. */
  sent = 0;
  gone = 0;
  /** Number of the last block; 0 where there is none. */
  lastBlock = 0;
  lastAt: string | null = null;
  private end = 0;
  private handle: FileHandle | null = null;

  private constructor(readonly path: string) {}

  /** Checks all of it, and cuts off what was not written to its end. Throws JOURNAL_FAILED where it is damaged. */
  static open(path: string): Edition {
    const edition = new Edition(path);
    const file = openSync(path, 'r+');
    try {
      edition.scan(file);
      if (fstatSync(file).size > edition.end) ftruncateSync(file, edition.end);
    } finally {
      closeSync(file);
    }
    return edition;
  }

  /** The first line that was sent; null where it is not among those of its first block. It looks at no more than that. */
  static firstSent(path: string): string | null {
    const file = openSync(path, 'r');
    try {
      const record = readRecord(file, 0);
      for (const digest of unpackDigests(record === null ? Buffer.alloc(0) : linesIn(record.payload))) {
        if (digest !== REFUSED) return digest;
      }
      return null;
    } finally {
      closeSync(file);
    }
  }

  /** The bytes that its first blocks were cut from, as far as that is known and none of their lines was refused. */
  *spans(): Iterable<{ readonly span: Span; readonly line: number; readonly end: number }> {
    let at = 0;
    for (const { header, end } of this.records()) {
      if ('gone' in header || header.bytes === undefined || header.sent < header.items) return;
      const [from, to, digest] = header.bytes;
      if (from !== at) return;
      yield { span: { from, to, digest, items: header.items }, line: header.lines[1], end };
      at = to;
    }
  }

  /** In order, those gone not among them. `from`: where a record of it begins. */
  *digests(from = 0): Iterable<string> {
    for (const { header, payload } of this.records(from))
      if (!('gone' in header)) yield* unpackDigests(linesIn(payload));
  }

  /** Lines that were sent with it, or with what it is based on. */
  *sentBefore(): Iterable<string> {
    for (const { payload } of this.records()) yield* unpackDigests(linesIn(payload));
  }

  *goneDigests(): Iterable<string> {
    for (const { header, payload } of this.records()) if ('gone' in header) yield* unpackDigests(linesIn(payload));
  }

  /** Those that it has in common with what it is based on. */
  *knownDigests(): Iterable<string> {
    for (const { payload } of this.records()) {
      const known = flagsIn(payload);
      if (known === null) continue;
      let at = 0;
      for (const digest of unpackDigests(linesIn(payload))) if (known[at++] === 1) yield digest;
    }
  }

  /** Durable when it resolves. */
  async append(header: BlockHeader, { digests, known }: BlockLines): Promise<void> {
    if (header.block <= this.lastBlock) throw new RangeError(`block ${header.block} is not behind ${this.lastBlock}`);
    await this.write({ header, payload: payloadOf(digests, known) });
    this.count(header);
  }

  async appendGone(digests: Iterable<string>): Promise<void> {
    let part: string[] = [];
    const flush = async () => {
      const header: GoneHeader = { gone: part.length };
      await this.write({ header, payload: payloadOf(part, null) });
      this.gone += part.length;
      part = [];
    };
    for (const digest of digests) if (part.push(digest) >= GONE_A_RECORD) await flush();
    if (part.length > 0) await flush();
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = null;
  }

  private async write(record: { header: BlockHeader | GoneHeader; payload: Buffer }): Promise<void> {
    this.handle ??= await open(this.path, 'r+');
    const bytes = encodeRecord(record);
    await writeDurably(this.handle, bytes, this.end);
    this.end += bytes.length;
  }

  private scan(file: number): void {
    for (;;) {
      const record = readRecord<BlockHeader | GoneHeader>(file, this.end);
      if (record === null) break;
      const { header, end } = record;
      this.end = end;
      if ('gone' in header) this.gone += header.gone;
      else this.count(header);
    }
    if (!isTorn(file, this.end)) {
      const sentence = `${this.path} is damaged at byte ${this.end}: restore it from a copy, or remove its folder, and what it knew is sent once more`;
      throw new ApplicationError('JOURNAL_FAILED', sentence);
    }
  }

  private count({ block, at, sent }: BlockHeader): void {
    this.sent += sent;
    this.lastBlock = block;
    this.lastAt = at;
  }

  private *records(from = 0): Iterable<StoredRecord<BlockHeader | GoneHeader> & { readonly end: number }> {
    const file = openSync(this.path, 'r');
    try {
      for (let at = from; at < this.end; ) {
        const record = readRecord<BlockHeader | GoneHeader>(file, at);
        if (record === null) return;
        yield record;
        at = record.end;
      }
    } finally {
      closeSync(file);
    }
  }
}

/** A byte that says whether flags follow the digests, the digests, and a byte for each that is 1 where it was known. */
export function payloadOf(digests: readonly string[], known: readonly boolean[] | null): Buffer {
  const flags = known === null ? [] : [Buffer.from(known.map(Number))];
  return Buffer.concat([Buffer.from([known === null ? 0 : 1]), packDigests(digests), ...flags]);
}

export function blockLinesIn(payload: Buffer): BlockLines {
  const flags = flagsIn(payload);
  return { digests: [...unpackDigests(linesIn(payload))], known: flags && Array.from(flags, (flag) => flag === 1) };
}

function linesIn(payload: Buffer): Buffer {
  return payload.subarray(1, 1 + countIn(payload) * DIGEST_BYTES);
}

function flagsIn(payload: Buffer): Buffer | null {
  return payload[0] === 0 ? null : payload.subarray(1 + countIn(payload) * DIGEST_BYTES);
}

function countIn(payload: Buffer): number {
  return (payload.length - 1) / (payload[0] === 0 ? DIGEST_BYTES : DIGEST_BYTES + 1);
}
