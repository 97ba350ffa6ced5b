import { PassThrough, Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputBroken, type Item } from '../../lib/ingest/item.js';
import { itemCutter, unpacked } from '../../lib/ingest/items.js';

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

  it('are lines of other signs that show nothing, too: only what JSON calls blank is blank', () => {
    expect(shownOf(cut('\0\0\n \t\r\n\u000b\n\u000c\n{"a":1}'))).toEqual([
      [1, '\0\0'],
      [3, '\u000b'],
      [4, '\u000c'],
      [5, '{"a":1}'],
    ]);
  });
});

describe('items over several lines', () => {
  const pretty = (value: unknown, indent: number | string = 2) => JSON.stringify(value, null, indent);

  it('are cut as they were written, among values of one line too, however the bytes arrive', () => {
    const object = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
    const indent = fc.constantFrom(0, 1, 4, '\t');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(object, indent), { maxLength: 8 }),
        fc.constantFrom('\n', '\n\n', '\r\n'),
        fc.integer({ min: 1, max: 9 }),
        (values, lineEnd, size) => {
          const texts = values.map(([value, by]) => pretty(value, by));
          const found = cut(texts.join(lineEnd), size);
          expect(found.map(({ bytes }) => bytes?.toString())).toEqual(texts);
          expect(found.map(({ position }) => position)).toEqual(texts.map((_, n) => n));
        },
      ),
    );
  });

  it('have the line on which they begin', () => {
    const text = `{"a":1}\n\n${pretty({ a: { b: ['}', '\\"{'] } })}\r\n\ufeff${pretty({ c: 2 })}\n{"d":3}`;
    expect(cut(text).map(({ line, bytes }) => [line, JSON.parse(String(bytes))])).toEqual([
      [1, { a: 1 }],
      [3, { a: { b: ['}', '\\"{'] } }],
      [11, { c: 2 }],
      [14, { d: 3 }],
    ]);
  });

  it.each([
    ['{"a":1,\n{"b":2}\n{"c":3}', ['{"a":1,', '{"b":2}', '{"c":3}']],
    ['{"a":1\n{"b":2}', ['{"a":1', '{"b":2}']],
    ['{"a":"x\n{"b":2}', ['{"a":"x', '{"b":2}']],
    ['{"a":1},\n{"b":2},', ['{"a":1},', '{"b":2},']],
    ['{\n"a": {\n"b": 1\n}\n{\n"c": 2\n}', ['{\n"a": {\n"b": 1\n}', '{\n"c": 2\n}']],
    ['{\n"a": "x\n}\n{"b":2}', ['{\n"a": "x\n}', '{"b":2}']],
    ['{\n"a": [\n{\n"x": 1\n},\n{\n}\n]\n}', ['{\n"a": [\n{\n"x": 1\n},\n{\n}\n]\n}']],
    ['{\n"a": 1,', ['{\n"a": 1,']],
    ['[\ufeff', null],
  ])('spoil no other where they are bad: %j', (text, items) => {
    for (const size of [1, 3, 100]) {
      if (items === null) expect(() => cut(text, size)).toThrow(/the array is broken/);
      else expect(cut(text, size).map(({ bytes }) => String(bytes))).toEqual(items);
    }
  });

  it('are bound in length', () => {
    const long = pretty({ a: 'x'.repeat(20), b: 'y'.repeat(20) });
    const [first, ...rest] = shownOf(cut(`${long}\n{"c":1}`, 3, 40));
    expect(first).toEqual([1, null]);
    expect(rest.at(-1)).toEqual([5, '{"c":1}']);
  });

  it('are no blank lines where they hold NUL bytes', () => {
    expect(shownOf(cut('{"a":1}\n\u0000\u0000\n'))).toEqual([
      [1, '{"a":1}'],
      [2, '\u0000\u0000'],
    ]);
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
    expect(shownOf(cut('[1,2]\n[]\n[3]\n'))).toEqual([
      [1, '1'],
      [1, '2'],
      [3, '3'],
    ]);
  });

  it('are given before the array is told to be broken, however the bytes arrive', () => {
    for (const size of [1, 4, 100]) {
      const cutter = itemCutter(100);
      const items: Item[] = [];
      const cutting = () => {
        for (const piece of pieces('[1, 2 3]', size)) items.push(...cutter.push(piece));
        cutter.end();
      };
      expect(cutting).toThrow(/after 2 items: found "3"/);
      expect(shownOf(items)).toEqual([
        [1, '1'],
        [1, '2'],
      ]);
    }
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
    ['[1]\n{', /^line 2: .* found "\{", allowed is another array or nothing$/],
    ['[1]\u0000', /found "\\u0000", allowed is another array or nothing$/],
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

  /** What was given before the error, and its sentence; as one text, however the bytes arrive. */
  async function readBroken(bytes: Buffer): Promise<[string, string]> {
    const results: [string, string][] = [];
    for (const size of [1, 1_000, bytes.length]) {
      const chunks: Buffer[] = [];
      let sentence = '';
      try {
        for await (const chunk of unpacked(Readable.from(pieces(bytes, size)))) chunks.push(chunk);
      } catch (error) {
        if (!(error instanceof InputBroken)) throw error;
        sentence = error.message;
      }
      results.push([Buffer.concat(chunks).toString(), sentence]);
    }
    expect(results).toEqual(results.map(() => results[0]));
    return results[0]!;
  }

  it('are unpacked with zeros between and behind members, names, comments and checksums of headers', async () => {
    const member = gzipSync('first\n');
    const flags = 2 | 4 | 8 | 16;
    const header = Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3, 2, 0, 1, 2, 0x61, 0, 0x62, 0, 9, 9]);
    const named = Buffer.concat([header, gzipSync('second').subarray(10)]);
    const zeros = Buffer.alloc(100_000);
    expect(await readBroken(Buffer.concat([member, zeros, named, zeros]))).toEqual(['first\nsecond', '']);
    expect(await readBroken(gzipSync(''))).toEqual(['', '']);
  });

  it('are given up to where the packing is broken, and the rest is named', async () => {
    const [one, two] = [gzipSync('first\n'), gzipSync('second\n')];
    const both = Buffer.concat([one, two]);
    expect(await readBroken(Buffer.concat([both, Buffer.alloc(3), Buffer.from('garbage')]))).toEqual([
      'first\nsecond\n',
      `behind gzip member 2 stand 7 bytes that are no gzip, from byte ${both.length + 3} on`,
    ]);
    expect(await readBroken(both.subarray(0, -4))).toEqual([
      'first\nsecond\n',
      `gzip member 2 is cut short: the input ends at byte ${both.length - 4}`,
    ]);
    expect(await readBroken(both.subarray(0, one.length + 5))).toEqual([
      'first\n',
      `gzip member 2 is cut short: the input ends at byte ${one.length + 5}`,
    ]);
    const wrong = Buffer.from(both);
    wrong[one.length - 8]! ^= 1;
    expect(await readBroken(wrong)).toEqual([
      'first\n',
      `gzip member 1 (bytes 0 to ${one.length - 1}) is damaged: its checksum is not that of its data`,
    ]);
    const method = Buffer.concat([one, Buffer.from([0x1f, 0x8b, 7]), Buffer.alloc(20)]);
    expect((await readBroken(method))[1]).toBe(
      `gzip member 2, byte ${one.length + 2}: given was the method 7, allowed is 8, deflate`,
    );
    const damaged = Buffer.concat([one, two]);
    damaged.fill(0xff, one.length + 10, one.length + 14);
    await expect(read(Readable.from([damaged]))).rejects.toThrow(/^gzip member 2 is damaged before byte \d+: invalid/);
  });

  it.each([
    ['UTF-16LE text', Buffer.from('{"a":1}', 'utf16le'), 'iconv -f UTF-16LE -t UTF-8'],
    ['UTF-16 text', Buffer.from('\ufeff{"a":1}', 'utf16le'), 'iconv -f UTF-16 -t UTF-8'],
    ['UTF-16 text', Buffer.from('\ufeff{"a":1}', 'utf16le').swap16(), 'iconv -f UTF-16 -t UTF-8'],
    ['UTF-16BE text', Buffer.from('{"a":1}', 'utf16le').swap16(), 'iconv -f UTF-16BE -t UTF-8'],
    ['packed with gzip twice', gzipSync(gzipSync('x')), 'gunzip -c'],
    ['packed with zstd', Buffer.from('28b52ffd04', 'hex'), 'zstd -dc'],
    ['packed with xz', gzipSync(Buffer.from('fd377a585a00', 'hex')), 'xz -dc'],
    ['packed with bzip2', Buffer.from('BZh91AY'), 'bzip2 -dc'],
    ['a zip archive', Buffer.from('PK\u0003\u0004'), 'unzip -p'],
  ])('are refused where they are %s', async (what, bytes, reader) => {
    const sentence = `given was ${what}, allowed is UTF-8 text, plain or gzipped once (${reader} FILE | npx dp3-cluster send -)`;
    expect(await readBroken(bytes)).toEqual(['', sentence]);
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
