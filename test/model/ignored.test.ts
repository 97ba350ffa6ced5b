import { describe, expect, it } from 'vitest';
import type { IgnoredListener } from '../../lib/model/ignored.js';
import { readProducerPoint } from '../../lib/model/producer.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { ValueError } from '../../lib/model/value-error.js';
import { entityText, modelOf } from '../support/model-texts.js';

const spec = modelOf({
  x: entityText(
    'x',
    'string',
    'plain: { name: p, type: plain, data_type: "dict<a:int,b?:string>" }',
    'text: { name: t, type: plain, data_type: json }',
    'seen: { name: s, type: observations, data_type: "array<link<x, dict<n:int>>>", history_params: {} }',
    'sure: { name: s, type: observations, data_type: int, confidence: true, history_params: {} }',
    'flow: { name: f, type: timeseries, timeseries_type: regular, timeseries_params: { max_age: 1d, time_step: 1m }, series: { n: { data_type: int } } }',
  ),
});
const T1 = '2026-01-01T00:00:00Z';

type Told = [kind: string, place: string, what: string];
function collecting(): { told: Told[]; listener: IgnoredListener } {
  const told: Told[] = [];
  return { told, listener: (...args) => void told.push(args) };
}

/** What is told of a data-point, in a message and as a producer sends it. */
function toldOf(point: object): Told[] {
  const [wire, producer] = [collecting(), collecting()];
  const message = { etype: 'x', eid: '1', data_points: [{ etype: 'x', eid: '1', ...point }] };
  parseTask(Buffer.from(JSON.stringify(message)), spec, wire.listener);
  readProducerPoint({ type: 'x', id: '1', ...point }, spec, producer.listener);
  expect(producer.told).toEqual(wire.told);
  return wire.told;
}

describe('input that is taken and ignored', () => {
  it.each<[object, Told[]]>([
    [
      { attr: 'plain', v: { a: 1, B: 2, c: 3 } },
      [
        ['value-key', 'x.plain', 'B'],
        ['value-key', 'x.plain', 'c'],
      ],
    ],
    [{ attr: 'text', v: { any: { key: 1 } } }, []],
    [{ attr: 'plain', v: { a: 1 }, value: 5 }, [['point-key', 'x.plain', 'value']]],
    [{ attr: 'plain', v: { a: 1 }, t1: T1 }, [['plain-time', 'x.plain', 't1']]],
    [{ attr: 'plain', v: { a: 1 }, t1: null, c: 1, src: 'a' }, []],
    [{ attr: 'plain', v: { a: 1 }, c: 0.5 }, [['confidence', 'x.plain', 'c']]],
    [{ attr: 'seen', v: [{ eid: 'y', data: { n: 1, m: 2 } }], t1: T1 }, [['value-key', 'x.seen', 'm']]],
    [{ attr: 'seen', v: [], t1: T1, c: 0.5 }, [['confidence', 'x.seen', 'c']]],
    [{ attr: 'seen', v: [], t1: T1, c: 1 }, []],
    [{ attr: 'sure', v: 1, t1: T1, c: 0.5 }, []],
    [{ attr: 'flow', v: { n: [1], m: [2] }, t1: T1 }, [['series', 'x.flow', 'm']]],
    [{ attr: 'flow', v: { n: [1] }, t1: T1, c: 0 }, [['confidence', 'x.flow', 'c']]],
  ])('is told of %j', (point, told) => {
    expect(toldOf(point)).toEqual(told);
  });

  it('is told of a message: its keys, and what stands beside a delete', () => {
    const told = (message: object) => {
      const { told: all, listener } = collecting();
      parseTask(Buffer.from(JSON.stringify({ etype: 'x', eid: '1', ...message })), spec, listener);
      return all;
    };
    const point = { etype: 'x', eid: '1', attr: 'sure', v: 1, t1: T1 };
    expect(told({ delete: true, ttl_tokens: null, tags: [], depth: 3, data_points: [] })).toEqual([]);
    expect(told({ delete: true, data_points: [point], Tags: 1 })).toEqual([
      ['message-key', 'x:1', 'Tags'],
      ['beside-delete', 'x:1', '1 data-points, 0 TTL tokens'],
    ]);
    expect(told({ delete: true, ttl_tokens: { a: T1 } })).toEqual([
      ['beside-delete', 'x:1', '0 data-points, 1 TTL tokens'],
    ]);
  });

  it('is refused where the listener says so', () => {
    const strict: IgnoredListener = (_kind, _place, what) => {
      throw ValueError.of(what, 'no such key');
    };
    expect(() => readProducerPoint({ type: 'x', id: '1', attr: 'sure', v: 1, t1: T1, x: 1 }, spec, strict)).toThrow(
      'Data-point of "x:1", attribute sure: given "x", allowed is no such key',
    );
  });
});
