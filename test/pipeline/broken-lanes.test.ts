/** Lanes that break: which tasks are put aside for it, and when a worker cannot go on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExecutionError } from '../../lib/executor/executor.js';
import { DataPath, type DataPathOptions, HERE, journalOf, message } from '../support/data-path.js';
import { nextTurn } from '../support/deliveries.js';
import { below, seeded } from '../support/random.js';

const [one = '', other = '', third = ''] = HERE;
const ALWAYS = 1_000_000;

async function pathOf(options: DataPathOptions): Promise<DataPath> {
  const path = new DataPath(options);
  await path.takeOver();
  return path;
}

describe('a worker whose lanes broke too often', () => {
  it('commits and acknowledges what has finished, and starts nothing more', async () => {
    const path = await pathOf({ limits: { threads: 1, maxRestarts: 1 } });
    path.queue.put(
      message(one, { name: 'good' }),
      message(other, { name: 'bad', breaks: 1 }),
      message(third, { name: 'late' }),
    );
    await path.until(() => path.failures.length > 0, 'the worker has failed');
    await path.until(() => path.pipeline.status().busy === 0, 'nothing runs');
    const flushed = path.pipeline.commitFinished('a test');
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    await flushed;
    expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(['id-good']);
    expect(journalOf(path.store.records.get(`ip:${one}`))).toEqual(['good']);
    expect(path.queue.settledMessages).toBe(1);
    expect(path.queue.left).toBe(2);
    expect(path.failures).toMatchObject([{ code: 'TOO_MANY_RESTARTS' }]);
  });

  it('names the last entity and the hook that ran', async () => {
    const execute = () => {
      throw new ExecutionError('geo onNewPlain.ip.hostname', new Error('out of memory'));
    };
    const path = await pathOf({ execute, limits: { maxRestarts: 20, maxAttempts: 1_000 } });
    path.queue.put(message(one, { name: 'bad' }));
    await path.until(() => path.failures.length > 0, 'the worker has failed');
    expect(String(path.failures[0])).toContain(
      `lanes broke 20 times and no task reached 1000 attempts (quarantine.max_attempts); the program stops after 20 ` +
        `(watchdog.max_restarts). The last one: ip:${one}, hook geo onNewPlain.ip.hostname: out of memory`,
    );
    expect(path.pipeline.status().restarts).toBe(20);
  });

  it('counts anew whenever a task reaches its limit', async () => {
    const path = await pathOf({ limits: { threads: 1, maxRestarts: 4, maxAttempts: 3 } });
    path.queue.put(...HERE.slice(0, 30).map((eid) => message(eid, { name: eid, breaks: ALWAYS })));
    await path.settled();
    expect(path.failures).toEqual([]);
    expect(path.store.quarantined).toHaveLength(30);
    expect(path.pipeline.status().restarts).toBe(90);
  });
});

describe.each(['effectively-once', 'at-least-once', 'at-most-once'] as const)('tasks that break, %s', (delivery) => {
  it.each([8, 17])('reach quarantine, %i of them side by side, and the worker goes on', async (breaking) => {
    const limits = { threads: breaking, maxRestarts: 20, maxAttempts: 3 };
    const path = await pathOf({ delivery, limits, turns: 2 });
    const bad = HERE.slice(0, breaking).map((eid) => message(eid, { name: `bad-${eid}`, breaks: ALWAYS }));
    const good = HERE.slice(0, breaking).map((eid) => message(eid, { name: `good-${eid}` }));
    path.queue.put(...bad, ...good);
    await path.until(() => path.store.stored.length === 2 * breaking, 'all is stored');
    expect(path.failures).toEqual([]);
    expect(path.store.quarantined.map(({ id }) => id).sort()).toEqual(bad.map(({ id }) => id).sort());
    for (const eid of HERE.slice(0, breaking)) {
      expect(journalOf(path.store.records.get(`ip:${eid}`))).toEqual([`good-${eid}`]);
    }
  });
});

it('tasks that break run as often as is allowed and no more, whatever life of their worker it is', async () => {
  const some = fc.array(fc.record({ bad: fc.boolean(), priority: fc.boolean() }), { minLength: 1, maxLength: 40 });
  const delivery = fc.constantFrom('effectively-once' as const, 'at-least-once' as const);
  await fc.assert(
    fc.asyncProperty(some, delivery, fc.nat(), async (plan, how, seed) => {
      const random = seeded(seed);
      const path = await pathOf({ random, delivery: how, limits: { threads: 1 + below(8, random), maxAttempts: 3 } });
      const bad = plan.flatMap((each, at) => (each.bad ? [`${at}`] : []));
      const messages = plan.map(({ bad, priority }, at) => {
        return message(HERE[at] ?? '', { name: `${at}`, ...(bad && { breaks: ALWAYS }) }, { priority });
      });
      let busy = false;
      const anotherLife = () => {
        if (busy || random() > 0.2) return;
        busy = true;
        const ended = random() < 0.5 ? path.takeOver() : path.queue.lose();
        void Promise.resolve(ended).finally(() => {
          busy = false;
        });
      };
      const over = () => messages.length === 0 && path.queue.left === 0 && !busy;
      await path.until(over, 'all is settled', () => {
        path.queue.put(...messages.splice(0, below(4, random)));
        anotherLife();
      });
      // At least once, one that is in quarantine can come again.
      const aside = new Set(path.store.quarantined.map(({ id }) => id));
      expect([...aside].sort()).toEqual(bad.map((name) => `id-${name}`).sort());
      expect(bad.map((name) => path.broken.get(name))).toEqual(bad.map(() => 3));
    }),
    { numRuns: 100 },
  );
});
