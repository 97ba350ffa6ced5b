import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type IdDataType, idReader } from '../../lib/model/entity-id.js';
import { createHashCache, hashOf } from '../../lib/routing/hash.js';
import { indexOf } from '../support/index-of.js';

interface Vector {
  readonly etype: string;
  readonly id_data_type: IdDataType;
  readonly eid: unknown;
  readonly canonical: string;
  readonly routing_key: string;
  readonly hash: number;
  readonly process: Readonly<Record<string, number>>;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../vectors/routing.json', import.meta.url), 'utf8'),
);

describe('routing', () => {
  test('there are 280 vectors', () => expect(vectors).toHaveLength(280));

  test.each(vectors)('sends $id_data_type $eid of $etype where DP3 sends it', (vector) => {
    const eid = idReader(vector.id_data_type)(vector.eid);
    expect(eid).toBe(vector.canonical);
    const key = `${vector.etype}:${eid}`;
    expect(key).toBe(vector.routing_key);
    expect(hashOf(key)).toBe(vector.hash);
    for (const [count, index] of Object.entries(vector.process)) expect(indexOf(key, Number(count))).toBe(index);
  });

  test('spreads 100,000 random keys over 16 processes within 3 % of equal', () => {
    const counts = new Array<number>(16).fill(0);
    // A fixed sequence that looks random: the test must not fail once in a thousand runs.
    let state = 1;
    for (let i = 0; i < 100_000; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      counts[indexOf(`ip:${state >>> 24}.${(state >>> 16) & 255}.${(state >>> 8) & 255}.${i % 251}`, 16)]! += 1;
    }
    for (const count of counts) expect(Math.abs(count / 6250 - 1)).toBeLessThan(0.03);
  });

  test('gives a key the same index every time, and one that exists', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 1000 }), (key, count) => {
        const index = indexOf(key, count);
        expect(indexOf(key, count)).toBe(index);
        expect(index).toBeGreaterThanOrEqual(0);
        expect(index).toBeLessThan(count);
      }),
    );
  });
});

describe('the hash cache', () => {
  test('answers as the hash itself, also when many more keys come than it holds', () => {
    const cached = createHashCache(10);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 50; i++) expect(cached(`ip:${i}`)).toBe(hashOf(`ip:${i}`));
    }
    for (const key of ['__proto__', 'constructor', '', 'x'.repeat(10_000)]) expect(cached(key)).toBe(hashOf(key));
  });

  test('computes a key that comes again and again once, and forgets the others', () => {
    const computed: string[] = [];
    const cached = createHashCache(10, (key) => {
      computed.push(key);
      return hashOf(key);
    });
    for (let i = 0; i < 1000; i++) {
      cached('ip:busy');
      cached(`ip:${i}`);
    }
    expect(computed.filter((key) => key === 'ip:busy')).toHaveLength(1);
    computed.length = 0;
    for (let i = 0; i < 1000; i++) cached(`ip:${i}`);
    expect(computed.length).toBeGreaterThanOrEqual(980);
  });
});
