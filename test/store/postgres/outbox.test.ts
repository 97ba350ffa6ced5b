/** Derived tasks between their commit and their queue, and tasks that an operator sends again. */
import { expect, test } from 'vitest';
import type { OutgoingTask } from '../../../lib/model/task.js';
import { PostgresStore } from '../../../lib/store/postgres/store.js';
import { plainState, quarantined, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare } from './prepared.js';

function derived(from: number, count: number): OutgoingTask[] {
  return Array.from({ length: count }, (_, n) => {
    const id = `d${from + n}`;
    return {
      id,
      key: `ip:${id}`,
      index: n % NUM_PROCESSES,
      priority: n % 3 > 0,
      body: Buffer.from([0, 255, from + n]),
    };
  });
}

const readsOf = `select count(*) from pg_stat_activity where application_name like '% reads' and query like '%from outbox%'
  and datname = current_database()`;

test('gives tasks in commit order, whatever their destination, until they are published', async () => {
  const { store, commit, session } = await prepare();
  const tasks = [derived(0, 3), derived(3, 4), derived(7, 2)];
  for (const [n, each] of tasks.entries()) await commit(stored(`${n}`, plainState('e', n), { sends: each }));
  expect(await store.outbox.age(0)).toBeGreaterThanOrEqual(0);
  const all = tasks.flat();
  expect(await store.outbox.next(0, 4)).toEqual(all.slice(0, 4));
  expect(await store.outbox.next(0, 4)).toEqual(all.slice(0, 4));
  await store.outbox.published(0, ['d0', 'd1', 'd2', 'd3']);
  expect(await store.outbox.next(0, 100)).toEqual(all.slice(4));
  await store.outbox.published(
    0,
    all.slice(4).map(({ id }) => id),
  );
  expect(await store.outbox.next(0, 100)).toEqual([]);
  expect(await askOne(session, 'select count(*) from outbox')).toBe('0');
  expect(await store.outbox.age(0)).toBe(0);
});

test('asks the server for tasks only while there may be some', async () => {
  const { store, commit, session } = await prepare();
  expect(await store.outbox.next(0, 10)).toEqual([]);
  await store.load([['ip', 'e']]);
  await commit(stored('1', plainState('e', 1)));
  expect(await store.outbox.next(0, 10)).toEqual([]);
  expect(await askOne(session, readsOf)).toBe('0');
  await commit(stored('2', plainState('e', 2), { sends: derived(0, 1) }));
  expect(await store.outbox.next(0, 10)).toHaveLength(1);
});

test('hands what was not published to the next owner', async () => {
  const { store, url, commit, clock } = await prepare();
  const tasks = derived(0, 5);
  await commit(stored('1', plainState('e', 1), { sends: tasks }));
  await store.outbox.next(0, 5);
  await store.outbox.published(0, ['d0', 'd1']);
  await store.stop();
  const next = new PostgresStore({
    ...{ url, app: APP, numProcesses: NUM_PROCESSES, delivery: 'effectively-once', clock },
    inboxRetentionMs: 1,
    redeliveryHorizon: async () => null,
  });
  await next.start();
  await next.own(0);
  expect(await next.outbox.next(0, 10)).toEqual(tasks.slice(2));
  await next.stop();
});

test('puts a task that is sent again behind what was committed before, and lets no outdated owner do so', async () => {
  const { store, commit, session } = await prepare();
  await commit(quarantined('q', Buffer.from('?'), { etype: 'ip', eid: 'e' }), quarantined('r', Buffer.from('!')));
  await commit(stored('1', plainState('e', 1), { sends: derived(0, 2) }));
  expect(await store.quarantine.retry(0, 'q')).toBe(true);
  const rows = await store.outbox.next(0, 10);
  expect(rows.map(({ body }) => body)).toEqual([...derived(0, 2).map(({ body }) => body), Buffer.from('?')]);
  expect(rows.at(-1)).toMatchObject({ key: 'ip:e', priority: true });
  await session.query('update owners set epoch = epoch + 1');
  expect(await store.quarantine.retry(0, 'r')).toBe(false);
  expect(await store.quarantine.drop(0, 'r')).toBe(false);
  expect(await askOne(session, 'select count(*) from quarantine')).toBe('1');
});
