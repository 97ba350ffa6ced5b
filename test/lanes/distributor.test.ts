/** The lanes, case by case: what they say of themselves, and their bounds. */
import { describe, expect, it } from 'vitest';
import { Distributor, type DistributorOptions, type Gate, type Runner } from '../../lib/lanes/distributor.js';
import { PairOrder } from '../../lib/queue/pair.js';
import { systemClock } from '../../lib/runtime/clock.js';
import { nextTurn, testWork, until } from '../support/deliveries.js';
import { resultOf } from '../support/results.js';

type Given = Partial<Omit<DistributorOptions, 'runner' | 'gate'>> & Partial<Gate> & Partial<Pick<Runner, 'run'>>;

function setUp({ admits, starting, run, ...given }: Given = {}) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const done: string[] = [];
  const lanes = new Distributor({
    threads: 2,
    tasksPerTurn: 100,
    waitingLimit: 1_000,
    order: new PairOrder(16),
    clock: systemClock,
    gate: {
      admits: admits ?? (() => true),
      isCareful: () => false,
      starting: starting ?? (() => {}),
      idle: () => {},
    },
    runner: {
      run:
        run ??
        ((work) => {
          started.push(work.delivery.id);
          return new Promise((resolve) => ends.set(work.delivery.id, () => resolve(resultOf())));
        }),
      finished: (work) => done.push(work.delivery.id),
      discarded: () => {},
      broken: () => {},
      isBlameless: () => false,
    },
    ...given,
  });
  const end = async (id: string) => {
    await until(() => ends.has(id), `${id} runs`);
    ends.get(id)?.();
    await nextTurn();
  };
  return { lanes, started, done, end };
}

function atOnce(started: string[]): Given {
  return {
    run(work) {
      started.push(work.delivery.id);
      return resultOf();
    },
  };
}

describe('the lanes', () => {
  it('run at least one normal task in 16 where priority tasks keep coming', async () => {
    const started: string[] = [];
    const { lanes } = setUp(atOnce(started));
    for (let n = 0; n < 100; n++) lanes.push(testWork(`ip:p${n}`, `p${n}`, { priority: true }));
    for (let n = 0; n < 5; n++) lanes.push(testWork(`ip:n${n}`, `n${n}`));
    while (lanes.status().waiting > 0) await nextTurn();
    expect(started.flatMap((id, at) => (id.startsWith('n') ? [at] : []))).toEqual([15, 31, 47, 63, 79]);
  });

  it('let other keys go on while the task of one does not end', async () => {
    const { lanes, started, end } = setUp();
    for (const id of ['slow 1', 'slow 2', 'slow 3']) lanes.push(testWork('ip:slow', id));
    for (const id of ['1', '2', '3']) lanes.push(testWork(`ip:${id}`, id));
    await nextTurn();
    for (const id of ['1', '2', '3']) await end(id);
    expect(started).toEqual(['slow 1', '1', '2', '3']);
    expect(lanes.running().map(({ delivery }) => delivery.id)).toEqual(['slow 1']);
    expect(lanes.fullest()).toEqual({ key: 'ip:slow', tasks: 3 });
    expect(lanes.status()).toEqual({ busy: 1, waiting: 2, keys: 1, restarts: 0 });
  });

  it('tell together what starts together, before the first of it runs', async () => {
    const steps: string[] = [];
    const { lanes } = setUp({
      threads: 3,
      starting: (works) => steps.push(`start ${works.map(({ delivery }) => delivery.id).join(' ')}`),
      run: (work) => {
        steps.push(work.delivery.id);
        return resultOf();
      },
    });
    for (let n = 0; n < 5; n++) lanes.push(testWork(`ip:${n}`, `${n}`));
    lanes.push(testWork('ip:4', '5'));
    await nextTurn();
    expect(steps).toEqual(['start 0 1 2', '0', '1', '2', 'start 3 4', '3', '4', 'start 5', '5']);
  });

  it('let the event loop turn after a number of tasks', async () => {
    const started: string[] = [];
    const { lanes } = setUp({ tasksPerTurn: 10, ...atOnce(started) });
    for (let n = 0; n < 25; n++) lanes.push(testWork(`ip:${n}`, `${n}`));
    expect(started).toEqual([]);
    const seen: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      await nextTurn();
      seen.push(started.length);
    }
    expect(seen).toEqual([10, 20, 25]);
  });

  it('are quiet when nothing runs, whatever waits', async () => {
    const { lanes, end } = setUp();
    await lanes.quiet();
    lanes.push(testWork('ip:1', '1'));
    lanes.push(testWork('ip:1', '2'));
    await nextTurn();
    let quiet = false;
    void lanes.quiet().then(() => {
      quiet = true;
    });
    lanes.halt();
    await nextTurn();
    expect(quiet).toBe(false);
    await end('1');
    expect(quiet).toBe(true);
    expect(lanes.status()).toMatchObject({ busy: 0, waiting: 1 });
  });

  it('take as many tasks as may wait, and refuse one more', () => {
    const { lanes } = setUp({ waitingLimit: 2 });
    lanes.push(testWork('ip:1', '1'));
    lanes.push(testWork('ip:2', '2'));
    expect(() => lanes.push(testWork('ip:1', '3'))).toThrow('2 tasks wait in the lanes, and one more came');
  });

  it('are set going again by hand only where they could go on and do not', async () => {
    let admits = false;
    const { lanes, started } = setUp({ admits: () => admits });
    lanes.push(testWork('ip:1', '1'));
    await nextTurn();
    expect(lanes.revive()).toBe(false);
    admits = true; // and nobody wakes them
    await nextTurn();
    expect(started).toEqual([]);
    expect(lanes.revive()).toBe(true);
    expect(lanes.status().restarts).toBe(1);
    await nextTurn();
    expect(started).toEqual(['1']);
    expect(lanes.revive()).toBe(false);
  });

  it('take keys by any name', async () => {
    const started: string[] = [];
    const { lanes } = setUp(atOnce(started));
    for (const key of ['__proto__', 'constructor', '']) lanes.push(testWork(key, key));
    await nextTurn();
    expect(started).toEqual(['__proto__', 'constructor', '']);
    expect(lanes.status().keys).toBe(0);
  });
});
