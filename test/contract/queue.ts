/**
 * What every queue adapter must do, whatever it stands on. An adapter's test calls `describeQueue` with a bed that makes readers and
 * writers on a fresh queue; nothing here knows which one it is.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivery } from '../../lib/model/delivery.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import type { ReadLimits, TaskReader, TaskWriter } from '../../lib/queue/queue.js';

/** A fresh queue for some indexes. Everything it made is stopped by `close`. */
export interface QueueBed {
  /** A started reader that owns its index and does not consume yet. A second one for an index succeeds the first, which must have stopped. */
  reader(index: number, limits?: Partial<ReadLimits>): Promise<TaskReader>;
  /** A started writer of a process of its own. */
  writer(): Promise<TaskWriter>;
  /** Settles them all as one store transaction does. */
  commit(index: number, deliveries: readonly Delivery[]): Promise<void>;
  close(): Promise<void>;
}

/** `maxLength`: bound of the normal queues. */
export type MakeQueueBed = (options: { numProcesses: number; maxLength: number }) => Promise<QueueBed>;

const MAX_LENGTH = 50;

export function describeQueue(name: string, make: MakeQueueBed): void {
  describe(`${name} as a queue`, () => {
    let bed: QueueBed;
    beforeEach(async () => {
      bed = await make({ numProcesses: 3, maxLength: MAX_LENGTH });
    });
    afterEach(async () => {
      await bed.close();
    });
    describeDelivering(() => bed);
    describeSettling(() => bed);
    describeAttempts(() => bed);
    describeWindow(() => bed);
    describeSending(() => bed);
  });
}

function describeDelivering(bed: () => QueueBed): void {
  it('delivers every task to its index and to no other, with id and body as they were', async () => {
    const sent = [0, 1, 2].flatMap((index) => tasksOf(index, 10));
    await (await bed().writer()).send(sent);
    for (const index of [0, 1, 2]) {
      const inbox = await Inbox.of(await bed().reader(index));
      const got = await inbox.take(10);
      expect(got.map(({ id, body }) => [id, body.toString()])).toEqual(
        sent.filter((task) => task.index === index).map(({ id, body }) => [id, body.toString()]),
      );
      expect(inbox.waiting).toBe(0);
    }
  });

  it('delivers a broadcast to every index once, under the same id', async () => {
    const [first] = tasksOf(0, 1);
    const broadcast = [true, false].map((priority) => [0, 1, 2].map((index) => ({ ...first!, index, priority })));
    const writer = await bed().writer();
    for (const tasks of broadcast) await writer.send(tasks);
    for (const index of [0, 1, 2]) {
      const inbox = await Inbox.of(await bed().reader(index));
      const got = await inbox.take(2);
      expect(got.map(({ id, priority }) => [id, priority])).toEqual([
        [first!.id, true],
        [first!.id, false],
      ]);
      expect(inbox.waiting).toBe(0);
    }
  });

  it('takes any body, from one byte to a mebibyte, and ids and keys of any name', async () => {
    const bodies = [Buffer.from('0'), Buffer.alloc(4_065, 'x'), Buffer.alloc(4_100, 'y'), Buffer.alloc(2 ** 20, 'z')];
    const sent = bodies.map((body, i) => ({ ...task(0, ['__proto__', 'constructor', 'ä/…', 'toString'][i]!), body }));
    await (await bed().writer()).send(sent);
    const got = await (await Inbox.of(await bed().reader(0))).take(4);
    expect(got.map(({ id }) => id)).toEqual(sent.map(({ id }) => id));
    expect(got.every(({ body }, i) => body.equals(bodies[i]!))).toBe(true);
  });

  it('hands out nothing before it consumes', async () => {
    const reader = await bed().reader(0);
    await (await bed().writer()).send(tasksOf(0, 3));
    expect(reader.window.tasks).toBe(0);
    expect(await (await Inbox.of(reader)).take(3)).toHaveLength(3);
  });

  it('keeps the order in which one writer sent, also of sends that were not awaited', async () => {
    const inbox = await Inbox.of(await bed().reader(1));
    const writer = await bed().writer();
    const sent = tasksOf(1, 40);
    await Promise.all(chunks(sent, 7).map((some) => writer.send(some)));
    expect(ids(await inbox.take(40))).toEqual(ids(sent));
  });

  it('keeps the order of each of several writers and loses nothing', async () => {
    const inbox = await Inbox.of(await bed().reader(0), (deliveries) => bed().commit(0, deliveries));
    const sent = ['a', 'b', 'c'].map((name) => Array.from({ length: 100 }, (_, i) => task(0, `${name}${i}`)));
    await Promise.all(
      sent.map(async (some) => {
        const writer = await bed().writer();
        for (const part of chunks(some, 9)) await writer.send(part);
      }),
    );
    const got = await inbox.take(300);
    for (const some of sent) {
      const ours = new Set(ids(some));
      expect(ids(got).filter((id) => ours.has(id))).toEqual(ids(some));
    }
  });

  it('wakes a waiting reader for each single task', async () => {
    const inbox = await Inbox.of(await bed().reader(0));
    const writer = await bed().writer();
    for (let i = 0; i < 30; i++) {
      await writer.send([task(0, `t${i}`)]);
      const [got] = await inbox.take(1);
      expect(got!.id).toBe(`t${i}`);
      await bed().commit(0, [got!]);
    }
  });

  it.each([2, 16, 100])(
    'prefers priority, but lets at least one in %i be a normal one where both wait',
    async (normalEvery) => {
      const writer = await bed().writer();
      await writer.send(tasksOf(0, 3));
      await writer.send(Array.from({ length: 4 * normalEvery }, (_, i) => task(0, `p${i}`, true)));
      const reader = await bed().reader(0, { normalEvery });
      const got = await (await Inbox.of(reader)).take(3 + 4 * normalEvery);
      const normalAt = got.flatMap(({ priority }, i) => (priority ? [] : [i]));
      const [first = 0, second = 0, third = 0] = normalAt;
      expect(first).toBeGreaterThan(0);
      expect(Math.max(second - first, third - second)).toBeLessThanOrEqual(normalEvery);
      // Not much more often, though a broker may be slow with the next priority ones.
      expect(third - first).toBeGreaterThan(normalEvery);
    },
  );

  it('holds deliveries back in order while it is paused', async () => {
    const reader = await bed().reader(0);
    const inbox = await Inbox.of(reader);
    const writer = await bed().writer();
    reader.pause();
    await writer.send(tasksOf(0, 5));
    await writer.send([task(0, 'urgent', true)]);
    expect(inbox.waiting).toBe(0);
    reader.resume();
    const got = ids(await inbox.take(6));
    expect(got.filter((id) => id !== 'urgent')).toEqual(ids(tasksOf(0, 5)));
  });
}

function describeSettling(bed: () => QueueBed): void {
  it('delivers again what was not settled, in order and marked, and never what was', async () => {
    await (await bed().writer()).send(tasksOf(0, 30));
    const first = await bed().reader(0);
    const got = await (await Inbox.of(first)).take(30);
    const settled = new Set([0, 1, 2, 7, 8, 20]);
    await bed().commit(
      0,
      got.filter((_, i) => settled.has(i)),
    );
    await first.stop();
    const again = await (await Inbox.of(await bed().reader(0))).take(24);
    expect(ids(again)).toEqual(ids(got.filter((_, i) => !settled.has(i))));
    expect(again.every(({ redelivered }) => redelivered)).toBe(true);
  });

  it('does not deliver again what was settled outside of any transaction', async () => {
    await (await bed().writer()).send(tasksOf(0, 3));
    const first = await bed().reader(0);
    const [one] = await (await Inbox.of(first)).take(3);
    one!.settle();
    await first.stop();
    const again = await (await Inbox.of(await bed().reader(0))).take(2);
    expect(ids(again)).toEqual(ids(tasksOf(0, 3)).slice(1));
  });

  it('settles many in one step, those among them that are settled already being left alone', async () => {
    await (await bed().writer()).send(tasksOf(0, 5));
    const first = await bed().reader(0);
    const got = await (await Inbox.of(first)).take(5);
    got[1]!.settle();
    first.settle(got.slice(0, 4));
    expect(first.window.tasks).toBe(1);
    await first.stop();
    first.settle(got);
    const again = await (await Inbox.of(await bed().reader(0))).take(1);
    expect(ids(again)).toEqual(ids(tasksOf(0, 5)).slice(4));
  });

  it('takes a second settling, and one after the reader has stopped, for nothing', async () => {
    await (await bed().writer()).send(tasksOf(0, 3));
    const reader = await bed().reader(0);
    const [one, two] = await (await Inbox.of(reader)).take(3);
    await bed().commit(0, [one!]);
    await bed().commit(0, [one!]);
    expect(reader.window.tasks).toBe(2);
    await reader.stop();
    two!.settle();
    expect(ids(await (await Inbox.of(await bed().reader(0))).take(2))).toEqual(ids(tasksOf(0, 3)).slice(1));
  });

  it('delivers in any order of settling every task exactly once over any number of successors', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(9), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (rounds) => {
          const writer = await bed().writer();
          const sent = Array.from({ length: 10 }, (_, i) => task(2, `${fresh()}-${i}`, i % 3 === 0));
          await writer.send(sent);
          let left = new Set(ids(sent));
          for (const picks of [...rounds, [...sent.keys()]]) {
            const reader = await bed().reader(2);
            const got = await (await Inbox.of(reader)).take(left.size);
            expect(new Set(ids(got))).toEqual(left);
            const settled = picks.filter((pick) => pick < got.length).map((pick) => got[pick]!);
            await bed().commit(2, settled);
            await reader.stop();
            left = new Set([...left].filter((id) => !settled.some((delivery) => delivery.id === id)));
          }
          expect(left.size).toBe(0);
          await writer.stop();
        },
      ),
      { numRuns: 6 },
    );
  });

  it('counts what waits and what is open as its depth', async () => {
    const reader = await bed().reader(0);
    expect(await reader.depth()).toEqual({ normal: 0, priority: 0 });
    await (await bed().writer()).send([...tasksOf(0, 5), task(0, 'p', true)]);
    expect(await reader.depth()).toEqual({ normal: 5, priority: 1 });
    const got = await (await Inbox.of(reader)).take(6);
    await bed().commit(0, got.slice(0, 3));
    const { normal, priority } = await reader.depth();
    expect(normal + priority).toBe(3);
  });
}

function describeAttempts(bed: () => QueueBed): void {
  it('counts an attempt whenever a lane breaks, over lives that shut down gracefully, until the task is settled', async () => {
    const writer = await bed().writer();
    /** Its index in a life of its own: the attempts that tasks have, and how each ends. */
    const life = async (count: number, end: (got: readonly Delivery[], reader: TaskReader) => unknown) => {
      const reader = await bed().reader(0);
      const got = await (await Inbox.of(reader)).take(count);
      const attempts = got.map((delivery) => delivery.attempts);
      await end(got, reader);
      await reader.stop();
      return attempts;
    };
    const breaks = (delivery: Delivery | undefined) => {
      delivery?.started();
      delivery?.ended();
      delivery?.broke();
    };
    await writer.send(tasksOf(0, 3));
    expect(await life(3, ([first, , last]) => [first, last].map(breaks))).toEqual([0, 0, 0]);
    const again = await life(3, ([first, second]) => {
      for (const each of [first, second, second]) breaks(each);
      expect([first?.attempts, second?.attempts]).toEqual([2, 2]);
    });
    expect(again).toEqual([1, 0, 1]);
    const settled = await life(3, async ([first, second, last], reader) => {
      await bed().commit(0, [first!]);
      // What has left the queue before it breaks never comes again: it counts for itself alone.
      reader.settle([last!]);
      breaks(last);
      expect([second?.attempts, last?.attempts]).toEqual([2, 2]);
    });
    expect(settled).toEqual([2, 2, 1]);
    await writer.send([0, 2].map((at) => tasksOf(0, 3)[at]!));
    expect((await life(3, () => {})).toSorted()).toEqual([0, 0, 2]);
  });
}

function describeWindow(bed: () => QueueBed): void {
  it('hands out no more than the window holds until some are settled', async () => {
    const reader = await bed().reader(0, { tasks: 4 });
    const inbox = await Inbox.of(reader);
    await (await bed().writer()).send(tasksOf(0, 10));
    const got = await inbox.take(4);
    expect(reader.window).toMatchObject({
      tasks: 4,
      tasksLimit: 4,
      bytes: got.reduce((sum, d) => sum + d.body.length, 0),
      full: true,
    });
    await bed().commit(0, [got[2]!, got[0]!]);
    const more = await inbox.take(2);
    expect(ids(more)).toEqual(['t4', 't5']);
    expect(reader.window.tasks).toBe(4);
    expect(inbox.waiting).toBe(0);
    await bed().commit(0, [got[1]!, got[3]!, ...more]);
    await bed().commit(0, await inbox.take(4));
    await expect.poll(() => reader.window, { interval: 1 }).toMatchObject({ tasks: 0, full: false });
  });

  it('counts bytes too, and lets a task through that is larger than all of the window', async () => {
    const reader = await bed().reader(0, { bytes: 1_000 });
    const inbox = await Inbox.of(reader);
    const large = { ...task(0, 'large'), body: Buffer.alloc(5_000, 'x') };
    await (await bed().writer()).send([large, task(0, 'after')]);
    const [got] = await inbox.take(1);
    expect([got!.id, reader.window.tasks, reader.window.bytes]).toEqual(['large', 1, 5_000]);
    await bed().commit(0, [got!]);
    expect(ids(await inbox.take(1))).toEqual(['after']);
  });

  it('counts the memory that the values of a message take, where that is more than its bytes', async () => {
    const reader = await bed().reader(0, { bytes: 60_000 });
    const inbox = await Inbox.of(reader);
    const dense = { ...task(0, 'dense'), body: Buffer.from(`[${Array(999).fill('{}').join(',')}]`) };
    await (await bed().writer()).send([dense, task(0, 'after')]);
    const [got] = await inbox.take(1);
    expect([got!.id, reader.window.tasks, reader.window.bytes, reader.window.full]).toEqual(['dense', 1, 64_000, true]);
    await bed().commit(0, [got!]);
    const [after] = await inbox.take(1);
    await bed().commit(0, [after!]);
    await expect.poll(() => reader.window, { interval: 1 }).toMatchObject({ tasks: 0, bytes: 0 });
  });
}

function describeSending(bed: () => QueueBed): void {
  it('makes a sender wait while the normal queue is full, and drops and reorders nothing', async () => {
    const reader = await bed().reader(0);
    const writer = await bed().writer();
    const obstacles: (string | null)[] = [];
    const wasBlocked = new Promise<void>((resolve) => {
      writer.onObstacle((obstacle) => {
        obstacles.push(obstacle?.kind ?? null);
        if (obstacle !== null) resolve();
      });
    });
    const sent = tasksOf(0, 3 * MAX_LENGTH);
    let resolved = false;
    const queued: string[] = [];
    const sending = writer
      .send(sent, ({ id }) => queued.push(id))
      .then(() => {
        resolved = true;
      });
    await wasBlocked;
    expect([resolved, writer.obstacle?.kind]).toEqual([false, 'full']);
    expect((await reader.depth()).normal).toBeLessThanOrEqual(MAX_LENGTH);
    const inbox = await Inbox.of(reader, (deliveries) => bed().commit(0, deliveries));
    expect(ids(await inbox.take(sent.length))).toEqual(ids(sent));
    await sending;
    expect([obstacles[0], obstacles.at(-1), writer.obstacle]).toEqual(['full', null, null]);
    expect(queued.toSorted()).toEqual(ids(sent).toSorted());
  });

  it('sends to other indexes and to the priority queue while one normal queue is full', async () => {
    const writer = await bed().writer();
    const full = writer.send(tasksOf(0, 2 * MAX_LENGTH)).catch(() => {});
    await writer.send([task(1, 'other'), task(0, 'urgent', true)]);
    await writer.send(Array.from({ length: 3 * MAX_LENGTH }, (_, i) => task(1, `p${i}`, true)));
    const inbox = await Inbox.of(await bed().reader(1));
    expect(ids(await inbox.take(3 * MAX_LENGTH + 1))).toContain('other');
    await writer.stop();
    await full;
  });

  it('refuses to send once it has stopped, and tells those whose tasks did not get through', async () => {
    const writer = await bed().writer();
    const full = new Promise<void>((resolve) => writer.onObstacle(() => resolve()));
    let queued = 0;
    const stuck = writer.send(tasksOf(0, 2 * MAX_LENGTH), () => queued++);
    const refused = expect(stuck).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE', unsure: 0 });
    await full;
    await writer.stop();
    await refused;
    const { normal } = await (await bed().reader(0)).depth();
    expect([queued, queued > 0]).toEqual([normal, true]);
    await expect(writer.send([task(0, 'late')])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  });

  it('delivers a producer task that is sent again under its id, and leaves the inbox to find it', async () => {
    const writer = await bed().writer();
    await writer.send([task(0, 'same')]);
    await writer.send([task(0, 'same')]);
    const got = await (await Inbox.of(await bed().reader(0))).take(2);
    expect(got.map(({ id, deduplicated }) => [id, deduplicated])).toEqual([
      ['same', false],
      ['same', false],
    ]);
  });

  it('resolves for nothing to send', async () => {
    await expect((await bed().writer()).send([])).resolves.toBeUndefined();
  });
}

/** Collects deliveries; `take` waits for events, not for time. */
class Inbox {
  private readonly deliveries: Delivery[] = [];
  private wanted = 0;
  private wake = () => {};

  private constructor(private readonly commit?: (deliveries: readonly Delivery[]) => Promise<void>) {}

  /** Consumes; with `commit`, everything is settled as it comes. */
  static async of(reader: TaskReader, commit?: (deliveries: readonly Delivery[]) => Promise<void>): Promise<Inbox> {
    const inbox = new Inbox(commit);
    await reader.consume({
      onDelivery: (delivery) => inbox.add(delivery),
      onLost: async () => {},
      onRestored: () => {},
    });
    return inbox;
  }

  get waiting(): number {
    return this.deliveries.length;
  }

  async take(count: number): Promise<Delivery[]> {
    if (this.deliveries.length < count) {
      this.wanted = count;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.deliveries.splice(0, count);
  }

  private add(delivery: Delivery): void {
    this.deliveries.push(delivery);
    if (this.commit !== undefined) void this.commit([delivery]);
    if (this.wanted > 0 && this.deliveries.length >= this.wanted) {
      this.wanted = 0;
      this.wake();
    }
  }
}

let drawn = 0;
function fresh(): string {
  drawn++;
  return `run${drawn}`;
}

function task(index: number, id: string, priority = false): OutgoingTask {
  const key = `ip:${id}`;
  return { id, key, index, priority, body: Buffer.from(JSON.stringify({ etype: 'ip', eid: id, index })) };
}

function tasksOf(index: number, count: number): OutgoingTask[] {
  return Array.from({ length: count }, (_, i) => task(index, `t${i}`));
}

function ids(some: readonly { readonly id: string }[]): string[] {
  return some.map(({ id }) => id);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
