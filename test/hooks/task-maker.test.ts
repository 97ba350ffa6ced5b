import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTaskMaker } from '../../lib/hooks/task-maker.js';
import type { NewDataPoint, TaskOptions } from '../../lib/hooks/types.js';
import type { Task } from '../../lib/model/task.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { excessOf, serialiseTask } from '../../lib/model/task-serialise.js';
import { MAX_JSON_VALUES, valuesIn } from '../../lib/model/values.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const maker = createTaskMaker(spec);
const make = (points: unknown, options?: unknown, eid: string | number = '192.0.2.1') =>
  maker.make(3, 'ip', eid, points as NewDataPoint[], options as TaskOptions);

describe('making a task in a module', () => {
  it('makes a task at its depth of the chain, checked and canonical', () => {
    const task = maker.make(3, 'host6', '2001:DB8::0:1', [{ attr: 'name', v: 'a' }]);
    expect(task).toMatchObject({
      key: 'host6:2001:db8::1',
      depth: 3,
      dataPoints: [{ attr: 'name', v: 'a', eid: '2001:db8::1' }],
    });
    expect(Object.isFrozen(task)).toBe(true);
  });

  it('takes times as Date, ISO text and seconds', () => {
    const times = [new Date('2026-01-01T00:00:00.5Z'), '2026-01-01T01:00:00.5+01:00', 1767225600.5];
    for (const t1 of times) {
      expect(make([{ attr: 'open_ports', v: [80], t1 }]).dataPoints[0]?.t1).toBe('2026-01-01T00:00:00.500000Z');
    }
    const until = new Date('2026-01-02T00:00:00Z');
    expect(make([{ attr: 'open_ports', v: [], t1: 0, t2: until, c: 0.5, src: 'test' }]).dataPoints[0]).toMatchObject({
      t1: '1970-01-01T00:00:00.000000Z',
      t2: '2026-01-02T00:00:00.000000Z',
      c: 0.5,
      src: 'test',
    });
    const task = maker.make(0, 'bus', 'a', [{ attr: 'time', v: until, t1: until }]);
    expect(task.dataPoints[0]).toMatchObject({ v: '2026-01-02T00:00:00.000000Z', t2: '2026-01-02T00:00:00.000000Z' });
  });

  it('refuses a task whose message no worker would take, with its size and the limit', () => {
    const small = createTaskMaker(spec, 2_000);
    const making = (v: string) => () => small.make(0, 'ip', '192.0.2.1', [{ attr: 'hostname', v }]);
    const sizeOf = (v: string) => serialiseTask(making(v)(), spec).length;
    const empty = sizeOf('');
    expect(sizeOf('x'.repeat(2_000 - empty))).toBe(2_000);
    expect(making('x'.repeat(2_001 - empty))).toThrow(
      'Task of a module: a message for "ip:192.0.2.1" has 2001 bytes, allowed are 2000 (message.bytes)',
    );
    // What is escaped takes more than it seems to.
    expect(making('\u0001'.repeat(400))).toThrow('allowed are 2000');
    expect(making('ž'.repeat(1_000))).toThrow('allowed are 2000');
    const tokens = { ttlTokens: Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`token ${n}`, 0])) };
    expect(() => small.make(0, 'ip', '192.0.2.1', [], tokens)).toThrow('allowed are 2000');
    const { serialised, most } = { serialised: (task: Task) => serialiseTask(task, spec).length, most: 2_000 };
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 700 }), fc.string({ maxLength: 700 }), (v, src) => {
        if (!v.isWellFormed() || v.includes('\0') || src.includes('\0')) return;
        const task = maker.make(0, 'ip', '192.0.2.1', [{ attr: 'hostname', v, src }]);
        const excess = `${serialised(task)} bytes, allowed are 2000 (message.bytes)`;
        expect(excessOf(task, spec, most)).toBe(serialised(task) > most ? excess : null);
      }),
    );
  });

  it('refuses a task of more values than a message may have, and takes one of as many', () => {
    const making = (count: number) => () =>
      maker.make(0, 'ip', '192.0.2.1', [{ attr: 'hostname', v: 'a' }], { tags: Array(count).fill(0) });
    const others = valuesIn(serialiseTask(making(0)(), spec));
    // The list of tags, which is left out where it is empty.
    const most = MAX_JSON_VALUES - others - 1;
    expect(parseTask(serialiseTask(making(most)(), spec), spec).tags).toHaveLength(most);
    expect(making(most + 1)).toThrow(
      'Task of a module: a message for "ip:192.0.2.1" has 1000001 values, allowed are 1000000',
    );
  });

  it('takes TTL tokens as object and as Map, traps as names included', () => {
    const time = new Date(0);
    const tokens = { ['__proto__']: time, data: 5 };
    expect([...(make([], { ttlTokens: tokens }).ttlTokens ?? [])]).toEqual([
      ['__proto__', '1970-01-01T00:00:00.000000Z'],
      ['data', '1970-01-01T00:00:05.000000Z'],
    ]);
    expect(make([], { ttlTokens: new Map([['base', time]]) }).ttlTokens?.get('base')).toBe(
      '1970-01-01T00:00:00.000000Z',
    );
  });

  it('takes a delete and tags', () => {
    expect(make([], { delete: true, tags: ['a'] })).toMatchObject({ delete: true, tags: ['a'], dataPoints: [] });
  });

  it('changes nothing of what it is given', () => {
    const point = Object.freeze({ attr: 'open_ports', v: Object.freeze([1]), t1: new Date(0) });
    make(Object.freeze([point]));
    expect(point.t1).toBeInstanceOf(Date);
  });

  it('knows its own tasks and no others', () => {
    const task = make([], { delete: true });
    expect(maker.made(task)).toBe(true);
    for (const other of [
      { ...task },
      createTaskMaker(spec).make(0, 'ip', '192.0.2.1', [], { delete: true }),
      null,
      'task',
      5,
    ]) {
      expect(maker.made(other)).toBe(false);
    }
  });

  it.each<[string, unknown, unknown, RegExp]>([
    [
      'no time for an observation',
      [{ attr: 'open_ports', v: [80] }],
      {},
      /"ip:192.0.2.1", data_points\[0\], attribute open_ports, t1/,
    ],
    [
      'an invalid Date',
      [{ attr: 'open_ports', v: [80], t1: new Date(Number.NaN) }],
      {},
      /open_ports, t1: given "Invalid Date"/,
    ],
    ['an unknown attribute', [{ attr: 'hostnam', v: 'a' }], {}, /"hostnam" is no attribute of ip.*"hostname"/],
    ['a value of the wrong type', [{ attr: 'open_ports', v: [80, 'x'], t1: 0 }], {}, /open_ports, v\[1\]: given "x"/],
    ['a misspelt key', [{ attr: 'hostname', value: 'a' }], {}, /"value" is no key of a data-point/],
    [
      'a data-point of another entity',
      [{ etype: 'ip', eid: '192.0.2.9', attr: 'hostname', v: 'a' }],
      {},
      /192\.0\.2\.9/,
    ],
    ['null as a data-point', [null], {}, /data_points\[0\]/],
    ['data-points that are no list', { attr: 'hostname', v: 'a' }, {}, /data-points must be a list/],
    ['nothing to do', [], {}, /a task that has a data-point, a TTL token or delete/],
    ['a misspelt option', [], { ttl_tokens: {} }, /"ttl_tokens" is no option of a task.*"ttlTokens"/],
    ['tokens that are no dictionary', [], { ttlTokens: 5 }, /ttlTokens must be/],
    ['a token without a time', [], { ttlTokens: { base: 'soon' } }, /ttl_tokens\.base: given "soon"/],
    ['confidence above 1', [{ attr: 'open_ports', v: [], t1: 0, c: 1.5 }], {}, /open_ports, c: given 1.5/],
  ])('refuses %s at once', (_, points, options, sentence) => {
    expect(() => make(points, options)).toThrow(sentence);
  });

  it('refuses an unknown entity type and a bad id', () => {
    expect(() => maker.make(0, 'ipp', 'a', [])).toThrow(/"ipp" is no entity type of the model.*"ip"/);
    expect(() => make([], { delete: true }, '1.2.3')).toThrow(/Task of ip, eid: given "1.2.3"/);
  });
});
