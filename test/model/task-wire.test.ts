import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringifyJson } from '../../lib/model/json.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { serialiseTask, unsentTask } from '../../lib/model/task-serialise.js';
import { loadTestModel } from '../support/model.js';
import { anyMessage } from '../support/task-arbitrary.js';

const spec = loadTestModel();
const read = (message: object) => parseTask(Buffer.from(stringifyJson(message)), spec);
const wire = (message: object) => JSON.parse(serialiseTask(read(message), spec).toString()) as unknown;
const T1 = '2026-11-24T15:00:00Z';

describe('a task', () => {
  test('is the same after any number of hops', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const task = read(message);
        const body = serialiseTask(task, spec);
        const again = parseTask(body, spec);
        expect(again).toEqual(task);
        expect(serialiseTask(again, spec).equals(body)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('is frozen with everything in it', () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== 'object' ||
      value === null ||
      value instanceof Map ||
      (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(isFrozen(read(message))).toBe(true);
      }),
    );
  });

  test('has every field, filled in where the message leaves it out', () => {
    const point = { etype: 'bus', eid: '17', attr: 'int', v: '5', t1: '2026-11-24 16:00:00+01:00' };
    expect(read({ etype: 'bus', eid: 17, data_points: [point] })).toEqual({
      etype: 'bus',
      eid: '17',
      key: 'bus:17',
      dataPoints: [
        {
          etype: 'bus',
          eid: '17',
          attr: 'int',
          v: 5,
          t1: '2026-11-24T15:00:00.000000Z',
          t2: '2026-11-24T15:00:00.000000Z',
          c: 1,
          src: null,
        },
      ],
      tags: [],
      ttlTokens: null,
      delete: false,
      expireAt: null,
      depth: 0,
    });
  });

  test('has TTL tokens whose names are no longer than they may be', () => {
    const named = (name: string) => ({ etype: 'bus', eid: 'a', ttl_tokens: { [name]: 0 } });
    expect(read(named('ž'.repeat(512))).ttlTokens?.size).toBe(1);
    expect(() => read(named('ž'.repeat(513)))).toThrow('allowed is a name of a token of at most 1024 bytes');
  });

  test('needs no data-point when it has a TTL token or deletes', () => {
    const tokens = read({ etype: 'bus', eid: 5, ttl_tokens: { __proto__x: 0, keep: '2027-01-01' } });
    expect(tokens.eid).toBe('5');
    expect([...(tokens.ttlTokens ?? [])]).toEqual([
      ['__proto__x', '1970-01-01T00:00:00.000000Z'],
      ['keep', '2027-01-01T00:00:00.000000Z'],
    ]);
    expect(read({ etype: 'bus', eid: '5', delete: 'yes' }).delete).toBe(true);
  });

  test('of an expiry holds the time and nothing else', () => {
    const expiry = { etype: 'bus', eid: '1', expire_at: T1 };
    expect(read(expiry)).toMatchObject({ expireAt: '2026-11-24T15:00:00.000000Z', delete: false, dataPoints: [] });
    expect(wire(expiry)).toEqual({ ...expiry, expire_at: '2026-11-24T15:00:00.000000Z' });
    expect(read({ ...expiry, expire_at: null, delete: true }).expireAt).toBeNull();
    const point = { etype: 'bus', eid: '1', attr: 'text', v: '' };
    for (const more of [{ delete: true }, { ttl_tokens: { base: 0 } }, { data_points: [point] }]) {
      // Somebody else's key of that name.
      expect(read({ ...expiry, ...more })).toEqual(read({ etype: 'bus', eid: '1', ...more }));
      expect(read({ ...expiry, ...more, expire_at: 'soon' }).expireAt).toBeNull();
    }
    expect(() => read({ ...expiry, expire_at: 'soon' })).toThrow('expire_at: given "soon", allowed is a time');
    expect(() => read({ ...expiry, expire_at: null })).toThrow('a task that has a data-point');
  });

  test('takes a t2 that is false to Python for none', () => {
    for (const t2 of ['', 0, false, null, {}, []]) {
      const point = { etype: 'bus', eid: '1', attr: 'int', v: 1, t1: T1, t2 };
      expect(read({ etype: 'bus', eid: '1', data_points: [point] }).dataPoints[0]?.t2).toBe(
        '2026-11-24T15:00:00.000000Z',
      );
    }
    const point = { etype: 'bus', eid: '1', attr: 'int', v: 1, t1: T1, t2: { a: 1 } };
    expect(() => read({ etype: 'bus', eid: '1', data_points: [point] })).toThrow('t2: given');
  });

  test('takes names that are traps as names', () => {
    const body = `{"etype":"bus","eid":"__proto__","ttl_tokens":{"__proto__":0},"data_points":[
      {"etype":"bus","eid":"__proto__","attr":"__proto__","v":1},
      {"etype":"bus","eid":"__proto__","attr":"special","v":{"__proto__":{"polluted":1},"n":12345678901234567890}},
      {"etype":"bus","eid":"__proto__","attr":"constructor","v":2,"t1":"${T1}"}]}`;
    const task = parseTask(Buffer.from(body), spec);
    expect(task.key).toBe('bus:__proto__');
    expect(task.dataPoints.map((point) => point.attr)).toEqual(['__proto__', 'special', 'constructor']);
    expect(task.ttlTokens?.get('__proto__')).toBe('1970-01-01T00:00:00.000000Z');
    const sent = serialiseTask(task, spec).toString();
    expect(sent).toContain('"v":{"__proto__":{"polluted":1},"n":12345678901234567890}');
    expect(sent).toContain('"ttl_tokens":{"__proto__":"1970-01-01T00:00:00.000000Z"}');
    expect('polluted' in {}).toBe(false);
  });

  test.each([0, '', false, null])('takes t2 %j as none, as DP3 does', (t2) => {
    const task = read({
      etype: 'bus',
      eid: '1',
      data_points: [{ etype: 'bus', eid: '1', attr: 'int', v: 1, t1: T1, t2 }],
    });
    expect(task.dataPoints[0]?.t2).toBe('2026-11-24T15:00:00.000000Z');
  });

  test.each([
    ['ip', 'flows', { bytes: [1, 2, 3], rate: [1, 2, 3] }, '2026-11-24T15:30:00.000000Z'],
    ['bus', 'jam', { speed: [1, 2], time: [T1, '2026-11-24T15:07:00.000001Z'] }, '2026-11-24T15:07:00.000001Z'],
    [
      'bus',
      'trips',
      { seats: [1], time_first: [T1], time_last: ['2026-11-24T16:00:00Z'] },
      '2026-11-24T16:00:00.000000Z',
    ],
    [
      'bus',
      'trips',
      {
        seats: [1, 2],
        time_first: ['2026-11-24T16:00:00Z', '2020-01-01'],
        time_last: ['2026-11-24T16:00:00Z', '2020-01-02'],
      },
      '2026-11-24T15:00:00.000000Z',
    ],
  ])('fills in the t2 of a time series of %s %s', (etype, attr, v, t2) => {
    const eid = etype === 'ip' ? '192.0.2.1' : '1';
    expect(read({ etype, eid, data_points: [{ etype, eid, attr, v, t1: T1 }] }).dataPoints[0]?.t2).toBe(t2);
  });

  test('keeps its depth, and takes one it does not understand for none', () => {
    const deleting = { etype: 'bus', eid: '1', delete: true };
    expect(read({ ...deleting, depth: 7 }).depth).toBe(7);
    expect(wire({ ...deleting, depth: 7 })).toEqual({ ...deleting, depth: 7 });
    for (const depth of [-1, 1.5, '7', null, {}]) expect(read({ ...deleting, depth }).depth).toBe(0);
  });
});

describe('on the wire', () => {
  test('defaults are left out, but t2 and c are written', () => {
    const point = { etype: 'asn', eid: '64500', attr: 'rank', v: 2, t1: T1 };
    expect(wire({ etype: 'asn', eid: '64500', data_points: [point], tags: [], ttl_tokens: {} })).toEqual({
      etype: 'asn',
      eid: 64500,
      data_points: [
        {
          etype: 'asn',
          eid: 64500,
          attr: 'rank',
          v: 2,
          t1: '2026-11-24T15:00:00.000000Z',
          t2: '2026-11-24T15:00:00.000000Z',
          c: 1,
        },
      ],
    });
  });

  test('a large integer stands as a bare number, as id too', () => {
    const eid = '123456789012345678901234567890';
    const task = parseTask(Buffer.from(`{"etype":"asn","eid":"${eid}","tags":[${eid}],"delete":1}`), spec);
    expect(serialiseTask(task, spec).toString()).toBe(`{"etype":"asn","eid":${eid},"tags":[${eid}],"delete":true}`);
  });

  test('a json value that is no list and no object is text again', () => {
    const point = (v: unknown) => ({ etype: 'bus', eid: '1', attr: 'json', v });
    for (const v of ['5', '"a"', 'null', 'true']) {
      expect(wire({ etype: 'bus', eid: '1', data_points: [point(v)] })).toEqual({
        etype: 'bus',
        eid: '1',
        data_points: [point(v)],
      });
    }
  });

  test('a task is ready to be sent but for its id and its index', () => {
    const unsent = unsentTask(read({ etype: 'bus', eid: '1', delete: true }), spec, true);
    const body = Buffer.from('{"etype":"bus","eid":"1","delete":true}');
    expect(unsent).toEqual({ key: 'bus:1', priority: true, body });
  });
});
