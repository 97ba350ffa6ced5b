import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Block } from '../../lib/ingest/blocks.js';
import { type TaskMaking, TaskStreams, tasksOf } from '../../lib/ingest/tasks.js';
import { readProducerPoint } from '../../lib/model/producer.js';
import { sequencedOf } from '../../lib/model/task-id.js';
import { MAX_JSON_VALUES } from '../../lib/model/values.js';
import { Placement } from '../../lib/routing/placement.js';
import { indexOf } from '../support/index-of.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const read = (raw: unknown) => readProducerPoint(raw, spec);
const MAKING: Omit<TaskMaking, 'streams'> = { spec, placement: new Placement(4), messageBytes: 100_000, read };

function blockOf(lines: readonly (string | null)[], origin = 0): Block {
  return lines.map((text, n) => ({
    position: origin + n,
    line: origin + n + 1,
    bytes: text === null ? null : Buffer.from(text),
  }));
}

function stop(id: string, n: number): string {
  return JSON.stringify({ type: 'bus', id, attr: 'int', v: n, t1: '2026-01-01' });
}

function made(block: Block, making: Partial<TaskMaking> = {}) {
  const { parcels, refused } = tasksOf(block, { ...MAKING, streams: new TaskStreams(), ...making });
  const tasks = parcels.map(({ task, points }) => ({ ...task, points, message: JSON.parse(task.body.toString()) }));
  return { tasks, refused };
}

describe('tasks of a block', () => {
  it('hold the data-points of one entity each, for the index and queue of its key', () => {
    const { tasks, refused } = made(blockOf([stop('a', 1), stop('b', 2), stop('a', 3)]));
    expect(refused).toEqual([]);
    expect(tasks.map(({ key, points, index, priority }) => [key, points, index, priority])).toEqual([
      ['bus:a', 2, indexOf('bus:a', 4), false],
      ['bus:b', 1, indexOf('bus:b', 4), false],
    ]);
    expect(tasks[0]?.message.data_points.map(({ v }: { v: number }) => v)).toEqual([1, 3]);
  });

  it('keep the order within every entity', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), (ids) => {
        const { tasks } = made(blockOf(ids.map(stop)), { messageBytes: 4_000 });
        const got = new Map<string, number[]>();
        for (const { message } of tasks) {
          for (const { eid, v } of message.data_points) got.set(eid, [...(got.get(eid) ?? []), v]);
        }
        for (const id of new Set(ids)) expect(got.get(id)).toEqual(ids.flatMap((each, n) => (each === id ? [n] : [])));
      }),
    );
  });

  it('have positions of one stream for each index, without holes where something is refused', () => {
    const lines = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].flatMap((id, n) => [
      stop(id, n),
      '{"type":"bus"',
      JSON.stringify({ type: 'bus', id: `${id}${id}`, attr: 'text', v: 'x'.repeat(n % 2 === 0 ? 3_000 : 1) }),
    ]);
    const streams = new TaskStreams();
    const making = { streams, messageBytes: 2_000, numProcesses: 2 };
    const first = made(blockOf(lines), making);
    const { tasks } = { tasks: [...first.tasks, ...made(blockOf(lines, 24), making).tasks] };
    expect(first.refused.length).toBeGreaterThan(8);
    for (const index of [0, 1]) {
      const positions = tasks.filter((task) => task.index === index).map(({ id }) => sequencedOf(id));
      expect(positions.length).toBeGreaterThan(2);
      expect(positions).toEqual(positions.map((_, n) => ({ stream: streams.numbers[index], n: n + 1 })));
    }
    expect(streams.numbers['0']).not.toBe(streams.numbers['1']);
    expect(new TaskStreams().nextId(0)).not.toBe(new TaskStreams().nextId(0));
  });

  it('are made of a file of rejects as it is written, what is in it corrected', () => {
    const reject = (input: unknown) => JSON.stringify({ line: 7, reason: 'no.', input });
    const { tasks, refused } = made(
      blockOf([
        reject(JSON.parse(stop('a', 1))),
        reject(stop('a', 2)),
        reject('{"type"'),
        reject(null),
        reject({ v: 1 }),
      ]),
    );
    expect(tasks.map(({ message }) => message.data_points.map(({ v }: { v: number }) => v))).toEqual([[1, 2]]);
    expect(refused.map(({ line, input }) => [line, input])).toEqual([
      [3, reject('{"type"')],
      [4, null],
      [5, { v: 1 }],
    ]);
  });

  it('leave out what is still too large in a file of rejects, as it was before it was refused', () => {
    // The id stands in the task twice.
    const input = { type: 'bus', id: 'a'.repeat(900), attr: 'text', v: 'x' };
    const line = JSON.stringify({ line: 7, reason: 'no.', input });
    const { refused } = made(blockOf([line]), { messageBytes: line.length });
    expect(refused).toMatchObject([{ reason: expect.stringContaining('message.bytes'), input }]);
    expect(Object.keys(refused[0]?.input as object)).toEqual(Object.keys(input));
  });

  it('leave out bad data-points, each refused with its line, its reason and what was given', () => {
    const { tasks, refused } = made(
      blockOf([
        stop('a', 1),
        '{"type":"bus","id":"a","attr":"int","v":"x","t1":"2026-01-01"}',
        '{"type":"bus"',
        null,
        '[1]',
        '{"type":"train","id":"a","v":12345678901234567890}',
        stop('a', 2),
      ]),
    );
    expect(tasks.map(({ points }) => points)).toEqual([2]);
    expect(refused).toEqual([
      {
        position: expect.any(Number),
        line: 2,
        reason: expect.stringContaining('given "x"'),
        input: expect.objectContaining({ v: 'x' }),
      },
      { position: expect.any(Number), line: 3, reason: expect.stringContaining('not JSON'), input: '{"type":"bus"' },
      {
        position: expect.any(Number),
        line: 4,
        reason: 'It is longer than the 100000 bytes that a message may have.',
        input: null,
      },
      {
        position: expect.any(Number),
        line: 5,
        reason: expect.stringContaining('an object with type, id, attr and v'),
        input: [1],
      },
      {
        position: 5,
        line: 6,
        reason: expect.stringContaining('"train" is no entity type'),
        input: { type: 'train', id: 'a', v: 12345678901234567890n },
      },
    ]);
  });

  it('never have more values than a message may have', () => {
    const line = (count: number) =>
      JSON.stringify({ type: 'ip', id: '192.0.2.1', attr: 'open_ports', v: Array(count).fill(1), t1: '2026-01-01' });
    // Those of the data-point itself: an object, four texts, a list.
    const { tasks, refused } = made(blockOf([line(MAX_JSON_VALUES - 6)]), { messageBytes: 2 ** 24 });
    expect(tasks).toEqual([]);
    expect(refused).toMatchObject([
      { reason: expect.stringMatching(/^Its task would have 10000\d\d values, allowed/) },
    ]);
    expect(made(blockOf([line(MAX_JSON_VALUES - 30)]), { messageBytes: 2 ** 24 }).refused).toEqual([]);
  });

  it('are never larger than a message may be', () => {
    const text = (length: number) => JSON.stringify({ type: 'bus', id: 'a', attr: 'text', v: 'x'.repeat(length) });
    const { tasks, refused } = made(blockOf([...Array.from({ length: 30 }, () => text(100)), text(1_940)], 7), {
      messageBytes: 2_000,
    });
    expect(Math.max(...tasks.map(({ body }) => body.length))).toBeLessThanOrEqual(2_000);
    expect(tasks.reduce((sum, { points }) => sum + points, 0)).toBe(30);
    expect(refused).toEqual([
      {
        position: 37,
        line: 38,
        reason: expect.stringMatching(/^Its task would have \d+ bytes, allowed are 2000 \(message\.bytes\)/),
        input: expect.anything(),
      },
    ]);
  });
});
