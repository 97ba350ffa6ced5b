import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, REFUSED } from '../../lib/ingest/journal/digests.js';
import { Journal } from '../../lib/ingest/journal/journal.js';
import type { Lot } from '../../lib/ingest/lots.js';
import { Pace } from '../../lib/ingest/pace.js';
import { Sender } from '../../lib/ingest/sender.js';
import { TaskStreams } from '../../lib/ingest/tasks.js';
import { readProducerPoint } from '../../lib/model/producer.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { TasksNotSent } from '../../lib/queue/queue.js';
import { Placement } from '../../lib/routing/placement.js';
import { manualClock } from '../support/clock.js';
import { makeFolder } from '../support/folder.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();

async function* lotsOf(count: number, points: number): AsyncIterable<Lot> {
  for (let n = 0; n < count; n++) {
    const items = Array.from({ length: points }, (_, at) => ({
      position: n * points + at,
      line: n * points + at + 1,
      bytes: Buffer.from(`{"type":"bus","id":"b${at}","attr":"int","v":${n},"t1":"2026-01-01"}`),
    }));
    yield { items, lines: null, span: null };
  }
}

async function* digestedLots(count: number, points: number): AsyncIterable<Lot> {
  for await (const { items } of lotsOf(count, points)) {
    yield {
      items,
      lines: { digests: items.map(({ bytes }) => digestOf(bytes ?? Buffer.alloc(0))), known: null },
      span: null,
    };
  }
}

async function* numbered<T>(all: AsyncIterable<T>): AsyncIterable<[number, T]> {
  let n = 0;
  for await (const each of all) yield [n++, each];
}

function makeJournal(): Journal {
  return Journal.open(join(makeFolder(), 'journal'), { destination: 'test', input: { name: 'sender' } });
}

/** A writer whose calls are settled by the test. */
function manualWriter() {
  const calls: {
    tasks: readonly OutgoingTask[];
    queued: (task: OutgoingTask) => void;
    done: () => void;
    fail: (error: Error) => void;
  }[] = [];
  const listeners: (() => void)[] = [];
  const writer = {
    name: 'manual',
    start: async () => {},
    stop: async () => {},
    obstacle: null,
    onObstacle: () => {},
    send: (tasks: readonly OutgoingTask[], queued: (task: OutgoingTask) => void = () => {}) =>
      new Promise<void>((resolve, fail) => {
        const done = () => {
          for (const task of tasks) queued(task);
          resolve();
        };
        calls.push({ tasks, queued, done, fail });
        for (const listener of listeners.splice(0)) listener();
      }),
  };
  const called = async (count: number) => {
    while (calls.length < count) await new Promise<void>((resolve) => listeners.push(resolve));
  };
  return { writer, calls, called };
}

function senderOf(parts: { signal?: AbortSignal; pace?: Pace; journal?: Journal } = {}) {
  const manual = manualWriter();
  const sender = new Sender({
    making: {
      spec,
      placement: new Placement(1),
      messageBytes: 100_000,
      streams: new TaskStreams(),
      read: (raw) => readProducerPoint(raw, spec),
    },
    writer: manual.writer,
    pace: parts.pace ?? new Pace(null),
    signal: parts.signal ?? new AbortController().signal,
    journal: parts.journal ?? null,
    clock: manualClock(),
    refused: () => {},
    progress: () => {},
  });
  return { sender, ...manual };
}

describe('the sender', () => {
  it('has a few calls of the writer under way, in order, and counts what is in its queue', async () => {
    const { sender, calls, called } = senderOf();
    const sending = sender.send(lotsOf(6, 2));
    await called(3);
    await new Promise(setImmediate);
    expect(calls).toHaveLength(3);
    expect([sender.points, sender.tasks]).toEqual([0, 0]);
    for (let n = 0; n < 6; n++) {
      await called(n + 1);
      calls[n]?.done();
    }
    await sending;
    expect([sender.points, sender.tasks]).toEqual([12, 12]);
    const values = calls.map(({ tasks }) => tasks.map(({ body }) => JSON.parse(String(body)).data_points[0].v));
    expect(values).toEqual([0, 1, 2, 3, 4, 5].map((n) => [n, n]));
  });

  it('ends with the error of the writer', async () => {
    const { sender, calls, called } = senderOf();
    const sending = sender.send(lotsOf(2, 1));
    await called(2);
    calls[0]?.done();
    calls[1]?.fail(new Error('disk full'));
    await expect(sending).rejects.toThrow('disk full');
    expect(sender.points).toBe(1);
  });

  it('ends without an error when it is interrupted, after the blocks that are open, and marks them', async () => {
    const controller = new AbortController();
    const journal = makeJournal();
    const { sender, calls, called } = senderOf({ signal: controller.signal, journal });
    const sending = sender.send(digestedLots(100, 1));
    await called(2);
    expect(journal.opened().map(({ header }) => header.block)).toEqual([1, 2]);
    controller.abort();
    // The second one is in its queue first.
    calls[1]?.done();
    await new Promise(setImmediate);
    expect(journal.edition.lastBlock).toBe(0);
    calls[0]?.done();
    await sending;
    expect(calls).toHaveLength(2);
    expect([sender.points, journal.edition.sent, journal.opened()]).toEqual([2, 2, []]);
    await journal.close();
  });

  it('publishes nothing of a block that its journal could not take', async () => {
    const journal = makeJournal();
    journal.open = () => Promise.reject(new Error('disk full'));
    const { sender, calls } = senderOf({ journal });
    await expect(sender.send(digestedLots(2, 1))).rejects.toThrow('disk full');
    expect(calls).toEqual([]);
    await journal.close();
  });

  it('opens a block of which all is refused, too, so that a kill leaves no gap between blocks', async () => {
    const journal = makeJournal();
    const { sender, calls, called } = senderOf({ journal });
    const sending = sender.send(
      (async function* () {
        for await (const [n, lot] of numbered(digestedLots(3, 2))) {
          yield n === 1 ? { ...lot, items: lot.items.map((item) => ({ ...item, bytes: Buffer.from('bad') })) } : lot;
        }
      })(),
    );
    await called(1);
    await expect.poll(() => journal.opened().map(({ header }) => header.block)).toEqual([1, 2]);
    calls[0]?.done();
    await called(2);
    await expect.poll(() => journal.opened().map(({ header }) => header.block)).toEqual([3]);
    calls[1]?.done();
    await sending;
    expect([...journal.edition.digests()].filter((digest) => digest === REFUSED)).toHaveLength(2);
    await journal.close();
  });

  it('counts each task that is in its queue, also where its call comes to nothing, and those that may be', async () => {
    const controller = new AbortController();
    const { sender, calls, called } = senderOf({ signal: controller.signal });
    const sending = sender.send(lotsOf(1, 5));
    await called(1);
    const [{ tasks = [], queued, fail } = {}] = calls;
    for (const task of tasks.slice(0, 3)) queued?.(task);
    controller.abort();
    fail?.(new TasksNotSent('the writer stopped', 1));
    await sending;
    expect([sender.points, sender.tasks, sender.unsure, sender.taken]).toEqual([3, 3, 1, 5]);
  });

  it('sends what was read of an input that cannot be repeated even then', async () => {
    const controller = new AbortController();
    const { sender, calls, called } = senderOf({ signal: controller.signal });
    controller.abort();
    const sending = sender.send(lotsOf(1, 2));
    await called(1);
    calls[0]?.done();
    await sending;
    expect(sender.points).toBe(2);
  });

  it('keeps a pace, in portions of a tenth of a second', async () => {
    const clock = manualClock();
    const { sender, calls, called } = senderOf({ pace: new Pace(20, clock) });
    const sending = sender.send(lotsOf(1, 5));
    for (const n of [1, 2, 3]) {
      await called(n);
      await new Promise(setImmediate);
      expect(calls).toHaveLength(n);
      calls[n - 1]?.done();
      while (n < 3 && clock.waiting === 0) await new Promise(setImmediate);
      clock.pass(99);
      await new Promise(setImmediate);
      expect(calls).toHaveLength(n);
      clock.pass(1);
    }
    await sending;
    expect(calls.map(({ tasks }) => tasks.length)).toEqual([2, 2, 1]);
  });

  it('waits for its pace no longer when it is interrupted', async () => {
    const controller = new AbortController();
    const pace = new Pace(0.001, manualClock());
    await pace.take(1, controller.signal);
    const waiting = pace.take(1, controller.signal);
    controller.abort();
    await waiting;
    await pace.take(1, controller.signal);
  });
});
