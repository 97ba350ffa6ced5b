/** What the data path does while the store does not answer: for moments, for long, and while it is asked to rest meanwhile. */
import { describe, expect, it } from 'vitest';
import { DataPath, type DataPathOptions, HERE, journalOf, message } from '../support/data-path.js';
import { nextTurn } from '../support/deliveries.js';

/** A data path whose store answers only while `answers` is true. */
function pathWithStore(options: DataPathOptions = {}) {
  const store = { answers: true };
  const random = () => (store.answers ? 0.99 : 0);
  return { store, path: new DataPath({ ...options, store: { random, away: 0.5 } }) };
}

const [eid = ''] = HERE;
const NAMES = Array.from({ length: 12 }, (_, at) => `${at}`);
const messages = NAMES.map((name) => message(eid, { name }));

function retries(path: DataPath): () => number {
  let count = 0;
  path.events.on('commit-retried', () => {
    count++;
  });
  return () => count;
}

describe('while the store does not answer', () => {
  it('acknowledges nothing, reads no more than the window holds, and says so', async () => {
    const { path, store } = pathWithStore({ windowTasks: 4 });
    await path.takeOver();
    store.answers = false;
    path.queue.put(...messages);
    const retried = retries(path);
    await path.until(() => retried() >= 3, 'the batch was sent three times');
    expect(path.queue.settledMessages).toBe(0);
    expect(path.queue.window.tasks).toBe(4);
    expect(path.pipeline.status().storeTrouble).toBe('connection refused');

    store.answers = true;
    await path.settled();
    expect(path.pipeline.status().storeTrouble).toBeNull();
    expect(journalOf(path.store.records.get(`ip:${eid}`))).toEqual(NAMES);
  });

  it('tries again after 1, 2, 5, 10 and 30 seconds, and after the first pause again the next time', async () => {
    const { path, store } = pathWithStore();
    const pauses: number[] = [];
    let enough = 0;
    path.events.on('commit-retried', ({ pauseMs }) => {
      pauses.push(pauseMs);
      if (pauses.length === enough) store.answers = true;
    });
    await path.takeOver();
    for (const [round, expected] of [[1_000, 2_000, 5_000, 10_000, 30_000, 30_000], [1_000]].entries()) {
      store.answers = false;
      enough = expected.length;
      path.queue.put(messages[round]!);
      await path.settled();
      expect(pauses.splice(0)).toEqual(expected);
    }
  });

  it('returns its deliveries after a minute, once, and goes on when the store is back without doing anything twice', async () => {
    const { path, store } = pathWithStore({ windowTasks: 4 });
    const told: string[] = [];
    path.events.on('reader-paused', ({ why }) => told.push(why));
    path.events.on('reader-resumed', () => told.push('resumed'));
    path.events.on('reader-lost', () => told.push('lost'));
    await path.takeOver();
    const connection = path.queue.connection;
    store.answers = false;
    path.queue.put(...messages);
    const retried = retries(path);
    const since = path.clock.monotonic();
    await path.until(() => path.queue.connection > connection, 'the deliveries were returned');
    expect(path.clock.monotonic() - since).toBeGreaterThanOrEqual(60_000);
    const before = retried();
    await path.until(() => retried() >= before + 3, 'the store was asked again');
    expect(path.queue.connection).toBe(connection + 1);
    expect(path.queue.window.tasks).toBe(0);

    store.answers = true;
    await path.settled();
    expect(journalOf(path.store.records.get(`ip:${eid}`))).toEqual(NAMES);
    expect(path.store.stored).toHaveLength(NAMES.length);
    expect(told).toEqual(['the store has not answered for 60 s', 'resumed']);
  });

  it('keeps its deliveries when the store is back before a minute has passed', async () => {
    const { path, store } = pathWithStore();
    await path.takeOver();
    const connection = path.queue.connection;
    store.answers = false;
    path.queue.put(...messages);
    const retried = retries(path);
    await path.until(() => retried() >= 4, 'the store was asked four times');
    store.answers = true;
    await path.settled();
    path.clock.pass(120_000);
    expect(path.queue.connection).toBe(connection);
  });
});

describe('when a connection comes back', () => {
  it('starts nothing more if the worker is coming to rest', async () => {
    const { path, store } = pathWithStore();
    const restored = new Promise((resolve) => path.events.on('reader-restored', resolve));
    await path.takeOver();
    store.answers = false;
    path.queue.put(messages[0]!);
    const retried = retries(path);
    await path.until(() => retried() > 0, 'a commit waits');
    const losing = path.queue.lose();
    path.pipeline.rest('a test says so');
    path.queue.put(...messages.slice(1));
    store.answers = true;
    await path.until(() => path.store.stored.length === 1, 'the commit under way is stored');
    await Promise.all([losing, restored]);
    path.queue.resume();
    await path.until(() => path.pipeline.status().waiting > 0, 'a task has come to the lanes');
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    expect(path.pipeline.status()).toMatchObject({ busy: 0, uncommitted: 0 });
    expect(path.pipeline.status().waiting).toBeGreaterThan(0);
    expect(path.store.stored).toHaveLength(1);
  });
});
