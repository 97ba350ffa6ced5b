import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_DATA_TYPES, type IdDataType, idReader, MAX_ID_BYTES, referenceReader } from '../../lib/model/entity-id.js';
import { ValueError } from '../../lib/model/value-error.js';

interface Vector {
  readonly id_data_type: IdDataType;
  readonly eid: string | number;
  readonly canonical: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../vectors/routing.json', import.meta.url), 'utf8'));

describe('an entity id', () => {
  it('gets the canonical text that Python prints, for every routing vector', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(280);
    for (const { id_data_type, eid, canonical } of vectors) {
      expect(idReader(id_data_type)(eid), `${id_data_type} ${eid}`).toBe(canonical);
      expect(referenceReader(id_data_type)(canonical), `${id_data_type} ${canonical}`).toBe(canonical);
    }
  });

  it.each<[IdDataType, unknown, string]>([
    ['string', 5, '5'],
    ['string', -5, '-5'],
    ['string', 2n ** 70n, '1180591620717411303424'],
    ['string', ' a ', ' a '],
    ['string', '__proto__', '__proto__'],
    ['int', ' 5 ', '5'],
    ['int', 5.0, '5'],
    ['int', 2n ** 70n, '1180591620717411303424'],
    ['int', '-0', '0'],
    ['ipv4', 3221225985, '192.0.2.1'],
    ['ipv6', 1, '::1'],
    ['ipv6', '::FFFF:192.0.2.1%eth0', '::ffff:c000:201%eth0'],
    ['mac', 'AA-BB-CC-DD-EE-FF', 'aa:bb:cc:dd:ee:ff'],
  ])('of type %s is read from %s', (type, raw, canonical) => {
    expect(idReader(type)(raw)).toBe(canonical);
  });

  it.each<[IdDataType, unknown]>([
    ['string', ''],
    ['string', 5.5],
    ['string', true],
    ['string', null],
    ['string', ['a']],
    ['string', 'a\0b'],
    ['string', '\ud83d'],
    ['int', 5.5],
    ['int', 'a'],
    ['int', null],
    ['ipv4', ''],
    ['ipv4', '192.0.2.1/32'],
    ['ipv6', '192.0.2.1'],
    ['ipv6', 'fe80::1%'],
    ['mac', 'aabbccddeeff'],
    ['mac', { mac: 'aa:bb:cc:dd:ee:ff' }],
  ])('of type %s is not read from %j', (type, raw) => {
    expect(() => idReader(type)(raw)).toThrow(ValueError);
  });

  it('of type string is no number where a data-point or a link names it', () => {
    expect(() => referenceReader('string')(5)).toThrow(/a string/);
    expect(referenceReader('int')(5)).toBe('5');
  });

  it(`has at most ${MAX_ID_BYTES} bytes of UTF-8`, () => {
    const read = idReader('string');
    expect(read('a'.repeat(1024))).toHaveLength(1024);
    expect(read('é'.repeat(512))).toHaveLength(512);
    expect(() => read('a'.repeat(1025))).toThrow(/1024 bytes/);
    expect(() => read('é'.repeat(513))).toThrow(/1024 bytes/);
    expect(() => read('日'.repeat(342))).toThrow(/1024 bytes/);
    expect(() => idReader('int')('9'.repeat(1025))).toThrow(/1024 bytes/);
    expect(() => idReader('ipv6')(`fe80::1%${'x'.repeat(1020)}`)).toThrow(/1024 bytes/);
  });

  it('is its own canonical text once it is canonical', () => {
    const raw = fc.oneof(fc.ipV4(), fc.ipV6(), fc.maxSafeInteger(), fc.bigInt(), fc.string(), macs());
    fc.assert(
      fc.property(fc.constantFrom(...ID_DATA_TYPES), raw, (type, given) => {
        let canonical: string;
        try {
          canonical = idReader(type)(given);
        } catch (error) {
          expect(error).toBeInstanceOf(ValueError);
          return;
        }
        expect(idReader(type)(canonical)).toBe(canonical);
        expect(referenceReader(type)(canonical)).toBe(canonical);
      }),
      { numRuns: 3_000 },
    );
  });

  it('of an IPv6 address is the same however the address is written', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(groups, (parts) => {
        const number = parts.reduce((sum, part) => sum * 65_536n + BigInt(part), 0n);
        const canonical = idReader('ipv6')(number);
        expect(idReader('ipv6')(parts.map((part) => part.toString(16)).join(':'))).toBe(canonical);
        expect(idReader('ipv6')(parts.map((part) => part.toString(16).toUpperCase().padStart(4, '0')).join(':'))).toBe(
          canonical,
        );
        const dotted = parts.slice(6).flatMap((part) => [part >> 8, part & 255]);
        const head = parts.slice(0, 6).map((part) => part.toString(16));
        expect(idReader('ipv6')(`${head.join(':')}:${dotted.join('.')}`)).toBe(canonical);
      }),
    );
  });
});

function macs(): fc.Arbitrary<string> {
  const pair = fc.integer({ min: 0, max: 255 }).map((byte) => byte.toString(16).padStart(2, '0'));
  const pairs = fc.array(pair, { minLength: 6, maxLength: 6 });
  return fc.tuple(pairs, fc.constantFrom(':', '-')).map(([parts, separator]) => parts.join(separator).toUpperCase());
}
