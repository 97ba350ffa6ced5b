/** The data path, case by case: what is acknowledged when, what is asked of the inbox, and what a lost connection leaves. */
import { describe, expect, it } from 'vitest';
import { ExecutionError } from '../../lib/executor/executor.js';
import type { TaskResult } from '../../lib/model/record.js';
import type { Task } from '../../lib/model/task.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { DataPath, ELSEWHERE, HERE, journalOf, message, scriptOf } from '../support/data-path.js';
import { nextTurn } from '../support/deliveries.js';
import { seeded } from '../support/random.js';

const [EID = '', OTHER = ''] = HERE;

/** An executor whose tasks end when the test says so. */
function byHand() {
  const running = new Map<string, { end(): void; fail(error: Error): void }>();
  const started: string[] = [];
  const execute = (task: Task) => {
    const { name } = scriptOf(task);
    const { etype, eid } = task;
    started.push(name);
    return new Promise<TaskResult>((resolve, reject) => {
      const result: TaskResult = { outcome: 'applied', etype, eid, history: [], raw: [], derived: [] };
      running.set(name, { end: () => resolve(result), fail: reject });
    });
  };
  const of = (name: string) => {
    const found = running.get(name);
    if (!found) throw new Error(`${name} does not run`);
    return found;
  };
  return {
    execute,
    started,
    end: (name: string) => of(name).end(),
    fail: (name: string) => of(name).fail(new Error('broken')),
  };
}

async function start(options: ConstructorParameters<typeof DataPath>[0] = {}): Promise<DataPath> {
  const path = new DataPath(options);
  await path.takeOver();
  return path;
}

describe('acknowledging', () => {
  it('happens after the commit, and not before', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute });
    path.queue.put(message(EID, { name: '1' }));
    await path.until(() => hand.started.length === 1, 'it runs');
    expect(path.queue.settledMessages).toBe(0);
    expect(path.queue.runs).toBe(1);
    hand.end('1');
    await path.settled();
    expect(path.store.stored).toHaveLength(1);
    expect(path.queue.settledMessages).toBe(1);
    expect(path.store.inbox).toEqual(new Set(['id-1']));
  });

  it('happens when the lane starts the task, for at-most-once', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute, delivery: 'at-most-once' });
    path.queue.put(message(EID, { name: '1' }), message(EID, { name: '2' }));
    await path.until(() => hand.started.length === 1, 'it runs');
    expect(path.queue.settledMessages).toBe(1);
    expect(path.store.stored).toEqual([]);
    hand.end('1');
    await path.until(() => hand.started.length === 2, 'the second runs');
    hand.end('2');
    await path.until(() => path.store.stored.length === 2, 'both are stored');
    expect(path.queue.settledMessages).toBe(2);
    expect(path.store.inbox.size).toBe(0);
  });

  it('holds at most worker_threads tasks that are neither in the queue nor in the store, for at-most-once', async () => {
    const path = await start({ delivery: 'at-most-once', store: { turns: 5 }, limits: { threads: 3 } });
    path.queue.put(...HERE.slice(0, 40).map((eid, at) => message(eid, { name: `${at}` })));
    let most = 0;
    await path.until(
      () => path.store.stored.length === 40,
      'all are stored',
      () => {
        most = Math.max(most, path.queue.settledMessages - path.store.stored.length);
      },
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3);
  });
});

describe('an owner that is not sure of its index', () => {
  it('starts nothing while the store is asked, and goes on when it is told that it owns', async () => {
    const hands = byHand();
    const path = await start({ execute: hands.execute });
    let answer = (_: boolean) => {};
    let asked = 0;
    const answered = new Promise<boolean>((resolve) => {
      answer = resolve;
    });
    path.store.holds = () => {
      asked++;
      return answered;
    };
    path.queue.put(message(EID, { name: 'a' }), message(OTHER, { name: 'b' }));
    await path.until(() => asked > 0, 'the store is asked');
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(hands.started).toEqual([]);
    path.store.holds = () => true;
    answer(true);
    await path.until(() => hands.started.length === 2, 'both have started');
    for (const name of ['a', 'b']) hands.end(name);
    await path.settled();
  });

  it('starts nothing where the index is lost', async () => {
    const hands = byHand();
    const path = await start({ execute: hands.execute });
    path.store.holds = () => false;
    path.queue.put(message(EID, { name: 'a' }));
    await path.until(() => path.pipeline.status().waiting === 1, 'it has come');
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(hands.started).toEqual([]);
  });
});

describe('the inbox', () => {
  it('is asked for what may have been committed, before it is executed, in one question for many', async () => {
    const path = await start({ store: { turns: 2 } });
    path.store.inbox.add('id-1');
    const again = { redelivered: true };
    path.queue.put(
      message(EID, { name: '0' }),
      message(EID, { name: '1' }, again),
      message(OTHER, { name: '2' }, again),
      message(EID, { name: '3' }),
    );
    await path.settled();
    expect(path.store.asked).toEqual(['id-1', 'id-2']);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['0', '3']);
    expect(journalOf(path.store.records.get(`ip:${OTHER}`))).toEqual(['2']);
    expect(path.store.ends.get('done-before')).toBeUndefined();
  });

  it('is asked again for what comes while it is asked', async () => {
    const path = await start({ store: { turns: 20 } });
    for (const name of ['1', '2']) path.store.inbox.add(`id-${name}`);
    path.queue.put(message(EID, { name: '1' }, { redelivered: true }));
    await path.until(() => path.store.asked.length === 1, 'the first was asked for');
    path.queue.put(message(EID, { name: '2' }, { redelivered: true }), message(EID, { name: '3' }));
    await path.settled();
    expect(path.store.asked).toEqual(['id-1', 'id-2']);
    expect(path.store.ends.get('done-before')).toBeUndefined();
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['3']);
  });

  it('is neither asked nor filled for what the queue never delivers again', async () => {
    const path = await start();
    path.queue.put(message(EID, { name: '1' }, { redelivered: true, deduplicated: true }));
    await path.settled();
    expect(path.store.asked).toEqual([]);
    expect(path.store.inbox.size).toBe(0);
    expect(path.store.stored).toHaveLength(1);
  });

  it('knows a message without an id by its body when it is delivered again', async () => {
    const path = await start();
    path.store.inbox.add('id-1');
    path.queue.put(message(EID, { name: '1' }, { lacksId: true, redelivered: true }));
    await path.settled();
    expect(path.store.stored).toEqual([]);
    expect(path.queue.settledMessages).toBe(1);
  });

  it('applies a message without an id whose body was committed long ago: the broker says that it never delivered it', async () => {
    const path = await start();
    path.store.inbox.add('id-1');
    const ambiguous: string[] = [];
    path.events.on('task-ambiguous', ({ id }) => ambiguous.push(id));
    path.queue.put(message(EID, { name: '1' }, { lacksId: true }));
    await path.settled();
    expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(ambiguous);
    expect(ambiguous).not.toContain('id-1');
    expect(ambiguous).toHaveLength(1);
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['1']);
  });

  it('applies twins without ids each, those that are open at the same time and those that follow, and counts them', async () => {
    const path = await start();
    const ambiguous: string[] = [];
    path.events.on('task-ambiguous', ({ id }) => ambiguous.push(id));
    const twin = message(EID, { name: '1' }, { lacksId: true });
    path.queue.put(twin, { ...twin, redelivered: true }, { ...twin, redelivered: true });
    await path.settled();
    path.queue.put(twin);
    await path.settled();
    expect(path.store.stored).toHaveLength(4);
    expect(new Set(path.store.inbox)).toEqual(new Set(['id-1', ...ambiguous]));
    expect(ambiguous).toHaveLength(3);
  });

  it('makes deliveries wait while the store is away, in their order', async () => {
    const path = await start({ store: { random: seeded(1), away: 0.7 } });
    for (const name of ['1', '2', '3']) path.queue.put(message(EID, { name }, { redelivered: name === '1' }));
    await path.settled();
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['1', '2', '3']);
    expect(path.failures).toEqual([]);
  });

  it('settles all that was committed before and comes in one turn together', async () => {
    const path = await start();
    const known: string[] = [];
    path.events.on('task-known', ({ id }) => known.push(id));
    const messages = ['1', '2', '3', '4'].map((name) => message(EID, { name }));
    path.queue.put(...messages);
    await path.settled();
    path.queue.put(...messages);
    await path.settled();
    path.queue.put(...messages.map((each) => ({ ...each, redelivered: true })));
    await path.settled();
    expect([known.length, path.queue.settlings, path.store.stored.length]).toEqual([8, 2, 4]);
  });

  it('ends the worker when what was committed before cannot be settled', async () => {
    const path = await start();
    path.queue.put(message(EID, { name: '1' }));
    await path.settled();
    path.queue.cannotSettle = new Error('disk full');
    path.queue.put(message(EID, { name: '1' }));
    await path.until(() => path.failures.length > 0, 'the worker ends');
    expect(path.failures).toEqual([path.queue.cannotSettle]);
  });
});

describe.each(['effectively-once', 'at-least-once', 'at-most-once'] as const)('a copy, %s,', (delivery) => {
  it('is left out while the first one is on its way, and after it was done', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute, delivery });
    const known: string[] = [];
    path.events.on('task-known', ({ id }) => known.push(id));
    path.queue.put(message(EID, { name: '1' }), message(EID, { name: '1' }), message(EID, { name: '1' }));
    await path.until(() => hand.started.length === 1, 'it runs');
    await nextTurn();
    expect(hand.started).toEqual(['1']);
    hand.end('1');
    await path.settled();
    expect(known).toEqual(['id-1', 'id-1']);
    path.queue.put(message(EID, { name: '1' }));
    await path.settled();
    expect(known).toHaveLength(3);
    expect(hand.started).toEqual(['1']);
  });

  it('is left out where a lost connection brings it, whether its first one runs, was stored or waits', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute, delivery });
    path.queue.put(...['1', '2'].map((name) => message(EID, { name })), message(OTHER, { name: '3' }));
    await path.until(() => hand.started.length === 2, 'two run');
    const losing = path.queue.lose();
    for (const name of ['1', '3']) hand.end(name);
    await losing;
    await path.until(() => hand.started.length === 3, 'the third runs');
    hand.end('2');
    await path.until(() => path.queue.left === 0 && path.atRest, 'everything is at rest');
    expect(hand.started).toEqual(['1', '3', '2']);
    expect(path.store.stored.map(({ delivery: { id } }) => id).toSorted()).toEqual(['id-1', 'id-2', 'id-3']);
  });

  it('waits for the first one, which may break and then runs again', async () => {
    const path = await start({ delivery });
    const breaks = message(EID, { name: '1', breaks: 2 });
    path.queue.put(breaks, breaks, message(EID, { name: '2' }));
    await path.until(() => path.queue.left === 0 && path.atRest, 'everything is at rest');
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['1', '2']);
  });
});

describe.each(['at-least-once', 'at-most-once'] as const)('a message without an id, %s,', (delivery) => {
  it('is no copy of one with the same body: without an inbox they cannot be told apart, and none may be lost', async () => {
    const path = await start({ delivery });
    const twin = message(EID, { name: '1' }, { lacksId: true });
    path.queue.put(twin, twin, { ...twin, redelivered: true });
    await path.until(() => path.store.stored.length === 3, 'all are stored');
  });
});

describe('what is not executed here', () => {
  it('sends a misrouted task on with its id, queue and body, once that is committed', async () => {
    const path = await start();
    const misrouted = message(ELSEWHERE[0] ?? '', { name: '1' }, { priority: true });
    path.queue.put(misrouted);
    await path.settled();
    expect(path.sent).toEqual([
      { id: 'id-1', key: `ip:${ELSEWHERE[0]}`, index: 1, priority: true, body: misrouted.body, forwarded: true },
    ]);
    expect(path.store.records.size).toBe(0);
  });

  it('puts a message aside that is no task, or too long, with the reason', async () => {
    const path = await start();
    path.queue.put({ id: 'a', body: Buffer.from('{') }, { id: 'b', body: Buffer.alloc(1_001, ' ') });
    await path.settled();
    expect(path.store.quarantined.map(({ id, code }) => [id, code])).toEqual([
      ['a', 'MESSAGE_INVALID'],
      ['b', 'MESSAGE_INVALID'],
    ]);
    expect(path.store.quarantined[1]?.reason).toBe('Message: given 1001 bytes, allowed are 1000 (message.bytes).');
  });

  it('puts a task aside that has broken processes and lanes as often as is allowed, and only it', async () => {
    const path = await start({ limits: { maxAttempts: 3 } });
    path.queue.put(
      message(EID, { name: '1', breaks: 1 }, { attempts: 1 }),
      message(EID, { name: '2', breaks: 1 }, { attempts: 2 }),
      message(EID, { name: '3' }, { attempts: 3 }),
      message(EID, { name: '4' }, { attempts: 2 }),
    );
    await path.settled();
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['1', '4']);
    expect(path.store.quarantined.map(({ id, code }) => [id, code])).toEqual([
      ['id-2', 'ATTEMPTS_EXHAUSTED'],
      ['id-3', 'ATTEMPTS_EXHAUSTED'],
    ]);
    expect(path.pipeline.status().restarts).toBe(2);
  });

  it('puts a message aside unread that has ended processes as often as is allowed while it was read', async () => {
    const path = await start({ limits: { maxAttempts: 3 } });
    const unread = { suspect: true, unread: true };
    path.queue.put(
      message(EID, { name: '1' }, { ...unread, attempts: 3 }),
      message(EID, { name: '2' }, { ...unread, attempts: 2 }),
      { id: 'no task', body: Buffer.from('{'), ...unread, attempts: 4 },
    );
    await path.settled();
    expect(journalOf(path.store.records.get(`ip:${EID}`))).toEqual(['2']);
    expect(path.store.quarantined).toMatchObject([
      {
        id: 'id-1',
        code: 'ATTEMPTS_EXHAUSTED',
        reason: expect.stringMatching(/^Message: .* 3 times, .*read.*allowed are 3/),
      },
      { id: 'no task', code: 'ATTEMPTS_EXHAUSTED' },
    ]);
  });

  it.each(['effectively-once', 'at-least-once', 'at-most-once'] as const)(
    'keeps a suspect alone, from before it is read until it is committed (%s)',
    async (delivery) => {
      const hand = byHand();
      const path = await start({ delivery, execute: hand.execute, limits: { threads: 4 }, store: { turns: 3 } });
      path.queue.put(
        message(EID, { name: 'before' }),
        message(OTHER, { name: 'first' }, { suspect: true }),
        message(OTHER, { name: 'second' }, { suspect: true }),
        message(EID, { name: 'after' }),
        message(HERE[2]!, { name: 'beside' }),
      );
      const runs = async (...names: readonly string[]) => {
        await path.until(() => hand.started.length >= names.length, `${names} run`);
        for (let turn = 0; turn < 20; turn++) await nextTurn();
        expect(hand.started).toEqual(names);
      };
      await runs('before');
      hand.end('before');
      await runs('before', 'first');
      expect(path.store.stored).toHaveLength(1);
      hand.end('first');
      await path.until(() => path.queue.committed.length > 0, 'it is committed');
      expect(path.queue.committed).toEqual(['id-first']);
      await runs('before', 'first', 'second');
      expect(path.store.stored).toHaveLength(2);
      hand.end('second');
      await runs('before', 'first', 'second', 'after', 'beside');
      expect(path.queue.committed).toEqual([]);
      hand.end('after');
      hand.end('beside');
      await path.settled();
    },
  );

  it.each(['effectively-once', 'at-least-once', 'at-most-once'] as const)(
    'blames no task where the store has failed for good: it breaks no lane, and all stays as it is (%s)',
    async (delivery) => {
      const path = await start({
        delivery,
        limits: { maxAttempts: 1, maxRestarts: 1 },
        execute: async () => {
          throw new ExecutionError(null, new ApplicationError('STORE_FAILED', 'data are damaged'));
        },
      });
      path.queue.put(message(EID, { name: '1' }), message(EID, { name: '2' }), message(OTHER, { name: '3' }));
      await path.until(() => path.failures.length === 1, 'it fails');
      await path.until(() => path.pipeline.status().busy === 0, 'nothing runs');
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      expect(path.failures).toMatchObject([{ code: 'STORE_FAILED' }]);
      expect(path.pipeline.status()).toMatchObject({ restarts: 0, busy: 0, waiting: 3 });
      expect(path.store.stored).toEqual([]);
      expect(path.queue.runs).toBe(0);
      if (delivery !== 'at-most-once') expect(path.queue.left).toBe(3);
    },
  );

  it('ends the worker when its lanes broke too often, and starts nothing more', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute, limits: { maxRestarts: 2, maxAttempts: 9 } });
    path.queue.put(message(EID, { name: '1' }), message(OTHER, { name: '2' }));
    await path.until(() => hand.started.length === 2, 'both run');
    hand.fail('1');
    await path.until(() => hand.started.length === 3, 'it runs again');
    expect(path.failures).toEqual([]);
    hand.fail('1');
    await path.until(() => path.failures.length === 1, 'it fails');
    expect(path.failures).toMatchObject([{ code: 'TOO_MANY_RESTARTS' }]);
    hand.fail('2');
    await nextTurn();
    await nextTurn();
    expect(hand.started).toEqual(['1', '2', '1']);
    expect(path.queue.paused).toBe(true);
    expect(path.failures).toHaveLength(1);
  });
});

describe('a lost connection', () => {
  it('drops what has not started, commits what runs, and executes only the rest again', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute });
    path.queue.put(message(EID, { name: '1' }), message(EID, { name: '2' }), message(OTHER, { name: '3' }));
    await path.until(() => hand.started.length === 2, 'two run');
    let back = false;
    const losing = path.queue.lose().then(() => {
      back = true;
    });
    await nextTurn();
    expect(path.pipeline.status()).toMatchObject({ busy: 2, waiting: 0 });
    hand.end('1');
    await nextTurn();
    expect(back).toBe(false);
    hand.end('3');
    await losing;
    await path.until(() => hand.started.length === 3, 'what had not started runs');
    expect(hand.started).toEqual(['1', '3', '2']);
    hand.end('2');
    await path.settled();
    expect(path.store.asked.toSorted()).toEqual(['id-1', 'id-2', 'id-3']);
    expect(path.store.stored.map(({ delivery }) => delivery.id).toSorted()).toEqual(['id-1', 'id-2', 'id-3']);
  });

  it('starts nothing again whose delivery is void, although its result could not be committed', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute, store: { turns: 10 } });
    path.store.inbox.add('id-1');
    path.queue.put(message(EID, { name: '1' }), message(OTHER, { name: '3' }), message(EID, { name: '2' }));
    for (const name of ['1', '3', '2']) {
      await path.until(() => hand.started.includes(name), `${name} runs`);
      hand.end(name);
    }
    await nextTurn();
    await path.queue.lose();
    expect(path.store.ends.get('done-before')).toBe(1);
    expect(hand.started).toEqual(['1', '3', '2']);
    await path.until(() => hand.started.length === 4, 'it is delivered again');
    hand.end('2');
    await path.settled();
    expect(hand.started).toEqual(['1', '3', '2', '2']);
    expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(['id-3', 'id-2']);
  });

  it('does not bring a worker back to work that is coming to rest', async () => {
    const hand = byHand();
    const path = await start({ execute: hand.execute });
    path.queue.put(message(EID, { name: '1' }), message(EID, { name: '2' }));
    await path.until(() => hand.started.length === 1, 'it runs');
    path.pipeline.rest('a test');
    const losing = path.queue.lose();
    hand.end('1');
    await losing;
    path.queue.resume();
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    expect(hand.started).toEqual(['1']);
  });
});
