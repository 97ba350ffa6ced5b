import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Block } from '../../../lib/cli/send/blocks.js';
import { type TaskMaking, tasksOf } from '../../../lib/cli/send/tasks.js';
import { indexOf } from '../../../lib/model/hash.js';
import { readProducerPoint } from '../../../lib/model/producer.js';
import { loadTestModel } from '../../support/model.js';

const spec = loadTestModel();
const read = (raw: unknown) => readProducerPoint(raw, spec);
const MAKING: TaskMaking = { spec, numProcesses: 4, messageBytes: 100_000, stream: '', read };

function blockOf(lines: readonly (string | null)[], digest = 'd', origin = 0): Block {
  const items = lines.map((text, n) => ({
    position: origin + n,
    line: origin + n + 1,
    bytes: text === null ? null : Buffer.from(text),
  }));
  return { items, digest };
}

function stop(id: string, n: number): string {
  return JSON.stringify({ type: 'bus', id, attr: 'int', v: n, t1: '2026-01-01' });
}

function made(block: Block, making: Partial<TaskMaking> = {}) {
  const { parcels, refused } = tasksOf(block, { ...MAKING, ...making });
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

  it('have ids that follow from the stream, its content and their positions, or that nobody else has', () => {
    const lines = [stop('a', 1), stop('b', 2)];
    const ids = (block: Block, stream: string | null) => made(block, { stream }).tasks.map(({ id }) => id);
    const first = ids(blockOf(lines), '');
    expect(new Set(first).size).toBe(2);
    expect(ids(blockOf(lines), '')).toEqual(first);
    for (const other of [ids(blockOf(lines), 'x'), ids(blockOf(lines, 'e'), ''), ids(blockOf(lines, 'd', 10), '')]) {
      expect(other.filter((id) => first.includes(id))).toEqual([]);
    }
    expect(ids(blockOf(lines), null)).not.toEqual(ids(blockOf(lines), null));
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
      { line: 2, reason: expect.stringContaining('given "x"'), input: expect.objectContaining({ v: 'x' }) },
      { line: 3, reason: expect.stringContaining('not JSON'), input: '{"type":"bus"' },
      { line: 4, reason: 'It is longer than the 100000 bytes that a message may have.', input: null },
      { line: 5, reason: expect.stringContaining('an object with type, id, attr and v'), input: [1] },
      {
        line: 6,
        reason: expect.stringContaining('"train" is no entity type'),
        input: { type: 'train', id: 'a', v: 12345678901234567890n },
      },
    ]);
  });

  it('are never larger than a message may be', () => {
    const text = (length: number) => JSON.stringify({ type: 'bus', id: 'a', attr: 'text', v: 'x'.repeat(length) });
    const { tasks, refused } = made(blockOf([...Array.from({ length: 30 }, () => text(100)), text(1_940)], 'd', 7), {
      messageBytes: 2_000,
    });
    expect(Math.max(...tasks.map(({ body }) => body.length))).toBeLessThanOrEqual(2_000);
    expect(tasks.reduce((sum, { points }) => sum + points, 0)).toBe(30);
    expect(refused).toEqual([
      {
        line: 38,
        reason: expect.stringMatching(/^Its task would have \d+ bytes, allowed are at most 2000/),
        input: expect.anything(),
      },
    ]);
  });
});
