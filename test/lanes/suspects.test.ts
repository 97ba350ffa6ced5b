/** Tasks that ran when a process was killed: one of them may have done it, so each runs alone. */
import { expect, it } from 'vitest';
import { Distributor } from '../../lib/lanes/distributor.js';
import type { Work } from '../../lib/lanes/work.js';
import { PairOrder } from '../../lib/queue/pair.js';
import { nextTurn, testWork } from '../support/deliveries.js';

function bed(threads = 4) {
  const running = new Map<string, () => void>();
  const beside: [id: string, with_: string[]][] = [];
  const done: string[] = [];
  const lanes = new Distributor<null>({
    threads,
    tasksPerTurn: 100,
    waitingLimit: 100,
    order: new PairOrder(16),
    process({ delivery }: Work) {
      beside.push([delivery.id, [...running.keys()]]);
      return new Promise((resolve) => running.set(delivery.id, () => resolve(null)));
    },
    done: ({ delivery }) => done.push(delivery.id),
    discarded: () => {},
    broken: () => false,
    isCareful: () => false,
    isBlameless: () => false,
    admits: () => true,
    idle: () => {},
  });
  const end = async (id: string) => {
    running.get(id)!();
    running.delete(id);
    await nextTurn();
    await nextTurn();
  };
  const push = async (...works: readonly Work[]) => {
    for (const work of works) lanes.push(work);
    await nextTurn();
  };
  return { lanes, running, beside, done, end, push, started: () => beside.map(([id]) => id) };
}

it('starts a suspect when nothing else runs, and nothing beside it', async () => {
  const { push, end, running, beside, lanes } = bed();
  await push(testWork('ip:a', 'a'), testWork('ip:b', 'b'));
  await push(testWork('ip:s', 's', { attempts: 1 }), testWork('ip:c', 'c'), testWork('ip:t', 't', { attempts: 2 }));
  expect([...running.keys()]).toEqual(['a', 'b']);
  await end('a');
  expect([...running.keys()]).toEqual(['b']);
  // It waits for good reason: nothing stands still.
  expect(lanes.revive()).toBe(false);
  await end('b');
  expect([...running.keys()]).toEqual(['s']);
  await end('s');
  expect([...running.keys()]).toEqual(['c']);
  await end('c');
  await end('t');
  expect(beside.filter(([id]) => id === 's' || id === 't')).toEqual([
    ['s', []],
    ['t', []],
  ]);
  expect(lanes.status()).toMatchObject({ busy: 0, waiting: 0, keys: 0, restarts: 0 });
});

it('lets the others run side by side again afterwards', async () => {
  const { push, end, running } = bed();
  await push(testWork('ip:s', 's', { attempts: 1 }), ...['a', 'b', 'c'].map((id) => testWork(`ip:${id}`, id)));
  expect([...running.keys()]).toEqual(['s']);
  await end('s');
  expect([...running.keys()]).toEqual(['a', 'b', 'c']);
});

it('keeps a suspect in its place among the tasks of its entity', async () => {
  const { push, end, started } = bed();
  await push(testWork('ip:a', '1'), testWork('ip:a', '2', { attempts: 1 }), testWork('ip:a', '3'));
  for (const id of ['1', '2', '3']) await end(id);
  expect(started()).toEqual(['1', '2', '3']);
});
