/** Deliveries and works for tests of the data path: they keep how they were settled. */
import type { Delivery } from '../../lib/model/delivery.js';
import type { Task } from '../../lib/model/task.js';
import { type LaneWork, laneWork } from '../../lib/model/work.js';
import type { TaskReader } from '../../lib/queue/queue.js';

export interface TestDelivery extends Delivery {
  /** How often it was settled, and how many of its runs have begun and not ended. */
  settled: number;
  running: number;
}

export function testDelivery(given: Partial<Delivery> & { readonly id: string }): TestDelivery {
  return {
    receivedId: given.id,
    digest: '',
    body: Buffer.from('{}'),
    priority: false,
    redelivered: false,
    deduplicated: false,
    attempts: 0,
    suspect: false,
    unread: false,
    lacksId: false,
    floor: null,
    own: true,
    ...given,
    settled: 0,
    running: 0,
    reading() {},
    started() {
      this.running++;
    },
    ended() {
      this.running--;
    },
    broke() {
      Object.assign(this, { attempts: this.attempts + 1 });
    },
    settle() {
      this.settled++;
    },
  };
}

export function testTask(key: string): Task {
  const [etype = '', eid = ''] = key.split(/:(.*)/s);
  return { etype, eid, key, dataPoints: [], tags: [], ttlTokens: null, delete: false, expireAt: null, depth: 0 };
}

export function testWork(key: string, id: string, given: Partial<Delivery> = {}): LaneWork {
  return laneWork(testDelivery({ ...given, id }), testTask(key));
}

/** Resolves after one turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when the condition holds; looks once a turn, fails after `turns`. */
export async function until(condition: () => boolean, what: string, turns = 20_000): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    if (condition()) return;
    await nextTurn();
  }
  throw new Error(`waited in vain until ${what}`);
}

/** What a queue holds for its index, without settling any of it: in a queue of this machine all of it comes within a turn. */
export async function deliveriesOf(reader: TaskReader): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  await reader.start();
  await reader.consume({
    onDelivery: (delivery) => deliveries.push(delivery),
    onLost: async () => {},
    onRestored: () => {},
  });
  const { normal, priority } = await reader.depth();
  await until(() => deliveries.length === normal + priority, 'all deliveries have come');
  await reader.stop();
  return deliveries;
}
