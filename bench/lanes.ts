/**
 * What lanes and commits cost a task: works of 1,000 and of 4,000 keys are pushed as a reader with a window does, an executor that
 * does nothing, a store that stores nothing. Prints microseconds a task. The whole path of a worker is measured in bench/embedded.
 */

import { Committer } from '../lib/commit/committer.js';
import { Distributor } from '../lib/lanes/distributor.js';
import type { Delivery } from '../lib/model/delivery.js';
import type { TaskResult } from '../lib/model/record.js';
import type { Task } from '../lib/model/task.js';
import { type LaneWork, laneWork } from '../lib/model/work.js';
import { createEvents } from '../lib/observability/events.js';
import { PairOrder } from '../lib/queue/pair.js';
import { Placement } from '../lib/routing/placement.js';
import { systemClock } from '../lib/runtime/clock.js';
import { Troubles } from '../lib/runtime/troubles.js';
import type { CommitOutcome } from '../lib/store/store.js';

const ROUNDS = 9;
const TASKS_PER_ROUND = 400_000;
const WINDOW = 4_096;
const KEYS = [1_000, 4_000];

const STORED: CommitOutcome = { kind: 'stored' };
const RESULT: TaskResult = { outcome: 'applied', etype: 'ip', eid: '192.0.2.1', history: [], raw: [], derived: [] };

function taskOf(key: string): Task {
  const [etype = '', eid = ''] = key.split(':');
  return { etype, eid, key, dataPoints: [], tags: [], ttlTokens: null, delete: false, expireAt: null, depth: 0 };
}

function deliveryOf(id: string, priority: boolean): Delivery {
  const nothing = () => {};
  return {
    id,
    receivedId: id,
    digest: 'digested',
    body: Buffer.alloc(0),
    priority,
    redelivered: false,
    deduplicated: true,
    attempts: 0,
    suspect: false,
    unread: false,
    reading: nothing,
    lacksId: false,
    floor: null,
    own: true,
    started: nothing,
    ended: nothing,
    broke: nothing,
    settle: nothing,
  };
}

type Process = (work: LaneWork) => TaskResult | Promise<TaskResult>;

/** Keeps the window full until all tasks are committed; how long that took. */
function run(works: readonly LaneWork[], process: Process): Promise<number> {
  return new Promise((resolve, reject) => {
    let pushed = 0;
    let committed = 0;
    const fill = () => {
      for (; pushed < works.length && pushed - committed < WINDOW; pushed++) lanes.push(works[pushed] as LaneWork);
    };
    const lanes = new Distributor({
      threads: 512,
      tasksPerTurn: 256,
      waitingLimit: WINDOW,
      order: new PairOrder(16),
      clock: systemClock,
      runner: {
        run: process,
        finished: (work, result) => result && committer.add(work.finish(result)),
        discarded: () => {},
        broken: (_, error) => reject(error),
        isBlameless: () => false,
      },
      gate: { admits: () => true, isCareful: () => false, starting: () => {}, idle: () => committer.hurry() },
    });
    const committer = new Committer({
      store: { prepare: () => {}, commit: async () => STORED },
      ownership: { index: 0, epoch: 1 },
      inbox: true,
      placement: new Placement(1),
      limits: { tasks: 512, bytes: 64 * 2 ** 20, ageMs: 5 },
      reader: { committing: () => {} },
      records: { bytesOf: () => 0 },
      troubles: new Troubles(),
      clock: systemClock,
      events: createEvents(),
      after: {
        stored(stored) {
          committed += stored.length;
          if (committed === works.length) resolve(performance.now() - startedAt);
          else fill();
        },
        sortedOut: () => {},
        storeDown: () => {},
        commitsFailed: reject,
      },
    });
    const startedAt = performance.now();
    fill();
  });
}

async function measure(name: string, keys: number, process: Process) {
  const tasks = Array.from({ length: keys }, (_, key) => taskOf(`ip:${key}`));
  const works = Array.from({ length: TASKS_PER_ROUND }, (_, at) =>
    laneWork(deliveryOf(`${at}`, at % 4 === 0), tasks[(at * 7) % keys] as Task),
  );
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await run(works, process));
  const median = times.toSorted((one, other) => one - other)[Math.floor(ROUNDS / 2)] ?? 0;
  const micros = (median * 1_000) / TASKS_PER_ROUND;
  console.log(`${name}, ${keys} keys: ${micros.toFixed(2)} µs a task, ${Math.round(1e6 / micros)} tasks/s`);
}

for (const keys of KEYS) {
  await measure('ends at once', keys, () => RESULT);
  await measure('ends by a promise', keys, () => Promise.resolve(RESULT));
}
