/**
 * What lanes and commits cost a task: an executor that does nothing at once, a store that stores nothing, a window that is refilled
 * as tasks are committed. With few keys, with as many as there are tasks, and with tasks that wait for a promise. Prints figures.
 */
import { Committer } from '../lib/commit/committer.js';
import { Distributor } from '../lib/lanes/distributor.js';
import { type Work, workOf } from '../lib/lanes/work.js';
import type { Delivery } from '../lib/model/delivery.js';
import type { TaskResult } from '../lib/model/record.js';
import { createEvents } from '../lib/observability/events.js';
import { makeLogger } from '../lib/observability/logger.js';
import { PairOrder } from '../lib/queue/pair.js';
import { systemClock } from '../lib/runtime/clock.js';

const ROUNDS = 5;
const TASKS_PER_ROUND = 500_000;
const WINDOW = 2_048;
const RESULT: TaskResult = { outcome: 'applied', etype: 'ip', eid: '192.0.2.1', history: [], raw: [], derived: [] };
const BODY = Buffer.from('{}');

type Process = (work: Work) => TaskResult | Promise<TaskResult>;

function workWith(key: string, id: string): Work {
  const task = { etype: 'ip', eid: key, key, dataPoints: [], tags: [], ttlTokens: null, delete: false, depth: 0 };
  const delivery: Delivery = {
    id,
    body: BODY,
    priority: false,
    redelivered: false,
    once: true,
    attempts: 0,
    started() {},
    ended() {},
    settle() {},
  };
  return workOf(delivery, task);
}

/** Nanoseconds a task, with what it takes to make its delivery. */
function round(process: Process, keys: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    let pushed = 0;
    let committed = 0;
    const startedAt = performance.now();
    const fill = () => {
      for (; pushed < TASKS_PER_ROUND && pushed - committed < WINDOW; pushed++) {
        lanes.push(workWith(keys[pushed % keys.length] ?? '', `${pushed}`));
      }
    };
    const lanes: Distributor<TaskResult> = new Distributor({
      threads: 8,
      tasksPerTurn: 256,
      waitingLimit: WINDOW,
      order: new PairOrder(),
      process,
      done: (work, result) => committer.add({ delivery: work.delivery, result, key: work.task.key, again: work }),
      discarded: () => reject(new Error('a result was discarded')),
      broken: () => false,
      admits: () => true,
      idle: () => committer.hurry(),
    });
    const committer = new Committer<Work>({
      store: { commit: async () => ({ kind: 'stored' }) },
      ownership: { index: 0, epoch: 1 },
      inbox: true,
      limits: { tasks: 512, ageMs: 5 },
      clock: systemClock,
      events: createEvents(),
      log: makeLogger(() => {}, 'error', {}),
      committed(entries) {
        committed += entries.length;
        if (committed < TASKS_PER_ROUND) fill();
        else resolve(((performance.now() - startedAt) * 1e6) / TASKS_PER_ROUND);
      },
      known: () => {},
      rewind: (key, works) => lanes.rewind(key, works),
      away: () => {},
      failed: reject,
    });
    fill();
  });
}

async function main(): Promise<void> {
  const keys = Array.from({ length: TASKS_PER_ROUND }, (_, at) => `ip:${at}`);
  const cases: [string, Process, readonly string[]][] = [
    ['1,000 keys', () => RESULT, keys.slice(0, 1_000)],
    ['one key', () => RESULT, keys.slice(0, 1)],
    ['every task a key of its own', () => RESULT, keys],
    ['1,000 keys, each task waits', async () => RESULT, keys.slice(0, 1_000)],
  ];
  for (const [name, process, some] of cases) {
    await round(process, some);
    const rounds: number[] = [];
    for (let at = 0; at < ROUNDS; at++) rounds.push(await round(process, some));
    rounds.sort((one, other) => one - other);
    const [least = 0, median = 0] = [rounds[0], rounds[ROUNDS >> 1]];
    console.log(`${name.padEnd(28)} median ${Math.round(median)} ns a task, least ${Math.round(least)}`);
  }
}

await main();
