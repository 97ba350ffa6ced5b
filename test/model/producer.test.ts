import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupPoints, type PlacedPoint, readProducerPoint, taskOfPoints } from '../../lib/model/producer.js';
import { parseTask } from '../../lib/model/task-parse.js';
import { TaskRefused } from '../../lib/model/task-refused.js';
import { serialiseTask } from '../../lib/model/task-serialise.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const T1 = '2026-11-24T15:00:00Z';

describe("a data-point in the producer's form", () => {
  test('becomes one of the entity that type and id name', () => {
    expect(
      readProducerPoint({ type: 'ip', id: 3221225985, attr: 'open_ports', v: ['22'], t1: T1, c: 0.5, src: 's' }, spec),
    ).toEqual({
      etype: 'ip',
      eid: '192.0.2.1',
      attr: 'open_ports',
      v: [22],
      t1: '2026-11-24T15:00:00.000000Z',
      t2: '2026-11-24T15:00:00.000000Z',
      c: 0.5,
      src: 's',
    });
  });

  test.each([
    ['a list', [], null, null, 'Data-point: given [], allowed is an object with type, id, attr and v.'],
    ['no type', { id: '1', attr: 'tag', v: 1 }, null, null, 'Data-point, type: given nothing'],
    [
      'the form of the wire',
      { etype: 'bus', eid: '1', attr: 'tag', v: 1 },
      null,
      null,
      'Data-point, type: given nothing',
    ],
    [
      'a mistyped type',
      { type: 'bsu', id: '1', attr: 'tag', v: 1 },
      null,
      null,
      '"bsu" is no entity type of the model. Did you mean "bus"?',
    ],
    ['no id', { type: 'bus', attr: 'tag', v: 1 }, 'bus', null, 'Data-point of bus, id: given nothing'],
    [
      'an empty address',
      { type: 'ip', id: '', attr: 'hostname', v: 'x' },
      'ip',
      null,
      'Data-point of ip, id: given "", allowed is an IPv4',
    ],
    [
      'no attr',
      { type: 'bus', id: '1', v: 1 },
      'bus',
      '1',
      'Data-point of "bus:1": given nothing, allowed is the name of an attribute of bus',
    ],
    ['a mistyped attr', { type: 'bus', id: '1', attr: 'stop', v: 1 }, 'bus', '1', 'Did you mean "stops"?'],
    [
      'a wrong value',
      { type: 'bus', id: '1', attr: 'stops', v: ['a', 5], t1: T1 },
      'bus',
      '1',
      'Data-point of "bus:1", attribute stops, v[1]: given 5, allowed is a string.',
    ],
    ['c = 1.5', { type: 'bus', id: '1', attr: 'int', v: 5, t1: T1, c: 1.5 }, 'bus', '1', 'attribute int, c: given 1.5'],
  ])('is refused for %s', (_, raw, etype, eid, sentence) => {
    const read = () => readProducerPoint(raw, spec);
    expect(read).toThrow(TaskRefused);
    expect(read).toThrow(sentence);
    expect(read).toThrow(expect.objectContaining({ code: 'MESSAGE_INVALID', etype, eid }));
  });
});

describe('data-points read ahead', () => {
  const placed = (eid: string, position: number, bytes = 100): PlacedPoint => ({
    point: readProducerPoint({ type: 'bus', id: eid, attr: 'int', v: position, t1: T1 }, spec),
    position,
    bytes,
  });
  const many = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.integer({ min: 1, max: 500 })), {
      maxLength: 60,
    })
    .map((rows) => rows.map(([eid, bytes], position) => placed(eid, position, bytes)));

  test('become tasks of one entity each, none lost, in order within an entity, within the bounds', () => {
    const bounds = { points: 5, bytes: 1000 };
    fc.assert(
      fc.property(many, (points) => {
        const tasks = groupPoints(points, bounds);
        const sizes = new Map(points.map(({ position, bytes }) => [position, bytes]));
        for (const { task, positions } of tasks) {
          expect(positions.length).toBe(task.dataPoints.length);
          expect(positions.length).toBeLessThanOrEqual(bounds.points);
          expect(positions.reduce((sum, position) => sum + (sizes.get(position) ?? 0), 0)).toBeLessThanOrEqual(
            bounds.bytes,
          );
          expect(parseTask(serialiseTask(task, spec), spec)).toEqual(task);
        }
        for (const eid of new Set(points.map(({ point }) => point.eid))) {
          const before = points.filter(({ point }) => point.eid === eid).map(({ position }) => position);
          const after = tasks.filter(({ task }) => task.eid === eid).flatMap(({ positions }) => positions);
          expect(after).toEqual(before);
        }
        expect(tasks.flatMap(({ positions }) => positions)).toHaveLength(points.length);
        expect(groupPoints(points, bounds)).toEqual(tasks);
      }),
    );
  });

  test('of one entity go together though others stand between, tasks by their first data-point', () => {
    const tasks = groupPoints([placed('b', 1), placed('a', 2), placed('b', 3)]);
    expect(tasks.map(({ task, positions }) => [task.key, positions])).toEqual([
      ['bus:b', [1, 3]],
      ['bus:a', [2]],
    ]);
  });

  test('too large for the bounds go alone', () => {
    const tasks = groupPoints([placed('a', 1, 5), placed('a', 2, 5000), placed('a', 3, 5)], {
      points: 10,
      bytes: 1000,
    });
    expect(tasks.map(({ positions }) => positions)).toEqual([[1], [2], [3]]);
  });

  test('make no task where there are none', () => {
    expect(groupPoints([])).toEqual([]);
    expect(() => taskOfPoints([])).toThrow(RangeError);
  });
});
