import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Item } from '../../../lib/cli/send/item.js';
import { itemCutter, unpacked } from '../../../lib/cli/send/items.js';

function pieces(text: string | Buffer, size: number): Buffer[] {
  const whole = Buffer.from(text as string);
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
  return chunks;
}

function cut(text: string | Buffer, size = 1_000, maxBytes = 1_000_000): Item[] {
  const cutter = itemCutter(maxBytes);
  return [...pieces(text, size).flatMap((piece) => cutter.push(piece)), ...cutter.end()];
}

/** Line and text of each item. */
function shownOf(items: readonly Item[]): [number, string | null][] {
  return items.map(({ line, bytes }) => [line, bytes === null ? null : bytes.toString()]);
}

describe('items of JSON lines', () => {
  it('are the lines that are not blank, with their numbers and positions', () => {
    const items = cut('{"a":1}\n\n  \n{"b":2}\r\n{bad\n');
    expect(shownOf(items)).toEqual([
      [1, '{"a":1}'],
      [4, '{"b":2}'],
      [5, '{bad'],
    ]);
    expect(items.map(({ position }) => position)).toEqual([0, 1, 2]);
  });

  it('begin behind blank lines and a byte order mark', () => {
    expect(shownOf(cut('\ufeff\n \n{"a":1}'))).toEqual([[3, '{"a":1}']]);
    expect(shownOf(cut(' \n\n\n{"a":1}', 2))).toEqual([[4, '{"a":1}']]);
    expect(cut('')).toEqual([]);
    expect(cut(' \n ')).toEqual([]);
  });
});

describe('items of an array', () => {
  it('are its values, with the lines they begin on', () => {
    const text = '\n[\n {"a": [1, "]"]},\n\n{"b":\n"x\\"},"}, 12,"text", null\n, [[]] ]\n';
    expect(shownOf(cut(text))).toEqual([
      [3, '{"a": [1, "]"]}'],
      [5, '{"b":\n"x\\"},"}'],
      [6, '12'],
      [6, '"text"'],
      [6, 'null'],
      [7, '[[]]'],
    ]);
    expect(cut(' [ ] ')).toEqual([]);
  });

  it('are what JSON.parse finds, however the bytes arrive', () => {
    const blanks = fc.constantFrom('', ' ', '\n', '\t \r\n');
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 8 }),
        blanks,
        fc.integer({ min: 1, max: 9 }),
        (list, blank, size) => {
          const items = list.map((value) => `${blank}${JSON.stringify(value, null, blank === '\n' ? 1 : 0)}${blank}`);
          const text = `${blank}[${items.join(',')}${list.length === 0 ? blank : ''}]${blank}`;
          const found = cut(text, size);
          expect(found.map(({ bytes }) => JSON.parse(String(bytes)))).toEqual(
            list.map((v) => JSON.parse(JSON.stringify(v))),
          );
          expect(shownOf(found)).toEqual(shownOf(cut(text)));
        },
      ),
    );
  });

  it('that are no JSON are given as they are, those too long without their text', () => {
    expect(shownOf(cut('[{x}, nul, {"a":"1234567890"}, 1]', 4, 8))).toEqual([
      [1, '{x}'],
      [1, 'nul'],
      [1, null],
      [1, '1'],
    ]);
  });

  it.each([
    ['[{"a":1} {"b":2}]', /^line 1: the array is broken after 1 items: found "{", allowed is , or ]$/],
    ['[1,\n]', /^line 2: .* after 1 items: found "]", allowed is an item$/],
    ['[,1]', /found ",", allowed is an item or ]$/],
    ['[1]\n[2]', /^line 2: .* found "\[", allowed is nothing more$/],
    ['[1,{"a"', /after 1 items: found the end of the input, allowed is the rest of an item$/],
    ['[1,"a', /allowed is the rest of a text$/],
    ['[1', /after 0 items: found the end of the input/],
    ['[1,', /found the end of the input, allowed is an item$/],
  ])('end with an error where the array is broken: %s', (text, sentence) => {
    for (const size of [1, 3, 100]) expect(() => cut(text, size)).toThrow(sentence);
  });
});

describe('the bytes of an input', () => {
  async function read(input: Readable): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of unpacked(input)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  it('are unpacked where they are gzipped, several members in a row too', async () => {
    const text = 'äöü\n'.repeat(50_000);
    const packed = Buffer.concat([gzipSync(text), gzipSync('end')]);
    for (const size of [1, 7, 1_000_000]) {
      expect(await read(Readable.from(pieces(packed, size)))).toBe(`${text}end`);
    }
  });

  it('are passed on where they are not, however short', async () => {
    for (const text of ['', 'a', '\u001f', 'abcd']) expect(await read(Readable.from([Buffer.from(text)]))).toBe(text);
  });

  it('end with an error where the packing is broken, behind what could be read', async () => {
    const packed = gzipSync(Buffer.alloc(1_000_000, 'abcdefgh'));
    await expect(read(Readable.from([packed.subarray(0, packed.length - 9)]))).rejects.toThrow(
      /unexpected end of file/,
    );
    const damaged = Buffer.from(packed);
    damaged.fill(0, 20, 40);
    await expect(read(Readable.from([damaged]))).rejects.toThrow();
  });

  it('end with the error of the input', async () => {
    for (const first of ['{"a":1}\n', gzipSync('x'.repeat(10_000)).subarray(0, 15)]) {
      const input = new PassThrough();
      input.write(first);
      const reading = read(input);
      setImmediate(() => input.destroy(new Error('disk on fire')));
      await expect(reading).rejects.toThrow('disk on fire');
    }
  });
});
