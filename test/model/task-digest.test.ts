/** What makes two messages the same task, and what does not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../lib/model/json.js';
import { digestOfBytes, digestOfMessage, isSameTask } from '../../lib/model/task-digest.js';
import { idOfAnother, sequencedOf } from '../../lib/model/task-id.js';

const POINT =
  '{"etype":"ip","eid":"192.0.2.1","attr":"load","v":{"a":1,"b":[1,2.5]},"t1":"2026-01-01T00:00:00Z","c":1,"src":"s"}';
const TASK = `{"etype":"ip","eid":"192.0.2.1","data_points":[${POINT}],"tags":["x"],"ttl_tokens":{"a":"2026-01-01T00:00:00Z"}}`;

const of = (text: string) => digestOfMessage(parseJson(text));

describe('the digest of a task', () => {
  it.each([
    [
      'in another order of keys',
      '{"ttl_tokens":{"a":"2026-01-01T00:00:00Z"},"tags":["x"],"data_points":[' +
        '{"src":"s","c":1,"t1":"2026-01-01T00:00:00Z","v":{"b":[1,2.5],"a":1},"attr":"load","eid":"192.0.2.1","etype":"ip"}' +
        '],"eid":"192.0.2.1","etype":"ip"}',
    ],
    [
      'with 1.0 for 1 and 25e-1 for 2.5',
      TASK.replaceAll('1,"b":[1,2.5]', '1.0,"b":[1e0,25e-1]').replace('"c":1', '"c":1.0'),
    ],
    ['with blanks', TASK.replaceAll(',', ' ,\n\t').replaceAll(':{', ' : {')],
    ['with escaped letters', TASK.replaceAll('ip', '\\u0069p')],
    [
      'sent at another time, in another chain, traced',
      `${TASK.slice(0, -1)},"sent":"2026-01-02","depth":7,"trace":"00-1"}`,
    ],
    ['with what may be left out', `${TASK.slice(0, -1)},"delete":false,"expire_at":null,"delay":null}`],
  ])('is the same of a message %s', (_, text) => {
    expect(text).not.toBe(TASK);
    expect(of(text)).toBe(of(TASK));
  });

  it.each([
    ['etype', TASK.replaceAll('"ip"', '"pi"')],
    ['eid', TASK.replaceAll('192.0.2.1', '192.0.2.2')],
    ['attr', TASK.replace('load', 'lead')],
    ['v', TASK.replace('"a":1', '"a":2')],
    ['the type of v', TASK.replace('"a":1', '"a":"1"')],
    ['t1', TASK.replace('2026-01-01', '2026-01-02')],
    ['t2', TASK.replace('"c":1', '"c":1,"t2":"2026-01-01T00:00:00Z"')],
    ['c', TASK.replace('"c":1', '"c":0.5')],
    ['src', TASK.replace('"src":"s"', '"src":"t"')],
    ['tags', TASK.replace('["x"]', '["y"]')],
    ['ttl_tokens', TASK.replace('"a":"2026-01-01', '"a":"2026-01-02')],
    ['delete', TASK.replace('"tags"', '"delete":true,"tags"')],
    ['expire_at', TASK.replace('"tags"', '"expire_at":"2026-01-01T00:00:00Z","tags"')],
    ['delay', TASK.replace('"tags"', '"delay":5,"tags"')],
    ['a point more', TASK.replace(POINT, `${POINT},${POINT}`)],
    ['what is refused: t1 of null', TASK.replace('"t1":"2026-01-01T00:00:00Z"', '"t1":null')],
    ['what is refused: points of no entity', TASK.replace('{"etype":"ip","eid":"192.0.2.1","attr"', '{"attr"')],
    ['what is refused: points of another entity', TASK.replace('"eid":"192.0.2.1","attr"', '"eid":"192.0.2.2","attr"')],
    ['what is refused: points that are no list', TASK.replace(`[${POINT}]`, 'null')],
  ])('differs by %s', (_, text) => {
    expect(text).not.toBe(TASK);
    expect(of(text)).not.toBe(of(TASK));
  });

  it('differs wherever values differ, whatever stands in them', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', ',', '"1:', '\ud800', '\udfff', '\ufffd', '__proto__'),
    );
    const any = fc.oneof(value, text);
    const digest = (v: unknown) => digestOfMessage({ etype: 'e', eid: '1', data_points: [{ attr: 'a', v }] });
    fc.assert(
      fc.property(any, any, (one, other) => {
        const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(digest(one) === digest(other)).toBe(same);
      }),
      { numRuns: 2_000 },
    );
    expect(digest('\ud800')).not.toBe(digest('\ufffd'));
    expect(digest('\ud800')).not.toBe(digest('\ud801'));
    expect(digest(2 ** 60)).not.toBe(digest(2n ** 60n));
  });

  it('of bytes is never that of a task, whatever they are', () => {
    const body = Buffer.from(TASK);
    expect(digestOfBytes(body)).not.toBe(of(TASK));
    expect(digestOfBytes(body)).toBe(digestOfBytes(Buffer.from(TASK)));
    expect(digestOfBytes(body)).not.toBe(digestOfBytes(body.subarray(1)));
    expect(digestOfBytes(body)).toHaveLength(8);
  });

  it('tells nothing where none was kept', () => {
    expect(isSameTask(null, of(TASK))).toBe(true);
    expect(isSameTask(undefined, of(TASK))).toBe(false);
  });
});

describe('the id of a task that came under the id of another', () => {
  it('is the same each time, differs by id and digest, and never looks sequenced', () => {
    const seen = new Set<string>();
    for (let n = 0; n < 1_000; n++) {
      const id = idOfAnother(`id-${n % 10}`, of(`{"etype":"e","eid":${n}}`));
      expect(id).toBe(idOfAnother(`id-${n % 10}`, of(`{"etype":"e","eid":${n}}`)));
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(sequencedOf(id)).toBeNull();
      seen.add(id);
    }
    expect(seen.size).toBe(1_000);
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value;
  const entries = Object.entries(value).map(([key, item]) => [key, sorted(item)] as const);
  return { entries: entries.sort(([one], [other]) => (one < other ? -1 : 1)) };
}
