/** How a worker comes to rest: the order of the steps, what is left when the deadline passes, and what is said meanwhile. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OutboxPublisher } from '../../lib/commit/outbox.js';
import type { TaskResult } from '../../lib/model/record.js';
import type { Task } from '../../lib/model/task.js';
import { Deadline } from '../../lib/runtime/deadline.js';
import type { Service } from '../../lib/runtime/service.js';
import { DataPath, type DataPathOptions, HERE, message, scriptOf } from '../support/data-path.js';
import { nextTurn } from '../support/deliveries.js';
import type { MemoryMessage } from '../support/memory-queue.js';

const [EID = '', OTHER = ''] = HERE;
const SHUTDOWN_MS = 30_000;

interface Options {
  /** Services whose stop fails. */
  readonly failing?: readonly string[];
  readonly releases?: () => Promise<void>;
  readonly delivery?: DataPathOptions['delivery'];
  readonly store?: DataPathOptions['store'];
  /** Comes beside the three. */
  readonly also?: readonly MemoryMessage[];
}

/** A path with two tasks running and one waiting behind the first; ended by name. */
async function setUp({ failing = [], releases, delivery = 'effectively-once', store = {}, also = [] }: Options = {}) {
  const ends = new Map<string, () => void>();
  const steps: string[] = [];
  const execute = (task: Task) => {
    const { etype, eid } = task;
    const result: TaskResult = { outcome: 'applied', etype, eid, history: [], raw: [], derived: [] };
    return new Promise<TaskResult>((resolve) => ends.set(scriptOf(task).name, () => resolve(result)));
  };
  const path = new DataPath({ execute, delivery, store });
  const pipeline = await path.takeOver();
  path.queue.put(message(EID, { name: '1' }), message(EID, { name: '2' }), message(OTHER, { name: '3' }), ...also);
  await path.until(() => ends.size === 2, 'two run');

  const service = (name: string, stop = async () => {}): Service => ({
    name,
    start: async () => {},
    async stop() {
      steps.push(name);
      if (failing.includes(name)) throw new Error(`${name} does not stop`);
      await stop();
    },
  });
  const { reader, writer } = path.backend;
  reader.stop = service('reader', reader.stop.bind(reader)).stop;
  writer.stop = service('writer').stop;
  const outbox = vi.spyOn(OutboxPublisher.prototype, 'stop').mockImplementation(service('outbox').stop);
  onTestFinished(() => outbox.mockRestore());
  const release = path.store.release.bind(path.store);
  path.store.release = async (ownership) => {
    steps.push('release');
    await releases?.();
    await release(ownership);
  };
  path.store.stop = service('store').stop;
  path.events.on('commit-stored', () => steps.push('commit'));
  const abandoned: string[] = [];
  path.events.on('task-abandoned', ({ id }) => abandoned.push(id));
  const beside = { scheduler: service('scheduler'), modules: service('modules') };
  const draining = pipeline.drain(beside, Deadline.in(SHUTDOWN_MS, path.clock));
  return { path, draining, steps, abandoned, end: (name: string) => ends.get(name)?.() };
}

const STEPS = ['scheduler', 'commit', 'modules', 'outbox', 'writer', 'reader', 'release', 'store'];

describe('a drain', () => {
  it('lets running tasks finish and commits them before it closes the reader and then releases the index', async () => {
    const { path, draining, steps, abandoned, end } = await setUp();
    await nextTurn();
    expect(steps).toEqual(['scheduler']);
    expect(path.queue.paused).toBe(true);
    end('1');
    end('3');
    await expect(draining).resolves.toEqual({ left: 0 });
    expect(steps).toEqual(STEPS);
    expect(path.store.stored.map(({ delivery }) => delivery.id)).toEqual(['id-1', 'id-3']);
    expect(path.queue.settledMessages).toBe(2);
    expect(path.queue.left).toBe(1);
    expect(path.store.released).toEqual([{ index: 0, epoch: 1 }]);
    expect(abandoned).toEqual([]);
    expect(path.clock.waiting).toBe(0);
  });

  it('names what runs beyond the deadline and leaves it in the queue', async () => {
    const { path, draining, steps, abandoned, end } = await setUp();
    await nextTurn();
    end('1');
    await path.until(() => path.store.stored.length === 1, 'what finished is stored');
    path.clock.pass(SHUTDOWN_MS);
    // Whatever has no time left loses against a timer of no length.
    const result = await pumped(path, draining);
    expect(result).toEqual({ left: 1 });
    expect(abandoned).toEqual(['id-3']);
    expect(path.log.lines.filter(({ message }) => message.includes('did not finish in time'))).toMatchObject([
      { fields: { id: 'id-3', entity: `ip:${OTHER}` } },
    ]);
    expect(steps.filter((step) => step !== 'commit')).toEqual(STEPS.filter((step) => step !== 'commit'));
    expect(path.queue.left).toBe(2);
    end('3');
    await nextTurn();
    path.clock.pass(60_000);
    await nextTurn();
    await nextTurn();
    expect(path.store.stored).toHaveLength(1);
  });

  it('says that what did not finish is lost where it was acknowledged before it ran', async () => {
    const { path, draining } = await setUp({ delivery: 'at-most-once' });
    await nextTurn();
    path.clock.pass(SHUTDOWN_MS);
    expect(await pumped(path, draining)).toEqual({ left: 2 });
    const said = path.log.lines.filter(({ message }) => message.includes('did not finish in time'));
    expect(said.map(({ message }) => message)).toEqual(
      Array(2).fill('a task did not finish in time and is lost (at-most-once)'),
    );
    expect(path.queue.left).toBe(1);
  });

  it.each([
    ['a commit is refused', { unstorable: true }, 2, ['id-first']],
    ['a lane breaks', { breaks: 1 }, 1, []],
  ])('runs what has left its queue again where %s meanwhile, before it ends', async (_, script, left, quarantined) => {
    const path = new DataPath({ delivery: 'at-most-once', limits: { threads: 4 }, turns: 4, store: { turns: 20 } });
    const pipeline = await path.takeOver();
    path.queue.put(
      ...['first', 'second', 'third'].map((name) => message(EID, { name, ...(name === 'first' && script) })),
    );
    await path.until(() => path.queue.settledMessages === left, 'they have left');
    const service = (name: string): Service => ({ name, start: async () => {}, stop: async () => {} });
    const beside = { scheduler: service('scheduler'), modules: service('modules') };
    const { store, clock } = path;
    const draining = pipeline.drain(beside, Deadline.in(100 * SHUTDOWN_MS, clock));
    expect(await pumped(path, draining)).toEqual({ left: 0 });
    expect(path.queue.settledMessages).toBe(store.stored.length);
    expect(store.quarantined.map(({ id }) => id)).toEqual(quarantined);
  });

  it('says that what was never acknowledged stays in the queue, also where others are before they run', async () => {
    const { path, draining } = await setUp({
      delivery: 'at-most-once',
      store: { random: () => 0, away: 1 },
      also: [message('no address', { name: 'bad' })],
    });
    await path.until(() => path.pipeline.status().uncommitted === 1, 'it waits for its commit into quarantine');
    path.clock.pass(SHUTDOWN_MS);
    expect(await pumped(path, draining)).toEqual({ left: 3 });
    const said = path.log.lines.filter(({ message }) => message.includes('did not finish in time'));
    expect(
      said.map(({ message, fields }) => [fields?.['id'], message.slice('a task did not finish in time and '.length)]),
    ).toEqual([
      ['id-1', 'is lost (at-most-once)'],
      ['id-3', 'is lost (at-most-once)'],
      ['id-bad', 'stays in the queue'],
    ]);
  });

  it('says how it goes after ten seconds, then every five', async () => {
    const { path, draining, end } = await setUp();
    const said: unknown[] = [];
    const info = path.log.info;
    path.log.info = (text, fields) => {
      said.push([text, fields]);
      info(text, fields);
    };
    await nextTurn();
    path.clock.pass(9_999);
    expect(said).toEqual([]);
    path.clock.pass(1);
    expect(said).toEqual([['still draining', { running: 2, uncommitted: 0 }]]);
    path.clock.pass(4_999);
    expect(said).toHaveLength(1);
    path.clock.pass(5_001);
    expect(said).toHaveLength(3);
    end('1');
    end('3');
    await draining;
    path.clock.pass(60_000);
    expect(said).toHaveLength(3);
  });

  it('closes the reader and releases the index whatever else does not stop', async () => {
    const failing = ['scheduler', 'outbox', 'modules', 'reader', 'store', 'writer'];
    const { path, draining, steps, end } = await setUp({ failing });
    await nextTurn();
    end('1');
    end('3');
    await expect(draining).resolves.toEqual({ left: 0 });
    expect(steps).toEqual(STEPS);
    expect(path.log.lines.filter(({ level }) => level === 'error')).toHaveLength(5);
  });

  it('does not wait forever for a store that does not take back the index', async () => {
    const { path, draining, steps, end } = await setUp({ releases: () => new Promise(() => {}) });
    await nextTurn();
    end('1');
    end('3');
    await expect(pumped(path, draining)).resolves.toEqual({ left: 0 });
    expect(steps).toEqual(STEPS);
  });
});

/** Lets time pass until the drain has ended. */
async function pumped<T>(path: DataPath, draining: Promise<T>): Promise<T> {
  let ended = false;
  const noted = draining.finally(() => {
    ended = true;
  });
  await path.until(
    () => ended,
    'the drain ends',
    () => path.clock.pass(100),
  );
  return noted;
}
