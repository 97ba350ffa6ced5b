/** What differs from DP3 in small things, from the bytes of a message on: docs/migration.md, "Differences in detail". */
import { expect, it } from 'vitest';
import { parseTask } from '../../lib/model/task-parse.js';
import { entityText, modelOf } from '../support/model-texts.js';

const ATTRIBUTES = [
  'data: { name: D, type: plain, data_type: json }',
  'peer: { name: P, type: plain, data_type: link<number> }',
  'seen: { name: S, type: observations, data_type: int, history_params: {} }',
];
const spec = modelOf({
  text: entityText('text', 'string', ...ATTRIBUTES),
  number: entityText('number', 'int'),
  ip: entityText('ip', 'ipv4'),
  ip6: entityText('ip6', 'ipv6'),
  mac: entityText('mac', 'mac'),
});

const read = (text: string) => parseTask(Buffer.from(text), spec);
const idOf = (etype: string, eid: string) => read(`{"etype":"${etype}","eid":${eid},"delete":true}`).eid;
const pointOf = (attr: string, rest: string) =>
  read(`{"etype":"text","eid":"a","data_points":[{"etype":"text","eid":"a","attr":"${attr}",${rest}}]}`).dataPoints[0];

it('refuses a message without content', () => {
  for (const rest of ['', ',"data_points":[]', ',"ttl_tokens":{},"delete":false'])
    expect(() => read(`{"etype":"text","eid":"a"${rest}}`)).toThrow('allowed is a task that has a data-point, a TTL');
});

it('takes whole numbers for integers, however they are written', () => {
  expect(idOf('text', '1.0')).toBe('1');
  expect([idOf('ip', '5.0'), idOf('ip', '1.0'), idOf('ip6', '1.0')]).toEqual(['0.0.0.5', '0.0.0.1', '::1']);
  expect(() => idOf('ip', '5.5')).toThrow('given 5.5');
});

it("takes MAC addresses as Python's int takes their pairs", () => {
  expect(idOf('mac', '" a:b :+c:0d:0E:\\t1"')).toBe('0a:0b:0c:0d:0e:01');
  for (const given of ['"a :b: c:0d:0e:0f"', '"  :0b:0c:0d:0e:0f"', '" 0a:0b:0c:0d:0e:0f "'])
    expect(() => idOf('mac', given)).toThrow('allowed is a MAC address');
});

it('takes a t2 that is false to Python for none, an empty object too', () => {
  const [t1, at] = ['2026-11-24T15:00:00Z', '2026-11-24T15:00:00.000000Z'];
  for (const t2 of ['{}', '[]', '""', '0', 'false', 'null'])
    expect(pointOf('seen', `"v":1,"t1":"${t1}","t2":${t2}`)).toMatchObject({ t1: at, t2: at });
});

it('takes a time without zone for UTC, also beside one with a zone', () => {
  expect(pointOf('seen', '"v":1,"t1":"2026-11-24T15:00:00","t2":"2026-11-24T17:00:00+01:00"')).toMatchObject({
    t1: '2026-11-24T15:00:00.000000Z',
    t2: '2026-11-24T16:00:00.000000Z',
  });
});

it('refuses NaN and Infinity, in text of type json too', () => {
  for (const word of ['NaN', 'Infinity', '-Infinity', '[1, NaN]']) {
    expect(() => pointOf('data', `"v":"${word}"`)).toThrow('attribute data, v: given');
    expect(() => pointOf('data', `"v":${word}`)).toThrow('no JSON number');
  }
});

it('keeps the id of a link to an entity with ids of type int as text', () => {
  for (const eid of ['5', '5.0', '"5"']) expect(pointOf('peer', `"v":{"eid":${eid}}`)?.v).toEqual({ eid: '5' });
});

it("ignores somebody else's expire_at, and tells of it", () => {
  const told: unknown[] = [];
  const body = Buffer.from('{"etype":"text","eid":"a","delete":true,"expire_at":"soon"}');
  const task = parseTask(body, spec, (...what) => void told.push(what));
  expect([task.delete, task.expireAt, told]).toEqual([true, null, [['message-key', 'text:a', 'expire_at']]]);
});
