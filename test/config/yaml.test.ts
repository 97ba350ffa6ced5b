import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPlain } from '../../lib/config/plain.js';
import { readYaml } from '../../lib/config/yaml.js';
import type { Problem } from '../../lib/model/problem.js';
import { makeFolder } from '../support/folder.js';

function read(content: string | Buffer) {
  const problems: Problem[] = [];
  const file = readYaml(join(makeFolder({ 'x.yml': content }), 'x.yml'), 'x.yml', problems);
  return { file, problems, sentences: problems.map(({ line, key, sentence }) => `${line ?? '?'} ${key}: ${sentence}`) };
}

describe('a YAML file', () => {
  it('becomes maps, lists and scalars', () => {
    const { file, problems } = read('a: {b: [1, x, true, null, 1.5]}\n__proto__: {constructor: 2}\n');
    const proto = new Map([['constructor', 2]]);
    expect(file?.value).toEqual(
      new Map<string, unknown>([
        ['a', new Map([['b', [1, 'x', true, null, 1.5]]])],
        ['__proto__', proto],
      ]),
    );
    expect(problems).toEqual([]);
  });

  it('may have a byte order mark, CRLF, comments alone, or nothing in it', () => {
    expect(read('\ufeffa: 1\r\nb: 2\r\n').file?.value).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    expect(read('').file?.value).toBeNull();
    expect(read('# nothing\n').file?.value).toBeNull();
  });

  it('knows the line of every key, and of the nearest one above an unknown path', () => {
    const { file } = read('a:\n  b: 1\n  c:\n    - d: 2\n    - e: 3\n');
    expect(['a', 'a.b', 'a.c[1].e', 'a.b.nowhere', 'nowhere'].map((path) => file?.lineOf(path))).toEqual([
      1,
      2,
      5,
      2,
      undefined,
    ]);
  });

  it('merges dictionaries behind <<, those written in place first', () => {
    const { file } = read('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 9}, *a]}\n');
    expect(file?.value).toEqual(
      new Map([
        [
          'a',
          new Map([
            ['x', 1],
            ['y', 2],
          ]),
        ],
        [
          'b',
          new Map([
            ['y', 3],
            ['x', 1],
          ]),
        ],
        [
          'c',
          new Map([
            ['x', 9],
            ['y', 2],
          ]),
        ],
      ]),
    );
  });

  it('keeps integers exact', () => {
    expect(read('a: 12345678901234567890').file?.value).toEqual(new Map([['a', 12345678901234567890n]]));
  });

  const bomb = Array.from(
    { length: 8 },
    (_, n) =>
      `k${n}: &k${n} [${Array(9)
        .fill(n === 0 ? 'x' : `*k${n - 1}`)
        .join(',')}]`,
  );
  it.each<[string, string | Buffer, RegExp]>([
    ['a tab', 'a:\n\tb: 1', /^2 : A tab is used/],
    ['a key given twice', 'a:\n  b: 1\n  b: 2', /^3 a\.b: The key is given twice, first in line 2\./],
    ['UTF-16', Buffer.from('\ufeffa: 1', 'utf16le'), /UTF-16/],
    ['UTF-16 without a mark', Buffer.from('a: 1', 'utf16le'), /NUL characters/],
    ['Latin-1', Buffer.from([0x61, 0x3a, 0x20, 0xe9]), /not valid UTF-8/],
    ['an alias bomb', bomb.join('\n'), /unfold to more than the 100000 values/],
    ['an alias of itself', 'a: &a [*a]', /contains itself/],
    ['an alias of nothing', 'a: *x', /names an anchor that does not stand before it/],
    ['10,000 levels', '['.repeat(10_000) + ']'.repeat(10_000), /nested deeper than the 100 levels/],
    ['10,000 levels of dashes', `${'- '.repeat(10_000)}x`, /nested deeper than the 100 levels/],
    ['10,000 levels unclosed', '{a: '.repeat(10_000), /nested deeper than the 100 levels/],
    ['<< before a number', 'a: {<<: 3}', /A dictionary is needed behind <</],
    ['a template left as it was', 'a: {{NAME}}', /A key must be text/],
    ['a tag of Python', 'a: !!python/object:os.system x', /Unresolved tag/],
    ['a binary', 'a: !!binary aGk=', /The tag .* is not allowed/],
    ['an ordered map', 'a: !!omap [x: 1]', /Allowed are dictionaries, lists, text/],
    ['two documents', 'a: 1\n---\nb: 2', /^2 : A second document begins here/],
    ['a lone surrogate', 'a: "\\ud800"', /lone surrogates/],
    ['NUL', 'a: "\\0"', /holds NUL/],
    ['a list as key', '? [a]\n: b', /A key must be text/],
    ['an open quote', 'a: "x', /not valid YAML: Missing closing/],
    ['colon in a value', 'a: b: c', /not valid YAML/],
    ['wrong indentation', 'a:\n  b: 1\n c: 2', /^3 : This is not valid YAML/],
  ])('is refused with one sentence: %s', (_, content, sentence) => {
    const { file, sentences } = read(content);
    expect(file).toBeUndefined();
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(sentence);
    expect(sentences[0]).not.toMatch(/\n|at .*:\d+:\d+/);
  });

  it('is refused when it is larger than allowed, a folder, or not there', () => {
    expect(read('#'.repeat(5 * 1024 * 1024)).sentences[0]).toMatch(/allowed are at most 4194304/);
    const problems: Problem[] = [];
    const dir = makeFolder();
    expect(readYaml(dir, 'x.yml', problems) ?? readYaml(join(dir, 'nowhere.yml'), 'y.yml', problems)).toBeUndefined();
    expect(problems.map(({ sentence }) => sentence.replace(/:.*/, ''))).toEqual(
      Array(2).fill('The file cannot be read'),
    );
  });

  it('warns of keys that DP3 reads otherwise', () => {
    const { file, sentences } = read('on: 1\n~: 2\n80: 3\n010: 4\n"yes": 5\n');
    expect([...((file?.value ?? new Map()) as Map<string, unknown>).keys()]).toEqual(['on', '~', '80', '010', 'yes']);
    expect(sentences).toHaveLength(3);
    expect(sentences[0]).toMatch(/^1 on: The key on is read as text; DP3 reads it as true/);
  });
});

describe('a plain scalar', () => {
  it.each<[string, unknown, boolean]>([
    ['yes', true, true],
    ['Off', false, true],
    ['true', true, false],
    ['y', 'y', false],
    ['tRUE', 'tRUE', false],
    ['010', 8, true],
    ['0', 0, false],
    ['00', 0, false],
    ['089', '089', true],
    ['0x1F', 31, false],
    ['0b101', 5, true],
    ['0o17', '0o17', true],
    ['1_000', 1_000, true],
    ['1:30', 90, true],
    ['-1:30', -90, true],
    ['1:30.5', 90.5, true],
    ['12', 12, false],
    ['-7', -7, false],
    ['1.5', 1.5, false],
    ['1.', 1, false],
    ['1e3', '1e3', true],
    ['1.5e+3', 1500, false],
    ['.inf', Number.POSITIVE_INFINITY, false],
    ['-.inf', Number.NEGATIVE_INFINITY, false],
    ['.nan', Number.NaN, false],
    ['~', null, false],
    ['', null, false],
    ['2026-11-24', '2026-11-24', true],
    ['10.0.0.0/8', '10.0.0.0/8', false],
    ['12345678901234567890', 12345678901234567890n, false],
    ['7d', '7d', false],
  ])('%s is read as DP3 reads it, %s; a surprise: %s', (source, value, surprise) => {
    const reading = readPlain(source);
    expect(reading.value).toEqual(value);
    expect(reading.surprise !== undefined).toBe(surprise);
  });
});
