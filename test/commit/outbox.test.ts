/** The publisher of the outbox with a writer that takes, refuses or waits. */

import { describe, expect, it } from 'vitest';
import { OutboxPublisher } from '../../lib/commit/outbox.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import type { Obstacle } from '../../lib/queue/queue.js';
import { Placement } from '../../lib/routing/placement.js';
import { manualClock } from '../support/clock.js';
import { nextTurn, until } from '../support/deliveries.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';
import { MemoryStore } from '../support/memory-store.js';

function row(id: string): OutgoingTask {
  return { id, key: 'ip:1', index: 0, priority: true, body: Buffer.alloc(0) };
}

function setUp(send: (tasks: readonly OutgoingTask[]) => Promise<void>) {
  const store = new MemoryStore();
  const clock = manualClock();
  const log = capturingLogger();
  const events = eventsLoggedTo(log);
  const pauses: number[] = [];
  events.on('outbox-failed', ({ pauseMs }) => pauses.push(pauseMs));
  const writer: { send: typeof send; obstacle: Obstacle | null } = { send, obstacle: null };
  const publisher = new OutboxPublisher({
    outbox: store.outbox,
    index: 0,
    placement: new Placement(4),
    writer,
    batch: 2,
    clock,
    events,
  });
  return { store, clock, log, publisher, pauses, writer };
}

const told = ({ lines }: ReturnType<typeof capturingLogger>) => lines.map(({ message, fields }) => [message, fields]);

/** A writer that takes rows when the test says so. */
function waitingSend() {
  const ends: { resolve(): void; reject(error: Error): void }[] = [];
  const send = () => new Promise<void>((resolve, reject) => ends.push({ resolve, reject }));
  return { send, ends };
}

describe('publishing the outbox', () => {
  it('publishes what a predecessor left and what comes later, in batches and in order', async () => {
    const sent: string[][] = [];
    const { store, publisher } = setUp(async (tasks) => void sent.push(tasks.map(({ id }) => id)));
    store.rows.push(row('1'), row('2'), row('3'));
    await publisher.start();
    await until(() => store.rows.length === 0, 'all rows are published');
    store.rows.push(row('4'));
    publisher.wake();
    await until(() => store.rows.length === 0, 'the new row is published');
    expect(sent).toEqual([['1', '2'], ['3'], ['4']]);
    await publisher.stop();
  });

  it('sends what was committed for another number of processes to the index that its entity has now, under its id', async () => {
    const sent: OutgoingTask[] = [];
    const { store, publisher } = setUp(async (tasks) => void sent.push(...tasks));
    const placement = new Placement(4);
    const home = placement.indexOf('ip:moved');
    const moved = { ...row('1'), key: 'ip:moved', index: home + 4 };
    const malformed = { ...row('2'), key: '', index: 3 };
    store.rows.push(moved, malformed);
    await publisher.start();
    await until(() => store.rows.length === 0, 'all rows are published');
    expect(sent).toEqual([{ ...moved, index: home, forwarded: true }, malformed]);
    await publisher.stop();
  });

  it('sends the same rows again after growing pauses, starts anew after a success, and warns once', async () => {
    let refuse = 3;
    const sent: string[] = [];
    const { store, clock, log, publisher, pauses } = setUp(async (tasks) => {
      if (refuse-- > 0) throw new Error('no broker');
      sent.push(...tasks.map(({ id }) => id));
    });
    store.rows.push(row('1'), row('2'), row('3'));
    await publisher.start();
    for (const [n, expected] of [1_000, 2_000, 5_000].entries()) {
      await until(() => pauses.length === n + 1, 'it pauses');
      expect(pauses.at(-1)).toBe(expected);
      expect(sent).toEqual([]);
      clock.pass(expected);
    }
    await until(() => store.rows.length === 0, 'all rows are published');
    expect(sent).toEqual(['1', '2', '3']);
    expect(told(log)).toEqual([
      ['derived tasks cannot be published; they wait in the outbox', { tasks: 3, ageMs: 0, why: 'no broker' }],
      ['derived tasks are out again', { tasks: 3, waitedMs: 8_000 }],
    ]);
    refuse = 1;
    store.rows.push(row('4'));
    publisher.wake();
    await until(() => pauses.length === 4, 'it pauses');
    expect(pauses.at(-1)).toBe(1_000);
    await publisher.stop();
    expect(clock.waiting).toBe(0);
    expect(store.rows.map(({ id }) => id)).toEqual(['4']);
  });

  it('tells once that rows wait for a broker that is away, and that they are out again, and counts each look', async () => {
    const { send, ends } = waitingSend();
    const { store, clock, log, publisher, pauses, writer } = setUp(send);
    store.rows.push(row('1'), row('2'), row('3'));
    await publisher.start();
    await until(() => ends.length === 1, 'the first batch is sent');
    clock.pass(3_500);
    expect(pauses).toEqual([]);
    writer.obstacle = { kind: 'away', why: 'connection refused' };
    clock.pass(40_000);
    await nextTurn();
    expect(pauses).toEqual([10_000, 30_000]);
    const waiting = 'derived tasks cannot be published; they wait in the outbox';
    expect(told(log)).toEqual([[waiting, { tasks: 3, ageMs: 0, why: 'connection refused' }]]);
    writer.obstacle = null;
    ends[0]?.resolve();
    await until(() => ends.length === 2, 'the second batch is sent');
    expect(log.lines).toHaveLength(1);
    ends[1]?.resolve();
    await until(() => clock.waiting === 0, 'nothing is sent any more');
    await nextTurn();
    expect(told(log).slice(1)).toEqual([['derived tasks are out again', { tasks: 3, waitedMs: 43_500 }]]);
    await publisher.stop();
  });

  it('tells the same of a broker that does not confirm them, though nothing is known to be in the way', async () => {
    const { send, ends } = waitingSend();
    const { store, clock, log, publisher } = setUp(send);
    store.rows.push(row('1'));
    await publisher.start();
    await until(() => ends.length === 1, 'it is sent');
    clock.pass(8_000);
    await nextTurn();
    expect(log.lines.map(({ fields }) => fields['why'])).toEqual(['the broker has not confirmed them']);
    const stopping = publisher.stop();
    clock.pass(10_000);
    await stopping;
    ends[0]?.reject(new Error('stopped'));
  });

  it('is not held up by a broker that is away when it is stopped', async () => {
    const { send, ends } = waitingSend();
    const { store, publisher, writer } = setUp(send);
    store.rows.push(row('1'));
    await publisher.start();
    await until(() => ends.length === 1, 'it is sent');
    writer.obstacle = { kind: 'away', why: 'connection refused' };
    await publisher.stop();
    ends[0]?.reject(new Error('stopped'));
    await nextTurn();
    expect(store.rows).toHaveLength(1);
  });

  it('lets the batch under way end when it is stopped, and begins no other', async () => {
    let end = () => {};
    const sent: string[] = [];
    const { store, publisher } = setUp((tasks) => {
      sent.push(...tasks.map(({ id }) => id));
      return new Promise((resolve) => {
        end = resolve;
      });
    });
    store.rows.push(row('1'), row('2'), row('3'));
    await publisher.start();
    await until(() => sent.length === 2, 'the first batch is sent');
    let stopped = false;
    const stopping = publisher.stop().then(() => {
      stopped = true;
    });
    await nextTurn();
    expect(stopped).toBe(false);
    end();
    await stopping;
    publisher.wake();
    await nextTurn();
    expect(sent).toEqual(['1', '2']);
    expect(store.rows.map(({ id }) => id)).toEqual(['3']);
  });

  it('makes no pause for a batch that fails while it is stopped', async () => {
    let fail = (_: Error) => {};
    const { store, publisher, clock } = setUp(
      () =>
        new Promise((_, reject) => {
          fail = reject;
        }),
    );
    store.rows.push(row('1'));
    await publisher.start();
    await nextTurn();
    const stopping = publisher.stop();
    fail(new Error('no broker'));
    await stopping;
    expect(clock.waiting).toBe(0);
    expect(store.rows).toHaveLength(1);
  });

  it('sends rows again, under the same ids, that could not be marked as published', async () => {
    const sent: string[] = [];
    const { store, clock, publisher, pauses } = setUp(async (tasks) => void sent.push(...tasks.map(({ id }) => id)));
    const published = store.outbox?.published;
    let refuse = true;
    Object.assign(store.outbox ?? {}, {
      async published(index: number, ids: readonly string[]) {
        if (refuse) throw new Error('no route');
        await published?.(index, ids);
      },
    });
    store.rows.push(row('1'));
    await publisher.start();
    await until(() => pauses.length === 1, 'it pauses');
    refuse = false;
    clock.pass(1_000);
    await until(() => store.rows.length === 0, 'the row is published');
    expect(sent).toEqual(['1', '1']);
    await publisher.stop();
  });
});
