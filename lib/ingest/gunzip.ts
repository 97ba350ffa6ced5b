/**
 * Gunzip: the members of a gzipped input, one after the other, up to where it is broken; then the error names the byte. Zeros behind a
 * member are padding, as for gunzip.
 *
 * Node's Gunzip was refused: it fails over what stands behind a member together with the data that it has not given yet. Raw deflate
 * data end by themselves, so what encloses them is read here.
 */
import { once } from 'node:events';
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import { messageOf } from '../runtime/errors.js';
import { InputBroken } from './item.js';

export const GZIP = Buffer.from([0x1f, 0x8b]);

/** Deflate packs a thousandfold at most: so much is unpacked at once without a look at how much it becomes. */
const PIECE_BYTES = 64 * 1024;
const UNPACKED_BYTES = 64 * 1024;
/** Sign, method, flags, time and system; then what the flags tell of. */
const HEADER_BYTES = 10;
const DEFLATE = 8;
const CHECKSUM_FLAG = 2;
const EXTRA_FLAG = 4;
const NAME_FLAG = 8;
const COMMENT_FLAG = 16;
const TRAILER_BYTES = 8;

/** @throws InputBroken behind what could be unpacked */
export async function* gunzipped(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const source = new ByteSource(chunks);
  try {
    for (let number = 1; await beginsMember(source, number); number++) yield* unpackedMember(source, number);
  } finally {
    source.end();
  }
}

async function* unpackedMember(source: ByteSource, number: number): AsyncIterable<Buffer> {
  const from = source.offset;
  let checksum = 0;
  let bytes = 0;
  await passHeader(source, number);
  for await (const chunk of inflated(source, number)) {
    checksum = crc32(chunk, checksum);
    bytes += chunk.length;
    yield chunk;
  }
  const trailer = await taken(source, TRAILER_BYTES, number);
  if (trailer.readUInt32LE(0) !== checksum || trailer.readUInt32LE(4) !== bytes % 2 ** 32) {
    const place = `gzip member ${number} (bytes ${from} to ${source.offset - 1})`;
    throw new InputBroken(`${place} is damaged: its checksum is not that of its data`);
  }
}

/** Passes padding; false at the end. */
async function beginsMember(source: ByteSource, number: number): Promise<boolean> {
  for (;;) {
    const piece = await source.piece();
    if (piece === null) return false;
    const found = piece.findIndex((byte) => byte !== 0);
    if (found < 0) continue;
    source.giveBack(piece.length - found);
    break;
  }
  const { offset } = source;
  const sign = await source.take(GZIP.length);
  if (sign?.equals(GZIP)) {
    source.giveBack(sign.length);
    return true;
  }
  while ((await source.piece()) !== null);
  const garbage = `${source.offset - offset} bytes that are no gzip, from byte ${offset} on`;
  throw new InputBroken(`behind gzip member ${number - 1} stand ${garbage}`);
}

async function passHeader(source: ByteSource, number: number): Promise<void> {
  const header = await taken(source, HEADER_BYTES, number);
  const [method = 0, flags = 0] = header.subarray(GZIP.length);
  if (method !== DEFLATE) {
    const place = `gzip member ${number}, byte ${source.offset - HEADER_BYTES + GZIP.length}`;
    throw new InputBroken(`${place}: given was the method ${method}, allowed is ${DEFLATE}, deflate`);
  }
  if (flags & EXTRA_FLAG) await taken(source, (await taken(source, 2, number)).readUInt16LE(0), number);
  for (const flag of [NAME_FLAG, COMMENT_FLAG]) {
    if (flags & flag) while ((await taken(source, 1, number))[0] !== 0);
  }
  if (flags & CHECKSUM_FLAG) await taken(source, 2, number);
}

async function* inflated(source: ByteSource, number: number): AsyncIterable<Buffer> {
  const inflate = createInflateRaw({ chunkSize: UNPACKED_BYTES });
  const unpacked: Buffer[] = [];
  // A small piece of a buffer would keep all of it as long as its lines are kept.
  const ownPiece = (chunk: Buffer) => (2 * chunk.length < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk);
  inflate.on('data', (chunk: Buffer) => unpacked.push(ownPiece(chunk)));
  const ended = once(inflate, 'end');
  ended.catch(() => {});
  try {
    for (;;) {
      const piece = await source.piece();
      if (piece === null) throw cutShort(source, number);
      const before = inflate.bytesWritten;
      await Promise.race([ended, written(inflate, piece)]);
      if (inflate.errored) throw inflate.errored;
      while (inflate.read() !== null);
      yield* unpacked.splice(0);
      if (!inflate.readableEnded) continue;
      source.giveBack(piece.length - (inflate.bytesWritten - before));
      return;
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))) throw error;
    throw new InputBroken(`gzip member ${number} is damaged before byte ${source.offset}: ${messageOf(error)}`);
  } finally {
    inflate.destroy();
  }
}

function written(inflate: InflateRaw, piece: Buffer): Promise<void> {
  return new Promise((resolve) => inflate.write(piece, () => resolve()));
}

async function taken(source: ByteSource, count: number, number: number): Promise<Buffer> {
  const bytes = await source.take(count);
  if (bytes === null) throw cutShort(source, number);
  return bytes;
}

function cutShort(source: ByteSource, number: number): InputBroken {
  return new InputBroken(`gzip member ${number} is cut short: the input ends at byte ${source.offset}`);
}

/** A stream of bytes of which as many may be taken as are wanted, and what was taken last be given back. */
class ByteSource {
  /** Bytes taken so far. */
  offset = 0;
  private held: Buffer = Buffer.alloc(0);
  /** Of those held, so many are taken. */
  private at = 0;
  private readonly iterator: AsyncIterator<Buffer>;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.iterator = chunks[Symbol.asyncIterator]();
  }

  /** Some bytes; null at the end. */
  async piece(): Promise<Buffer | null> {
    if (!(await this.hold(1))) return null;
    return this.pass(PIECE_BYTES);
  }

  /** So many bytes; null, and all is taken, where there are fewer. */
  async take(count: number): Promise<Buffer | null> {
    const enough = await this.hold(count);
    const bytes = this.pass(count);
    return enough ? bytes : null;
  }

  /** The last ones of what was taken last. Nothing is copied: a member may have a few bytes. */
  giveBack(count: number): void {
    this.at -= count;
    this.offset -= count;
  }

  end(): void {
    void this.iterator.return?.()?.catch(() => {});
  }

  private async hold(count: number): Promise<boolean> {
    while (this.held.length - this.at < count) {
      const { done, value } = await this.iterator.next();
      if (done === true) return false;
      const rest = this.held.subarray(this.at);
      this.held = rest.length === 0 ? value : Buffer.concat([rest, value]);
      this.at = 0;
    }
    return true;
  }

  private pass(most: number): Buffer {
    const bytes = this.held.subarray(this.at, this.at + most);
    this.at += bytes.length;
    this.offset += bytes.length;
    return bytes;
  }
}
