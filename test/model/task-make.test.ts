import { describe, expect, test } from 'vitest';
import { makeTask, parseTask } from '../../lib/model/task-parse.js';
import { TaskRefused } from '../../lib/model/task-refused.js';
import { serialiseTask } from '../../lib/model/task-serialise.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const T1 = '2026-11-24T15:00:00Z';

describe('makeTask', () => {
  test('gives what parseTask gives for the same message', () => {
    const v = { plain: [1, { deep: true }] };
    const made = makeTask(spec, {
      etype: 'bus',
      eid: 17,
      dataPoints: [
        { attr: 'special', v },
        { etype: 'bus', eid: '17', attr: 'int', v: 5n, t1: T1, src: 'hook' },
      ],
      tags: ['a'],
      ttlTokens: new Map([['keep', T1]]),
      depth: 3,
    });
    expect(made.depth).toBe(3);
    expect(parseTask(serialiseTask(made, spec), spec)).toEqual(made);
  });

  test('shares nothing with what it was given', () => {
    const v = { list: [1] };
    const tags = [{ a: [1] }];
    const made = makeTask(spec, { etype: 'bus', eid: '1', dataPoints: [{ attr: 'special', v }], tags });
    v.list.push(2);
    tags[0]?.a.push(2);
    expect(made.dataPoints[0]?.v).toEqual({ list: [1] });
    expect(made.tags).toEqual([{ a: [1] }]);
  });

  test('makes tasks without data-points', () => {
    expect(makeTask(spec, { etype: 'ip', eid: 3221225985, delete: true })).toMatchObject({
      key: 'ip:192.0.2.1',
      delete: true,
    });
    expect(makeTask(spec, { etype: 'bus', eid: 1, expireAt: T1 }).expireAt).toBe('2026-11-24T15:00:00.000000Z');
    const tokens = new Map([['__proto__', 0]]);
    expect(makeTask(spec, { etype: 'asn', eid: 5n, ttlTokens: tokens }).ttlTokens).toEqual(
      new Map([['__proto__', '1970-01-01T00:00:00.000000Z']]),
    );
  });

  const loop: unknown[] = [];
  loop.push(loop);
  test.each([
    ['an unknown attribute', { attr: 'txt', v: '' }, 'Did you mean "text"?'],
    ['a point of another entity', { eid: '2', attr: 'text', v: '' }, 'eid: given "2", allowed is 1'],
    ['NaN', { attr: 'special', v: { a: [Number.NaN] } }, 'v.a[0]: given NaN'],
    ['undefined inside a value', { attr: 'special', v: [undefined] }, 'v[0]: given'],
    ['a Date', { attr: 'special', v: new Date(0) }, 'allowed is what JSON can hold'],
    ['a Map', { attr: 'special', v: new Map() }, 'allowed is what JSON can hold'],
    ['a function', { attr: 'special', v: () => 1 }, 'allowed is what JSON can hold'],
    ['a value without end', { attr: 'special', v: loop }, 'at most'],
    ['a Date as t1', { attr: 'int', v: 1, t1: new Date(0) }, 't1: given'],
  ])('refuses %s', (_, point, sentence) => {
    const make = () => makeTask(spec, { etype: 'bus', eid: '1', dataPoints: [point] });
    expect(make).toThrow(TaskRefused);
    expect(make).toThrow(sentence);
    expect(make).toThrow('Task of "bus:1", data_points[0]');
  });

  test('makes no task of nothing, and none that a reader would refuse for its depth', () => {
    expect(() => makeTask(spec, { etype: 'bus', eid: '1' })).toThrow('a task that has a data-point');
    let deep: unknown = 1;
    let made = 0;
    for (let depth = 0; depth < 250; depth++) {
      deep = [deep];
      try {
        const task = makeTask(spec, {
          etype: 'bus',
          eid: '1',
          dataPoints: [{ attr: 'special', v: deep }],
          tags: [deep],
        });
        expect(parseTask(serialiseTask(task, spec), spec)).toEqual(task);
        made++;
      } catch (error) {
        expect(error).toBeInstanceOf(TaskRefused);
      }
    }
    expect(made).toBeGreaterThan(100);
    expect(made).toBeLessThan(200);
  });
});
