/** Delivery at most once: a task is acknowledged when its lane starts it, and only so many may be at risk at a time. */
import { describe, expect, it } from 'vitest';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { DataPath, HERE, journalOf, message } from '../support/data-path.js';

const THREADS = 3;
const messages = Array.from({ length: 60 }, (_, at) => message(HERE[at % 5] ?? '', { name: `${at}` }));

describe('delivery at most once', () => {
  it.each([0, 4])('risks no more tasks than may run at once, when each takes up to %i turns', async (turns) => {
    const path = new DataPath({ delivery: 'at-most-once', limits: { threads: THREADS }, turns, store: { turns: 2 } });
    await path.takeOver();
    path.queue.put(...messages);
    let most = 0;
    await path.until(
      () => path.store.stored.length === messages.length,
      'everything is stored',
      () => {
        most = Math.max(most, path.queue.settledMessages - path.store.stored.length);
      },
    );
    expect(most).toBe(THREADS);
    const journals = HERE.slice(0, 5).map((eid) => journalOf(path.store.records.get(`ip:${eid}`)).map(Number));
    expect(journals).toEqual([0, 1, 2, 3, 4].map((key) => messages.flatMap((_, at) => (at % 5 === key ? [at] : []))));
  });

  it('acknowledges no more than that while the store does not answer', async () => {
    const store = { answers: false };
    const random = () => (store.answers ? 0.99 : 0);
    const path = new DataPath({
      delivery: 'at-most-once',
      limits: { threads: THREADS },
      store: { random, away: 0.5 },
    });
    let retries = 0;
    path.events.on('commit-retried', () => {
      retries++;
    });
    await path.takeOver();
    store.answers = true;
    path.queue.put(messages[0]!);
    await path.settled();
    store.answers = false;
    path.queue.put(...messages.slice(1));
    await path.until(() => retries >= 4, 'the store was asked four times');
    expect(path.queue.settledMessages - path.store.stored.length).toBeLessThanOrEqual(THREADS);
    store.answers = true;
    await path.until(() => path.store.stored.length === messages.length, 'everything is stored');
  });

  it('risks no more than that also where tasks are to run again, because one before them cannot be stored', async () => {
    const path = new DataPath({ delivery: 'at-most-once', limits: { threads: 8 }, turns: 3, store: { turns: 60 } });
    await path.takeOver();
    const [one = '', ...others] = HERE;
    const bad = message(one, { name: 'bad', unstorable: true });
    const same = Array.from({ length: 20 }, (_, at) => message(one, { name: `same-${at}` }));
    path.queue.put(bad, ...same);
    await path.until(() => path.queue.settledMessages === 8, 'as many of one entity have left as may');
    path.queue.put(...others.flatMap((eid, at) => [0, 1, 2].map((n) => message(eid, { name: `${at}-${n}` }))));
    let most = 0;
    await path.until(
      () => path.queue.left === 0 && path.atRest,
      'everything is at rest',
      () => {
        most = Math.max(most, path.queue.settledMessages - path.store.stored.length);
      },
    );
    expect(most).toBe(8);
    expect(path.store.quarantined.map(({ id }) => id)).toEqual(['id-bad']);
    expect(journalOf(path.store.records.get(`ip:${one}`))).toHaveLength(20);
  });

  it('warns and does not process a task that it cannot acknowledge', async () => {
    const path = new DataPath({ delivery: 'at-most-once' });
    await path.takeOver();
    path.queue.cannotSettle = new Error('channel closed');
    path.queue.put(messages[0]!);
    const { fields } = await path.log.line('could not be acknowledged and is not processed');
    expect(fields).toMatchObject({ id: 'id-0', entity: `ip:${HERE[0]}` });
    await path.until(() => path.atRest, 'everything is at rest');
    expect(path.store.stored).toEqual([]);
    expect(path.failures).toEqual([]);
  });

  it('processes it when it comes again', async () => {
    const path = new DataPath({ delivery: 'at-most-once' });
    await path.takeOver();
    path.queue.cannotSettle = new ApplicationError('QUEUE_UNAVAILABLE', 'the connection is closed');
    path.queue.put(...messages.slice(0, 3));
    await path.log.line('could not be acknowledged and is not processed');
    await path.until(() => path.atRest, 'everything is at rest');
    path.queue.cannotSettle = null;
    path.queue.lose();
    await path.until(() => path.store.stored.length === 3, 'all are stored');
    expect(path.failures).toEqual([]);
  });

  it('takes what comes again under the id of one that has left for a copy, whatever the broker says of it', async () => {
    const path = new DataPath({ delivery: 'at-most-once' });
    const known: string[] = [];
    path.events.on('task-known', ({ id }) => known.push(id));
    await path.takeOver();
    const [first, second] = messages;
    path.queue.put(first!, { ...first!, redelivered: true }, second!, first!);
    await path.until(() => path.queue.left === 0 && path.atRest, 'everything is at rest');
    expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(['id-0', 'id-1']);
    expect(known).toEqual(['id-0', 'id-0']);
  });

  it('leaves in its queue until it is in quarantine what broke its process too often', async () => {
    const path = new DataPath({ delivery: 'at-most-once', store: { turns: 5 } });
    await path.takeOver();
    path.queue.put({ ...messages[0]!, attempts: 3 });
    await path.until(() => path.pipeline.status().uncommitted > 0, 'its commit is under way');
    expect(path.queue.settledMessages).toBe(0);
    await path.settled();
    expect(path.store.stored.map(({ result }) => result.outcome)).toEqual(['quarantined']);
  });

  it.each(['STORE_FAILED', 'OWNERSHIP_LOST'] as const)('ends when %s means that it never can again', async (code) => {
    const path = new DataPath({ delivery: 'at-most-once' });
    await path.takeOver();
    const error = new ApplicationError(code, 'for good');
    path.queue.cannotSettle = error;
    path.queue.put(...messages);
    await path.until(() => path.failures.length > 0, 'the worker ends');
    await path.until(() => path.pipeline.status().busy === 0, 'nothing runs');
    expect([path.failures, path.store.stored, path.queue.settledMessages]).toEqual([[error], [], 0]);
  });
});
