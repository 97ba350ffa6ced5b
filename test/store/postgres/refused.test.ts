/**
 * A batch that the server refuses over one of its tasks, whichever table and statement does it: that task is put aside, all else is
 * stored, and the index goes on.
 */

import { expect, onTestFinished, test } from 'vitest';
import { Committer } from '../../../lib/commit/committer.js';
import { idOfAnother } from '../../../lib/model/task-id.js';
import { type DoneWork, type LaneWork, Work } from '../../../lib/model/work.js';
import type { EventMap } from '../../../lib/observability/events.js';
import { Placement } from '../../../lib/routing/placement.js';
import { Troubles } from '../../../lib/runtime/troubles.js';
import { inboxId } from '../../../lib/store/postgres/inbox.js';
import { testTask } from '../../support/deliveries.js';
import { type CapturingLogger, capturingLogger, eventsLoggedTo } from '../../support/logger.js';
import { freshDatabase } from '../../support/postgres.js';
import { at, deleted, observed, plainState, row, stateOf, stored, type TestEntry } from '../../support/results.js';
import { askOne, type Prepared, prepare, sessionOf, throughProxy } from './prepared.js';

interface Path extends Prepared {
  /** Commits these with the committer of a worker, until nothing is under way; what is executed again comes with the same result. */
  run(entries: readonly TestEntry[]): Promise<void>;
  readonly committer: Committer;
  readonly troubles: Troubles;
  readonly log: CapturingLogger;
  readonly failures: unknown[];
  readonly withheld: EventMap['task-withheld'][];
  /** Ids in quarantine, with entity and code. */
  quarantine(): Promise<(string | null)[][]>;
}

async function pathOf(prepared: Prepared): Promise<Path> {
  const { store, ownership, clock, session } = prepared;
  const log = capturingLogger();
  const events = eventsLoggedTo(log);
  const failures: unknown[] = [];
  const troubles = new Troubles();
  const withheld: EventMap['task-withheld'][] = [];
  events.on('task-withheld', (event) => withheld.push(event));
  const committer: Committer = new Committer({
    store,
    ownership,
    inbox: true,
    placement: new Placement(4),
    limits: { tasks: 100, bytes: 2 ** 20, ageMs: 5 },
    reader: { committing: () => {} },
    records: { bytesOf: () => 0 },
    troubles,
    clock,
    events,
    after: {
      stored: () => {},
      sortedOut({ others, rewound }) {
        for (const { delivery } of others) delivery.id = idOfAnother(delivery.id, delivery.digest);
        for (const work of [...rewound.values()].flat()) committer.add(work as LaneWork & DoneWork);
      },
      storeDown: () => {},
      commitsFailed: (reason) => failures.push(reason),
    },
  });
  onTestFinished(() => committer.stop());
  return {
    ...prepared,
    committer,
    troubles,
    log,
    failures,
    withheld,
    async run(entries) {
      for (const entry of entries) committer.add(workOf(entry));
      void committer.flushed();
      const open = () => {
        clock.pass(1_000);
        return committer.open;
      };
      await expect.poll(open, { interval: 5, timeout: 20_000 }).toBe(0);
    },
    quarantine: async () => [
      ...(await session.query(`select id, eid, code from quarantine order by id`)).map((each) => [...each]),
    ],
  };
}

const workOf = ({ delivery, result }: TestEntry) => new Work(delivery, testTask(`ip:${result.eid}`)).finish(result);

/** Everything that a task may write. */
function full(id: string, eid: string): TestEntry {
  const rows = [row('a', 1)];
  const raw = [{ etype: 'ip', eid, attr: 'b', v: 1, t1: at(1), t2: at(1), c: 1, src: null }];
  const derived = [{ id: `of-${id}`, key: `ip:${eid}`, index: 1, priority: true, body: Buffer.from('{}') }];
  return stored(id, observed(stateOf(eid), rows), { history: rows, raw, derived });
}

/** A trigger of somebody else that refuses some rows of a table. */
function refusing(table: string, when: string, code = 'P0001'): string {
  return `create function refuse_${table}() returns trigger language plpgsql as $$
      begin raise exception 'nobody may store this' using errcode = '${code}'; end $$;
    create trigger refuse before insert on ${table} for each row when (${when}) execute function refuse_${table}()`;
}

const GUILTY = `new.eid = 'guilty'`;

const FAULTS: readonly (readonly [table: string, when: string, code: string])[] = [
  ['records', GUILTY, 'P0001'],
  ['history', GUILTY, '23514'],
  ['raw', GUILTY, '22023'],
  ['graves', GUILTY, 'P0001'],
  ['outbox', `new.key = 'ip:guilty'`, '44000'],
  ['inbox', 'true', 'P0001'],
  ['inbox', 'true', '23505'],
];

test('finds the task over which a trigger refuses its batch, whichever table it guards', async () => {
  const path = await pathOf(await prepare());
  const { session } = path;
  await path.run([full('0', 'guilty')]);
  for (const [n, [table, when, code]] of FAULTS.entries()) {
    const [before, id, after] = [`a${n}`, `b${n}`, `c${n}`];
    const ofInbox = table === 'inbox' ? `new.id = '${inboxId(id)}'` : when;
    await session.query(refusing(table, ofInbox, code));
    const guilty = table === 'graves' ? deleted(id, stateOf('guilty')) : full(id, 'guilty');
    const entries = [full(before, before), guilty, full(after, after)];
    await path.run(entries);
    expect(entries.map(({ delivery }) => delivery.settled)).toEqual([1, 1, 1]);
    // Where the inbox itself refuses the id, nothing but the message can be noted.
    expect(await path.quarantine()).toEqual([[id, table === 'inbox' ? null : 'guilty', 'TASK_UNSTORABLE']]);
    expect(await askOne(session, 'select reason from quarantine')).toMatch(/nobody may store this|23505/);
    expect(await session.query(`select eid from records where eid ~ '[abc]${n}'`)).toEqual([[before], [after]]);
    await session.query(`drop trigger refuse on ${table}; drop function refuse_${table}; delete from quarantine`);
  }
  expect(path.failures).toEqual([]);
});

test('notes only the message where the quarantine itself refuses the entity of a task', async () => {
  const path = await pathOf(await prepare());
  await path.session.query(`alter table records add check (eid <> 'guilty');
    alter table quarantine add check (eid is null and reason !~ '[^ -~]')`);
  const entries = [full('1', 'a'), full('2', 'guilty'), full('3', 'b')];
  await path.run(entries);
  expect(await path.quarantine()).toEqual([['2', null, 'TASK_UNSTORABLE']]);
  expect([...(await path.store.known(0, ['2'])).keys()]).toEqual(['2']);
  expect(await askOne(path.session, 'select count(*) from records')).toBe('2');
  expect([path.failures, path.withheld]).toEqual([[], []]);
});

test('holds back a task that the quarantine refuses in every form, goes on with all others, and puts it aside once it can', async () => {
  const path = await pathOf(await prepare());
  const { session, committer, clock } = path;
  await session.query(`alter table records add check (eid <> 'guilty')`);
  await session.query(refusing('quarantine', 'true'));
  const entries = [full('1', 'a'), full('2', 'guilty'), full('3', 'guilty'), full('4', 'b')];
  await path.run(entries);
  await path.run([full('5', 'c')]);
  expect(path.failures).toEqual([]);
  expect(path.withheld.map(({ id }) => id).sort()).toEqual(['2', '3']);
  expect(committer.warning).toMatch(/^tasks that can be neither stored nor put into quarantine: 2; .*nobody may/);
  expect(
    committer
      .unfinished()
      .map(({ delivery }) => delivery.id)
      .sort(),
  ).toEqual(['2', '3']);
  expect(entries.map(({ delivery }) => delivery.settled)).toEqual([1, 0, 0, 1]);
  expect(await session.query('select eid from records order by eid')).toEqual([['a'], ['b'], ['c']]);
  expect(path.log.lines.filter(({ message }) => message.includes('neither stored'))).toHaveLength(2);

  await session.query('drop trigger refuse on quarantine');
  clock.pass(30_000);
  await path.run([]);
  expect(await path.quarantine()).toEqual([
    ['2', null, 'TASK_UNSTORABLE'],
    ['3', null, 'TASK_UNSTORABLE'],
  ]);
  // Were they not, they would be run where they come again.
  expect([...(await path.store.known(0, ['2', '3'])).keys()]).toEqual(['2', '3']);
  expect(entries.map(({ delivery }) => delivery.settled)).toEqual([1, 1, 1, 1]);
  expect(committer.warning).toBeNull();
});

test('stores tasks in parts that are refused together alone', async () => {
  const path = await pathOf(await prepare());
  const { session } = path;
  await session.query(`create function several() returns trigger language plpgsql as $$ begin
      if (select count(*) from added) > 1 then raise exception 'one at a time'; end if; return null; end $$;
    create trigger several after insert on records referencing new table as added
      for each statement execute function several()`);
  const entries = ['a', 'b', 'c', 'd', 'e'].map((eid) => full(eid, eid));
  await path.run(entries);
  await path.run([full('f', 'f')]);
  expect(await askOne(session, 'select count(*) from records')).toBe('6');
  expect(await askOne(session, 'select count(*) from history')).toBe('6');
  expect(entries.map(({ delivery }) => delivery.settled)).toEqual([1, 1, 1, 1, 1]);
  expect([path.failures, await path.quarantine()]).toEqual([[], []]);
});

test('stores parts once, though the connection is lost while they are committed', async () => {
  const database = await freshDatabase();
  const { proxy, seen } = await throughProxy(database);
  const path = await pathOf(await prepare({}, seen));
  const direct = await sessionOf(database.url);
  await direct.query(`create function several() returns trigger language plpgsql as $$ begin
      if (select count(*) from added) > 1 then raise exception 'one at a time'; end if; return null; end $$;
    create trigger several after insert on history referencing new table as added
      for each statement execute function several()`);
  for (let round = 0; round < 10; round++) {
    const cut = setTimeout(() => proxy.cut(), Math.random() * 25);
    await path.run(['x', 'y', 'z'].map((eid) => full(`${eid}${round}`, `${eid}${round}`)));
    clearTimeout(cut);
  }
  expect(await direct.query('select count(*), count(distinct eid) from history')).toEqual([['30', '30']]);
  expect([path.failures, await askOne(direct, 'select count(*) from quarantine')]).toEqual([[], '0']);
});

test('finds a task that is refused at the very end of the transaction', async () => {
  const path = await pathOf(await prepare());
  await path.session.query(`create function last() returns trigger language plpgsql as $$
      begin raise exception 'too late'; end $$;
    create constraint trigger last after insert on records deferrable initially deferred
      for each row when (${GUILTY}) execute function last()`);
  await path.run([full('1', 'a'), full('2', 'guilty'), full('3', 'b')]);
  expect(await path.quarantine()).toEqual([['2', 'guilty', 'TASK_UNSTORABLE']]);
  expect(await askOne(path.session, 'select count(*) from records')).toBe('2');
});

test('blames no task for what refuses every commit, and says what it is', async () => {
  const path = await pathOf(await prepare());
  const { session, committer, troubles, log } = path;
  await session.query(`create function locked() returns trigger language plpgsql as $$
      begin raise exception 'frozen by the administrator'; end $$;
    create trigger locked before update on owners for each row execute function locked()`);
  for (const entry of [full('1', 'a'), full('2', 'b')]) committer.add(workOf(entry));
  void committer.flushed();
  const { fields } = await log.line('the store refuses to commit; commits wait');
  expect(fields['why']).toBe('frozen by the administrator (P0001)');
  expect(troubles.why).toBe(fields['why']);
  expect(await path.quarantine()).toEqual([]);
  await session.query('drop trigger locked on owners');
  await path.run([]);
  expect(await askOne(session, 'select count(*) from records')).toBe('2');
  expect(troubles.why).toBeNull();
});

test('commits in smaller batches what is too large at once', async () => {
  const path = await pathOf(await prepare({ mostBytes: 100_000 }));
  await path.run(['a', 'b', 'c'].map((eid) => stored(eid, plainState(eid, 'x'.repeat(60_000)))));
  expect(await askOne(path.session, 'select count(*) from records')).toBe('3');
  expect([path.failures, await path.quarantine()]).toEqual([[], []]);
});

test('a row that is refused as if it had no partition, though all are there, is its own fault', async () => {
  const path = await pathOf(await prepare());
  await path.session.query(refusing('records', GUILTY, '23514'));
  await path.run([full('1', 'a'), full('2', 'guilty')]);
  expect(await path.quarantine()).toEqual([['2', 'guilty', 'TASK_UNSTORABLE']]);
});
