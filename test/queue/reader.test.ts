/** What the reader does for every kind of queue, over a source in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Delivery } from '../../lib/model/delivery.js';
import { Attempts, type KeptPasts, type Past, type PastStore } from '../../lib/queue/attempts.js';
import type { QueueDelivery, QueueMessage } from '../../lib/queue/delivery.js';
import { QueueReader } from '../../lib/queue/reader.js';
import type { Source, SourceReader } from '../../lib/queue/source.js';
import { blameFor, UnderWay } from '../../lib/queue/under-way.js';
import { systemClock } from '../../lib/runtime/clock.js';
import { nextTurn } from '../support/deliveries.js';

class MemoryPasts implements PastStore {
  readonly bestEffort = false;
  readonly rows = new Map<string, Past>();

  read(): KeptPasts {
    return { counted: '', pasts: this.rows };
  }

  write(_: KeptPasts, changed: ReadonlyMap<string, Past | null>): void {
    for (const [name, past] of changed) {
      if (past === null) this.rows.delete(name);
      else this.rows.set(name, past);
    }
  }
}

/** Settles in two steps, as a transaction does. */
class MemorySource implements Source<string> {
  readonly name = 'source';
  readonly waiting = { priority: [] as string[], normal: [] as string[] };
  readonly settling: QueueDelivery<string>[] = [];
  reader!: SourceReader<string>;
  private taken = 0;

  async start(): Promise<void> {}

  async open(reader: SourceReader<string>): Promise<void> {
    this.reader = reader;
  }

  next(priority: boolean): QueueMessage<string> | null {
    const id = this.waiting[priority ? 'priority' : 'normal'].shift();
    if (id === undefined) return null;
    const known = { lacksId: false, own: true, floor: null, redelivered: false, deduplicated: false };
    return { ...known, id, body: Buffer.from('{}'), origin: 'memory', position: this.taken++ };
  }

  nameOf({ receivedId }: QueueDelivery<string>): string {
    return receivedId;
  }

  settle(delivery: QueueDelivery<string>): void {
    this.reader.settling(delivery);
    this.settling.push(delivery);
  }

  settleNow(settle: () => void): void {
    settle();
    this.commit();
  }

  commit(): void {
    for (const delivery of this.settling.splice(0)) this.reader.settled(delivery);
    this.reader.takeSoon();
  }

  rollBack(): void {
    for (const delivery of this.settling.splice(0)) this.reader.unsettled(delivery);
  }

  async depth() {
    return { normal: this.waiting.normal.length, priority: this.waiting.priority.length };
  }

  async redeliveryHorizon(): Promise<number | null> {
    return null;
  }

  async stop(): Promise<void> {}
}

async function reading(ids: { readonly normal?: string[]; readonly priority?: string[] }, tasks = 1_000) {
  const folder = mkdtempSync(join(tmpdir(), 'dp3-reader-'));
  const [source, pasts] = [new MemorySource(), new MemoryPasts()];
  source.waiting.normal.push(...(ids.normal ?? []));
  source.waiting.priority.push(...(ids.priority ?? []));
  const underWay = new UnderWay(join(folder, 'running'), 36);
  const attempts = new Attempts(underWay, pasts);
  const reader = new QueueReader(source, attempts, { tasks, bytes: 2 ** 20, normalEvery: 4 }, systemClock);
  onTestFinished(async () => {
    await reader.stop();
    rmSync(folder, { recursive: true });
  });
  const got: Delivery[] = [];
  await reader.consume({ onDelivery: (delivery) => got.push(delivery), onLost: async () => {}, onRestored: () => {} });
  await nextTurn();
  return { source, pasts, reader, got, underWay };
}

const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

it('hands out priority first, and a normal task in its turn', async () => {
  const { got } = await reading({ normal: numbered('n', 3), priority: numbered('p', 8) });
  expect(got.map(({ id }) => id).join(' ')).toBe('p0 p1 p2 n0 p3 p4 p5 n1 p6 p7 n2');
});

it('hands out no more than the window takes, nor while it is paused, and goes on with what is settled', async () => {
  const { reader, source, got } = await reading({ normal: numbered('n', 5) }, 2);
  expect([got.length, reader.window]).toMatchObject([2, { tasks: 2, full: true }]);
  got[0]!.settle();
  expect(reader.window.tasks).toBe(2);
  reader.pause();
  source.commit();
  await nextTurn();
  expect([got.length, reader.window]).toMatchObject([2, { tasks: 1, full: false }]);
  reader.resume();
  await nextTurn();
  expect(got.map(({ id }) => id)).toEqual(['n0', 'n1', 'n2']);
});

it('lets other things have their turn in between', async () => {
  const { got } = await reading({ normal: numbered('n', 300) });
  expect(got).toHaveLength(256);
  await nextTurn();
  expect(got).toHaveLength(300);
});

it('has an empty window once everything open is void', async () => {
  const { reader, source, got } = await reading({ normal: numbered('n', 5) }, 5);
  source.reader.voidAll();
  expect(reader.window).toMatchObject({ tasks: 0, bytes: 0, full: false });
  expect(got).toHaveLength(5);
});

it('keeps the attempts of a task whose settling came to nothing, and forgets them with one that holds', async () => {
  const { source, pasts, got } = await reading({ normal: ['n0'] });
  const [delivery] = got;
  delivery!.broke();
  delivery!.settle();
  const before = new Map([['n0', { attempts: 1, unread: false }]]);
  source.rollBack();
  for (const [name, past] of before) pasts.rows.set(name, past);
  delivery!.broke();
  expect([delivery!.attempts, pasts.rows.get('n0')]).toEqual([2, { attempts: 2, unread: false }]);
  delivery!.settle();
  source.commit();
  expect(pasts.rows.size).toBe(0);
  delivery!.settle();
  expect(source.settling).toEqual([]);
});

it('hands out nothing more from the moment it is paused in, and the rest in order afterwards', async () => {
  const { reader, source, got } = await reading({ normal: ['n0'] });
  const handed: string[] = [];
  got.push = (delivery: Delivery) => {
    handed.push(delivery.id);
    if (delivery.id === 'n2') reader.pause();
    return handed.length;
  };
  source.waiting.normal.push('n1', 'n2', 'n3', 'n4');
  reader.take();
  await nextTurn();
  expect(handed).toEqual(['n1', 'n2']);
  reader.resume();
  await nextTurn();
  expect(handed).toEqual(['n1', 'n2', 'n3', 'n4']);
});

it('hands out nothing of what is void by then', async () => {
  const { reader, source, got } = await reading({ normal: ['n0'] });
  const handed: string[] = [];
  got.push = (delivery: Delivery) => {
    handed.push(delivery.id);
    reader.voidAll();
    return handed.length;
  };
  source.waiting.normal.push('n1', 'n2');
  reader.take();
  await nextTurn();
  expect(handed).toEqual(['n1']);
  expect(reader.window.tasks).toBe(0);
});

it('leaves all that was read in one go as suspects where the process dies then, and one that was read alone as guilty', async () => {
  const { reader, source, got, underWay } = await reading({ normal: ['n0'] });
  let left: unknown;
  got.push = (delivery: Delivery) => {
    delivery.reading();
    if (delivery.id === 'n2') left = blameFor(underWay.left()!);
    return 0;
  };
  source.waiting.normal.push('n1', 'n2', 'n3');
  reader.take();
  expect(left).toEqual({ counted: [], unread: null, suspects: ['n1', 'n2', 'n3'] });
  await nextTurn();
  source.waiting.normal.push('n2');
  reader.take();
  expect(left).toEqual({ counted: ['n2'], unread: 'n2', suspects: [] });
  await nextTurn();
  expect(blameFor(underWay.left()!)).toEqual({ counted: [], unread: null, suspects: [] });
});
