import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileDataType, type DataType } from '../../lib/model/datatype.js';
import { referenceReader } from '../../lib/model/entity-id.js';
import { parseJson, stringifyJson } from '../../lib/model/json.js';
import { describe as show, ValueError } from '../../lib/model/value-error.js';

const TARGETS = new Map([
  ['ip', referenceReader('ipv4')],
  ['asn', referenceReader('int')],
  ['bus', referenceReader('string')],
]);
const typeOf = (text: string): DataType =>
  compileDataType(text, (etype) => {
    const reader = TARGETS.get(etype);
    if (reader === undefined) throw new Error(`no entity type ${etype}`);
    return reader;
  }).dataType;

const T = '2026-11-24T15:25:31.000000Z';
const BIG = 2n ** 64n;

/** Type, value, canonical form. Checked against DP3. */
const ACCEPTED: [string, unknown, unknown][] = [
  ...[true, 1, 1.0, 'true', 'TRUE', 'Yes', 'on', 't', 'Y', '1', 1n].map((v): [string, unknown, unknown] => [
    'tag',
    v,
    true,
  ]),
  ...[false, 0, -0, 'False', 'NO', 'off', 'f', 'n', '0'].map((v): [string, unknown, unknown] => ['binary', v, false]),
  ['string', '', ''],
  ['string', '日本 \u{1f600}', '日本 \u{1f600}'],
  ...[5, 5.0, '5', '5.0', ' 5 ', '+5', '05', '0_5', '\t5\n', '\u20035'].map((v): [string, unknown, unknown] => [
    'int',
    v,
    5,
  ]),
  ['int', '1_000', 1000],
  ['int', true, 1],
  ['int', '-0', 0],
  ['int', -0, 0],
  ['int64', BIG, BIG],
  ['int64', String(BIG), BIG],
  ['int', -9007199254740991, -9007199254740991],
  ['int', '9007199254740992', 9007199254740992n],
  ['int', 5n, 5],
  ['int', 2 ** 60, 2n ** 60n],
  ['float', 5, 5],
  ['float', '1e3', 1000],
  ['float', ' -.5 ', -0.5],
  ['float', '5.', 5],
  ['float', '1_0.5', 10.5],
  ['float', BIG, 18446744073709552000],
  ['float', true, 1],
  ['time', '2026-11-24T15:25:31Z', T],
  ['time', 1795533931, T],
  ['ipv4', '192.0.2.1', '192.0.2.1'],
  ['ipv4', 1, '0.0.0.1'],
  ['ipv4', 4294967295n, '255.255.255.255'],
  ['ipv6', '2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['ipv6', '::ffff:1.2.3.4', '::ffff:102:304'],
  ['ipv6', '1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['ipv6', '1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['ipv6', 'FE80::1%Eth0', 'fe80::1%Eth0'],
  ['ipv6', 1, '::1'],
  ['ipv6', 2n ** 128n - 1n, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['mac', 'AA-bb-CC-dd-EE-00', 'aa:bb:cc:dd:ee:00'],
  ['mac', 'aa:bb:cc:dd:ee:f ', 'aa:bb:cc:dd:ee:0f'],
  ['json', { a: [1, { b: null }] }, { a: [1, { b: null }] }],
  ['json', '{"a": 123456789012345678901}', { a: 123456789012345678901n }],
  ['json', '5', 5],
  ['json', '"text"', 'text'],
  ['json', 'null', null],
  ['special', null, null],
  ['special', [1, 'a', { b: true }], [1, 'a', { b: true }]],
  ['category<string;a,b>', 'a', 'a'],
  ['category<string; a , b >', 'b', 'b'],
  ['category<int;1,2>', 2, 2],
  ['category<int;1,2>', true, 1],
  ['category<float;1,2>', 1, 1],
  ['category<tag;1>', 1, true],
  ['category<int;18446744073709551616>', BIG, BIG],
  ['array<int>', ['1', 2, 3.0], [1, 2, 3]],
  ['array<int>', [], []],
  ['set<string>', ['b', 'a', 'b'], ['b', 'a', 'b']],
  ['array<json>', ['5', [1]], [5, [1]]],
  ['dict<a:int,b?:string>', { a: '1', z: 5 }, { a: 1, b: null }],
  ['dict<a:int,b?:string>', { b: null, a: 1 }, { a: 1, b: null }],
  ['link<ip>', { eid: 1 }, { eid: '0.0.0.1' }],
  ['link<asn>', { eid: '5' }, { eid: '5' }],
  ['link<asn>', { eid: BIG }, { eid: '18446744073709551616' }],
  ['link<bus,array<int>>', { eid: 'a', data: ['1'] }, { eid: 'a', data: [1] }],
  ['link<ip,link<asn>>', { eid: '1.2.3.4', data: { eid: 5 } }, { eid: '1.2.3.4', data: { eid: '5' } }],
  ['link<bus,special>', { eid: 'a', data: null }, { eid: 'a', data: null }],
  ['array<link<bus>>', [{ eid: 'a' }], [{ eid: 'a' }]],
];

/** Type, value, path of the error, what it says. */
const REFUSED: [string, unknown, string, RegExp][] = [
  ...[2, -1, 1.5, ' true', '01', '1.0', '', null, [], 'enabled'].map((v): [string, unknown, string, RegExp] => [
    'tag',
    v,
    '',
    /true or false/,
  ]),
  ...[1, 1.5, true, null, [], {}].map((v): [string, unknown, string, RegExp] => ['string', v, '', /a string/]),
  ['string', 'a\0b', '', /NUL/],
  ['string', '\ud800', '', /surrogates/],
  ...['5.5', 5.5, '1e3', '0x10', '', '5.', '.0', '1__0', '_1', '1_', '+ 5', '\u0663', null, [], 1e22, Number.NaN].map(
    (v): [string, unknown, string, RegExp] => ['int', v, '', /an integer/],
  ),
  ['int', '1'.repeat(4301), '', /an integer/],
  ['int', 10n ** 4300n, '', /given a huge integer, allowed is an integer of at most 4300 digits/],
  ['int64', -(10n ** 4300n), '', /at most 4300 digits/],
  ['json', { a: [10n ** 4300n] }, 'a[0]', /at most 4300 digits/],
  ['special', 10n ** 4300n, '', /at most 4300 digits/],
  ...[
    'nan',
    'Infinity',
    '-inf',
    '1e400',
    '',
    'e5',
    '1e',
    '5f',
    null,
    [],
    Number.NaN,
    Number.POSITIVE_INFINITY,
    10n ** 400n,
  ].map((v): [string, unknown, string, RegExp] => ['float', v, '', /a finite number/]),
  ...['2026-02-30', '', true, null, {}].map((v): [string, unknown, string, RegExp] => ['time', v, '', /a time/]),
  ...['1.2.3', '01.2.3.4', '1.2.3.4/24', ' 1.2.3.4', '', -1, 2 ** 32, 5.5, null, '::1'].map(
    (v): [string, unknown, string, RegExp] => ['ipv4', v, '', /an IPv4 address/],
  ),
  ...['1.2.3.4', '1::2::3', ':::', '00001::1', 'fe80::1%', 'fe80::1%a%b', '::1/64', '[::1]', -1, 2n ** 128n, null].map(
    (v): [string, unknown, string, RegExp] => ['ipv6', v, '', /an IPv6 address/],
  ),
  ['ipv6', 'fe80::1%\0', '', /NUL/],
  ...['aabbccddeeff', 'aa:bb-cc:dd:ee:ff', 'aa:bb:cc:dd:ee:fg', 'aa.bb.cc.dd.ee.ff', '-a:bb:cc:dd:ee:ff', 5, null].map(
    (v): [string, unknown, string, RegExp] => ['mac', v, '', /a MAC address/],
  ),
  ...[5, null, true, '', 'a', '[1,]', 'NaN'].map((v): [string, unknown, string, RegExp] => [
    'json',
    v,
    '',
    /text that holds JSON/,
  ]),
  ['json', { a: [Number.NaN] }, 'a[0]', /what JSON can hold/],
  ['json', '{"a": "\\u0000"}', 'a', /NUL/],
  ['special', { 'a\0': 1 }, '', /keys of text without NUL/],
  ['special', { '\udc00': 1 }, '', /surrogates/],
  ['special', [() => 1], '[0]', /what JSON can hold/],
  ['special', new Date(0), '', /what JSON can hold/],
  ['category<string;a,b>', 'A', '', /one of a, b/],
  ['category<int;1,2>', '1', '', /one of 1, 2/],
  ['category<int;1,2>', 3, '', /one of 1, 2/],
  ['category<float;1,2>', 1.5, '', /one of 1, 2/],
  ['category<tag;1>', false, '', /one of true/],
  ['array<int>', [1, 2, 'x'], '[2]', /given "x", allowed is an integer/],
  ['array<int>', '1', '', /a list/],
  ['array<int>', null, '', /a list/],
  ['set<link<ip>>', [{ eid: '1.2.3.4' }, { eid: 'x' }], '[1].eid', /an IPv4 address/],
  ['dict<a:int,b?:string>', { b: 'x' }, '', /^key "a" \(int\) is missing$/],
  ['dict<a:int,b?:string>', { a: null }, 'a', /an integer/],
  ['dict<a:int,b?:string>', { a: 1, b: 5 }, 'b', /a string/],
  ['dict<a:int>', [], '', /an object with a:int/],
  ['dict<constructor:special>', {}, '', /^key "constructor" \(special\) is missing$/],
  ['link<ip>', '1.2.3.4', '', /\{eid\}/],
  ['link<ip>', {}, '', /^key "eid" \(id of an entity ip\) is missing$/],
  ['link<ip>', { eid: '1.2.3.4', data: 1 }, '', /no other key/],
  ['link<ip>', Object.create({ eid: '1.2.3.4' }), '', /\{eid\}/],
  ['link<bus>', { eid: 5 }, 'eid', /a string/],
  ['link<bus,int>', { eid: 'a' }, '', /^key "data" \(what the link carries\) is missing$/],
  ['link<bus,int>', { eid: 'a', data: 'x' }, 'data', /an integer/],
  ['link<bus,array<int>>', { eid: 'a', data: [1, null] }, 'data[1]', /an integer/],
];

/** A title in front of every case; values are shown as errors show them, cut and with bigints. */
function titled<T extends [string, unknown, ...unknown[]]>(cases: T[], verb = 'takes'): [string, ...T][] {
  return cases.map((one) => [`${one[0]} ${verb} ${show(one[1])}`, ...one]);
}

describe('a data type', () => {
  it.each(titled(ACCEPTED))('%s', (_, type, value, canonical) => {
    expect(typeOf(type).validate(value)).toEqual(canonical);
  });

  it.each(titled(REFUSED, 'refuses'))('%s', (_, type, value, path, sentence) => {
    const error = refusal(() => typeOf(type).validate(value));
    expect(error.path).toBe(path);
    expect(error.message).toMatch(sentence);
  });

  it.each<[string, unknown]>([
    ['int', -0],
    ['int', '-0.0'],
    ['float', '-0'],
    ['special', -0],
  ])('of kind %s has no negative zero, which JSON would lose', (type, value) => {
    expect(Object.is(typeOf(type).validate(value), 0)).toBe(true);
  });

  it('ends where values lie too deep or in a circle', () => {
    let deep: unknown = 1;
    for (let at = 0; at < 10_000; at++) deep = [deep];
    const circle: unknown[] = [];
    circle.push(circle);
    for (const value of [deep, circle])
      expect(refusal(() => typeOf('special').validate(value)).message).toMatch(/at most 180/);
  });

  it('shows a huge value cut, and at a cost that does not grow with it', () => {
    const error = refusal(() => typeOf('array<int>').validate([['x'.repeat(10_000_000)]]));
    expect(error.given.length).toBeLessThanOrEqual(100);
  });

  it('does not share lists and objects with who gave them, and freezes its own', () => {
    const given = { a: [1] };
    const value = typeOf('json').validate(given) as { a: number[] };
    given.a.push(2);
    expect(value).toEqual({ a: [1] });
    expect(Object.isFrozen(value) && Object.isFrozen(value.a)).toBe(true);
    expect(Object.isFrozen(typeOf('array<int>').validate([1]))).toBe(true);
    expect(Object.isFrozen(typeOf('dict<a:int>').validate({ a: 1 }))).toBe(true);
    expect(Object.isFrozen(typeOf('link<bus>').validate({ eid: 'a' }))).toBe(true);
  });

  it('lets no key reach a prototype', () => {
    const value = typeOf('special').validate(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}'));
    expect(Reflect.ownKeys(Object.getPrototypeOf(value))).toEqual([]);
    expect(Object.getPrototypeOf(Object.getPrototypeOf(value))).toBeNull();
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each(titled(ACCEPTED, 'finds its own value in a message for'))('%s', (_, type, value, canonical) => {
    const dataType = typeOf(type);
    const written = stringifyJson(dataType.toWire(dataType.validate(value)));
    expect(dataType.validate(parseJson(written))).toEqual(canonical);
  });
});

describe('canonical forms', () => {
  const text = fc.string({ unit: 'binary' });
  const scalar = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    text,
    fc.constant(null),
    fc.ipV4(),
    fc.ipV6(),
  );
  const value = fc.oneof(
    scalar,
    fc.array(scalar),
    fc.jsonValue({ noUnicodeString: false }),
    fc.record({ eid: scalar, data: fc.array(scalar) }),
    fc.record({ a: scalar, b: scalar }),
  );
  const types = ACCEPTED.map(([type]) => type);

  it('are a fixed point of every type, through the wire and without it', () => {
    const compiled = new Map(types.map((type) => [type, typeOf(type)]));
    let accepted = 0;
    fc.assert(
      fc.property(fc.constantFrom(...types), value, (type, raw) => {
        const dataType = compiled.get(type) as DataType;
        const canonical = attempt(() => dataType.validate(raw));
        if (canonical instanceof ValueError) return;
        accepted++;
        expect(dataType.validate(dataType.toWire(canonical))).toEqual(canonical);
        expect(dataType.validate(parseJson(stringifyJson(dataType.toWire(canonical))))).toEqual(canonical);
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });
});

function attempt<T>(run: () => T): T | ValueError {
  try {
    return run();
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
}

function refusal(run: () => unknown): ValueError {
  const outcome = attempt(run);
  if (outcome instanceof ValueError) return outcome;
  throw new Error(`accepted as ${String(outcome)}`);
}
