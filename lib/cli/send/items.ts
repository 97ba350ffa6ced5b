/**
 * Items of an input of data-points: JSON lines or one JSON array, plain or gzipped, whatever the file is called. What it is shows in
 * its first bytes.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { lineCutter } from '../lines.js';
import { arrayCutter } from './array.js';
import type { Item, ItemCutter } from './item.js';

const GZIP = Buffer.from([0x1f, 0x8b]);
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const OPEN_LIST = 91;
const SPACE = 32;
const LF = 10;
/** What gzip gives at once. */
const GUNZIP_BYTES = 256 * 1024;

/** The bytes of an input, unpacked where they are gzipped. Leaving the loop over them ends the input. */
export async function* unpacked(input: Readable): AsyncIterable<Buffer> {
  const { first, rest } = await peek(input, BYTE_ORDER_MARK.length);
  const whole = joined(first, rest);
  if (!first.subarray(0, GZIP.length).equals(GZIP)) {
    yield* whole;
    return;
  }
  const gunzip = createGunzip({ chunkSize: GUNZIP_BYTES });
  const feeding = pipeline(whole, gunzip);
  // Its error is thrown by the loop, too.
  feeding.catch(() => {});
  for await (const chunk of gunzip) yield bytesOf(chunk);
  await feeding;
}

/** Chooses by the first byte that is no blank; an item longer than `maxBytes` is told and not kept. */
export function itemCutter(maxBytes: number): ItemCutter {
  let chosen: ItemCutter | null = null;
  let lineEnds = 0;
  let atStart = true;
  const choose = (text: Buffer): ItemCutter | null => {
    const first = text.find((byte) => byte > SPACE);
    if (first === undefined) {
      lineEnds += text.filter((byte) => byte === LF).length;
      return null;
    }
    const cutter = first === OPEN_LIST ? arrayCutter(maxBytes) : linesCutter(maxBytes);
    cutter.push(Buffer.alloc(lineEnds, LF));
    return cutter;
  };
  return {
    push(chunk) {
      const text = atStart && chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? chunk.subarray(3) : chunk;
      atStart = false;
      chosen ??= choose(text);
      return chosen?.push(text) ?? [];
    },
    end: () => chosen?.end() ?? [],
  };
}

function linesCutter(maxBytes: number): ItemCutter {
  const cutter = lineCutter(maxBytes);
  let position = 0;
  const items = (lines: ReturnType<typeof cutter.push>): Item[] => {
    const found: Item[] = [];
    for (const { number, bytes } of lines) {
      if (bytes !== null && isBlank(bytes)) continue;
      found.push({ position, line: number, bytes });
      position += 1;
    }
    return found;
  };
  return { push: (chunk) => items(cutter.push(chunk)), end: () => items(cutter.end()) };
}

function isBlank(bytes: Buffer): boolean {
  return bytes[0]! <= SPACE && bytes.every((byte) => byte <= SPACE);
}

/** The first piece with at least `bytes` bytes, where there are so many, and what follows it. */
async function peek(input: Readable, bytes: number): Promise<{ first: Buffer; rest: AsyncIterable<unknown> }> {
  const iterator = input[Symbol.asyncIterator]();
  let first: Buffer = Buffer.alloc(0);
  while (first.length < bytes) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first = first.length === 0 ? bytesOf(value) : Buffer.concat([first, bytesOf(value)]);
  }
  return { first, rest: { [Symbol.asyncIterator]: () => iterator } };
}

async function* joined(first: Buffer, rest: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  if (first.length > 0) yield first;
  for await (const chunk of rest) yield bytesOf(chunk);
}

function bytesOf(chunk: unknown): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
}
