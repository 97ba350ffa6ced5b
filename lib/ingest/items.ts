/**
 * Items of an input of data-points: JSON lines, objects over several lines, or JSON arrays, plain or gzipped, whatever the file is
 * called. What it is shows in its first bytes; what it cannot be is told.
 */
import { GZIP, gunzipped } from './gunzip.js';
import { InputBroken, type InputPlace, type ItemCutter } from './item.js';
import { jsonArrayCutter } from './json-array.js';
import { isBlank, jsonLinesCutter } from './json-lines.js';

/** How the first bytes of other forms look, and what makes text of them. */
const FOREIGN: readonly { readonly sign: readonly number[]; readonly what: string; readonly reader: string }[] = [
  { sign: [0xff, 0xfe], what: 'UTF-16 text', reader: 'iconv -f UTF-16 -t UTF-8' },
  { sign: [0xfe, 0xff], what: 'UTF-16 text', reader: 'iconv -f UTF-16 -t UTF-8' },
  { sign: [0xfd, 0x37, 0x7a], what: 'packed with xz', reader: 'xz -dc' },
  { sign: [0x28, 0xb5, 0x2f], what: 'packed with zstd', reader: 'zstd -dc' },
  { sign: [0x42, 0x5a, 0x68], what: 'packed with bzip2', reader: 'bzip2 -dc' },
  { sign: [0x50, 0x4b, 0x03], what: 'a zip archive', reader: 'unzip -p' },
];
const TWICE = { what: 'packed with gzip twice', reader: 'gunzip -c' };
const LONGEST_SIGN = 3;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
export const BEGINNING: InputPlace = { position: 0, line: 0, bytes: 0 };
const OPEN_LIST = 91;
const LF = 10;

/**
 * The bytes of an input, unpacked where they are gzipped. Leaving the loop over them ends the input.
 * @throws InputBroken where it is neither plain nor gzipped UTF-8, or broken; what stands before that place has been given
 */
export async function* unpacked(input: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  const given = await begun(input);
  if (!startsWith(given.first, GZIP)) {
    refuseForeign(given.first);
    yield* given.whole;
    return;
  }
  const text = await begun(gunzipped(given.whole));
  if (startsWith(text.first, GZIP)) throw foreign(TWICE);
  refuseForeign(text.first);
  yield* text.whole;
}

function refuseForeign(first: Buffer): void {
  const found = FOREIGN.find(({ sign }) => startsWith(first, Buffer.from(sign)));
  if (found !== undefined) throw foreign(found);
  const [one, two] = first;
  if (one === 0 && two !== undefined && two > 0) throw foreign(withoutMark('UTF-16BE'));
  if (two === 0 && one !== undefined && one > 0) throw foreign(withoutMark('UTF-16LE'));
}

function withoutMark(encoding: string): { what: string; reader: string } {
  return { what: `${encoding} text`, reader: `iconv -f ${encoding} -t UTF-8` };
}

function foreign({ what, reader }: { readonly what: string; readonly reader: string }): InputBroken {
  const how = `${reader} FILE | npx dp3-cluster send -`;
  return new InputBroken(`given was ${what}, allowed is UTF-8 text, plain or gzipped once (${how})`);
}

function startsWith(bytes: Buffer, sign: Buffer): boolean {
  return bytes.subarray(0, sign.length).equals(sign);
}

/** Chooses by the first byte that is no blank; an item longer than `maxBytes` is told and not kept. */
export function itemCutter(maxBytes: number): ItemCutter {
  let chosen: ItemCutter | null = null;
  let lineEnds = 0;
  let atStart = true;
  /** Nothing was taken away before the first line. */
  let isPlain = true;
  const choose = (text: Buffer): ItemCutter | null => {
    const first = text.find((byte) => !isBlank(byte));
    if (first === undefined) {
      isPlain = false;
      lineEnds += text.filter((byte) => byte === LF).length;
      return null;
    }
    const cutter =
      first === OPEN_LIST ? jsonArrayCutter(maxBytes) : jsonLinesCutter(maxBytes, isPlain ? BEGINNING : null);
    cutter.push(Buffer.alloc(lineEnds, LF));
    return cutter;
  };
  return {
    push(chunk) {
      const isMarked = atStart && startsWith(chunk, BYTE_ORDER_MARK);
      const text = isMarked ? chunk.subarray(3) : chunk;
      if (isMarked) isPlain = false;
      atStart = false;
      chosen ??= choose(text);
      return chosen?.push(text) ?? [];
    },
    end: () => chosen?.end() ?? [],
  };
}

/** The first piece, of as many bytes as a sign has, where there are so many; and the whole, which begins with it. */
async function begun(chunks: AsyncIterable<unknown>): Promise<{ first: Buffer; whole: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first: Buffer = Buffer.alloc(0);
  while (first.length < LONGEST_SIGN) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first = first.length === 0 ? bytesOf(value) : Buffer.concat([first, bytesOf(value)]);
  }
  return { first, whole: joined(first, { [Symbol.asyncIterator]: () => iterator }) };
}

async function* joined(first: Buffer, rest: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  if (first.length > 0) yield first;
  for await (const chunk of rest) yield bytesOf(chunk);
}

function bytesOf(chunk: unknown): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
}
