/** What an owner knows of its last batch after connections were lost, however many. */
import { expect, test } from 'vitest';
import { freshDatabase } from '../../support/postgres.js';
import { plainState, stored } from '../../support/results.js';
import { askOne, prepare, sessionOf, throughProxy } from './prepared.js';

const COMMITS = `from pg_stat_activity where application_name like '% commits' and datname = current_database()`;

for (const [arrives, losses] of [
  [false, 1],
  [false, 2],
  [true, 1],
  [true, 2],
] as const) {
  const what = arrives ? 'was stored' : 'never reached the server';
  test(`finds out that a batch ${what} whose connection was lost, when the next ${losses} are lost before it is sent again`, async () => {
    const database = await freshDatabase();
    const { proxy, seen } = await throughProxy(database);
    const { clock, store } = await prepare({}, seen);
    const ownership = await store.own(0);
    const session = await sessionOf(database.url);
    const entry = stored('a', plainState('e', 1));
    const batch = { ownership, entries: [entry], inbox: false };
    let first: Promise<unknown> = Promise.resolve();
    if (arrives) {
      const other = await sessionOf(database.url);
      await other.transaction(async (query) => {
        await query('lock table records in share mode');
        first = store.commit(batch);
        await expect.poll(() => askOne(session, `select count(*) ${COMMITS} and wait_event_type = 'Lock'`)).toBe('1');
        proxy.cut();
      });
    } else {
      proxy.stall(true);
      first = store.commit(batch);
      proxy.cut();
      proxy.stall(false);
    }
    expect(await first).toMatchObject({ kind: 'unavailable' });
    for (let lost = 0; lost < losses; lost++) {
      await expect
        .poll(() => {
          clock.pass(1_000);
          return askOne(session, `select count(*) ${COMMITS} and state = 'idle'`);
        })
        .toBe('1');
      await session.query(`select pg_terminate_backend(pid) ${COMMITS}`);
      await expect.poll(() => askOne(session, `select count(*) ${COMMITS}`)).toBe('0');
    }
    await expect
      .poll(() => {
        clock.pass(1_000);
        return store.commit(batch);
      })
      .toEqual({ kind: 'stored' });
    expect(entry.delivery.settled).toBe(1);
    expect(await askOne(session, 'select revision from records')).toBe('1');
  });
}
