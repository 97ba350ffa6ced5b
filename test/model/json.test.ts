import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  JsonError,
  MAX_INTEGER_DIGITS,
  MAX_JSON_DEPTH,
  parseJson,
  stringifyDecimal,
  stringifyJson,
} from '../../lib/model/json.js';

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const shortNumbers = fc.json().filter((json) => !/\d{16}/.test(json));
const BIG = '123456789012345678901234567890';

describe('parseJson keeps integers exact', () => {
  test.each([
    [BIG, BigInt(BIG)],
    [`-${BIG}`, -BigInt(BIG)],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['1234567890123456', 1234567890123456],
    ['1'.repeat(MAX_INTEGER_DIGITS), BigInt('1'.repeat(MAX_INTEGER_DIGITS))],
  ])('%s', (text, value) => {
    expect(parseJson(text)).toBe(value);
    expect(parseJson(`{"a":[ ${text} ,1]}`)).toEqual({ a: [value, 1] });
  });

  test.each(['0.1234567890123456789', '12345678901234567.0', '12345678901234567e3', '1e20', '-0.30000000000000004'])(
    '%s stays a double',
    (text) => expect(parseJson(`[${text}]`)).toEqual([Number(text)]),
  );

  test('wherever in the text they stand', () => {
    for (let blanks = 0; blanks < 50; blanks++) {
      const text = `[${' '.repeat(blanks)}9007199254740993,1]`;
      expect(parseJson(text)).toEqual([9007199254740993n, 1]);
    }
  });

  test('digits in text are no number', () => expect(parseJson(`["${BIG}"]`)).toEqual([BIG]));

  test('a body with a large integer is otherwise read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(shortNumbers, fc.constantFrom('', ' ', '\n\t'), (json, blank) => {
        const { value } = parseJson(`{"n":${BIG},${blank}"value":${blank}${json}${blank}}`) as { value: unknown };
        expect(value).toEqual(JSON.parse(json));
      }),
      { numRuns: 1000 },
    );
  });

  test('of a key given twice the last counts', () => {
    expect(parseJson(`{"a":[],"a":{},"n":${BIG}}`)).toEqual({ a: {}, n: BigInt(BIG) });
    expect(parseJson('{"a":1,"a":2}')).toEqual({ a: 2 });
  });

  test.each([
    '{"__proto__":{"polluted":1},"constructor":2}',
    `{"__proto__":{"polluted":1},"constructor":2,"n":${BIG}}`,
  ])('%s becomes own keys and pollutes nothing', (text) => {
    const value = parseJson(text) as object;
    expect(Object.keys(value)).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('polluted' in value).toBe(false);
    expect(stringifyJson(value)).toBe(text);
  });
});

describe('parseJson refuses', () => {
  const utf16 = Buffer.from('{"etype":"ip"}', 'utf16le');
  test.each<[string, Buffer | string, RegExp]>([
    ['an empty text', '', /empty/],
    ['blanks alone', Buffer.from(' \r\n'), /empty/],
    ['a byte order mark', Buffer.from('\ufeff{}'), /byte order mark/],
    ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]), /UTF-16/],
    ['UTF-16 without one', utf16, /UTF-16/],
    ['UTF-16 big end first', Buffer.from(utf16).swap16(), /UTF-16/],
    ['invalid UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), /not valid UTF-8/],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0x80, 0x22]), /not valid UTF-8/],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not valid UTF-8/],
    ['NaN', '{"v":NaN}', /NaN is no JSON number/],
    ['-Infinity', '[1, -Infinity]', /-Infinity is no JSON number/],
    ['a comma too many', '[1,]', /not JSON/],
    ['text behind the value', '{} x', /not JSON/],
    ['single quotes', "{'a':1}", /not JSON/],
    ['a control character in text', '"a\nb"', /not JSON/],
    ['a NUL in text', '"a\0b"', /not JSON/],
    ['an unfinished text', '{"a":"b', /not JSON/],
    ['an integer too long', '1'.repeat(MAX_INTEGER_DIGITS + 1), /4301 digits/],
    ['an integer of a megabyte', `[${'1'.repeat(1 << 20)}]`, /1048576 digits/],
    ['lists too deep', nested(MAX_JSON_DEPTH + 1), /deeper than the 200 levels/],
    ['10,000 levels', `{"v":${nested(10_000)}}`, /deeper/],
    ['a million levels without an end', '['.repeat(1_000_000), /deeper/],
    ['objects too deep', '{"a":'.repeat(300), /deeper/],
  ])('%s', (_, source, sentence) => {
    expect(() => parseJson(source)).toThrow(JsonError);
    expect(() => parseJson(source)).toThrow(sentence);
  });

  test('a text above the bound, naming both sizes', () => {
    expect(() => parseJson(Buffer.alloc(17 << 20, 32))).toThrow('17825792 bytes, allowed are at most 16777216');
    expect(() => parseJson('[1,2,3]', 5)).toThrow('7 bytes, allowed are at most 5');
  });
});

describe('parseJson accepts', () => {
  test('the deepest nesting allowed, and brackets in text without counting them', () => {
    expect(stringifyJson(parseJson(nested(MAX_JSON_DEPTH)))).toBe(nested(MAX_JSON_DEPTH));
    const text = `${'['.repeat(1000)}\\"${'{'.repeat(1000)}`;
    expect(parseJson(`["${text}", "\\\\"]`)).toEqual([text.replace('\\', ''), '\\']);
  });

  test('many lists side by side', () => {
    const lists = `[${new Array(10_000).fill('[{}]').join(',')}]`;
    expect(parseJson(lists)).toHaveLength(10_000);
  });

  test('U+FFFD that was sent as such', () => expect(parseJson(Buffer.from('"a\ufffdb"'))).toBe('a\ufffdb'));

  test('a value of 10 MiB beside a large integer, without holding it many times', () => {
    const text = 'x"\\'.repeat(3_500_000);
    const value = parseJson(Buffer.from(`{"n":${BIG},"v":${JSON.stringify(text)}}`), 32 << 20);
    expect((value as { v: string }).v === text).toBe(true);
  });
});

describe('stringifyJson', () => {
  test('is the exact inverse of parseJson', () => {
    const leaf = fc.oneof(
      fc.bigInt().filter((n) => !Number.isSafeInteger(Number(n)) || BigInt(Number(n)) !== n),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
      fc.double({ min: 2 ** 53, max: 1e22, noNaN: true }),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(true, false, null),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value')), fc.dictionary(fc.string(), tie('value'))),
    }));
    fc.assert(
      fc.property(value, (given) => {
        const text = stringifyJson(given);
        // toEqual, because fast-check makes some objects without a prototype.
        expect(parseJson(text)).toEqual(given);
        expect(stringifyJson(parseJson(text))).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test('writes bigints as bare numbers and large doubles so that they stay doubles', () => {
    expect(stringifyJson({ a: [BigInt(BIG), 1e20, 5n] })).toBe(`{"a":[${BIG},1e+20,5]}`);
  });

  test('refuses what has no end', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => stringifyJson(loop)).toThrow(JsonError);
  });
});

describe('stringifyDecimal', () => {
  test('writes doubles with all their digits, so that a decimal keeps them apart from integers', () => {
    expect(stringifyDecimal([2 ** 53, 1e21, BigInt(BIG), 'e+', 0.5, -0.1])).toBe(
      `[9007199254740992.0,1000000000000000000000.0,${BIG},"e+",0.5,-0.1]`,
    );
    fc.assert(
      fc.property(fc.double({ min: 1e15, max: 1.7e308, noNaN: true }), (double) => {
        const text = stringifyDecimal({ double });
        expect(text.slice(10)).not.toContain('e');
        expect(parseJson(text)).toEqual({ double });
      }),
    );
  });
});
