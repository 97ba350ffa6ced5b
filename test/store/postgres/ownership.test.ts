/** Who owns an index: alive, dead, stopped in the middle of a commit, or cut off. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { OutboxPublisher } from '../../../lib/commit/outbox.js';
import { createEvents } from '../../../lib/observability/events.js';
import { Placement } from '../../../lib/routing/placement.js';
import { systemClock } from '../../../lib/runtime/clock.js';
import { openSchema } from '../../../lib/store/postgres/migrate.js';
import type { PostgresStore } from '../../../lib/store/postgres/store.js';
import type { Ownership } from '../../../lib/store/store.js';
import { type CompiledProgram, compileProgram } from '../../support/compiled.js';
import { freshDatabase } from '../../support/postgres.js';
import { batchOf, plainState, stored } from '../../support/results.js';
import { APP, askOne, NUM_PROCESSES, prepare, sessionOf, standby, throughProxy } from './prepared.js';

const SETTINGS = { app: APP, numProcesses: NUM_PROCESSES, delivery: 'effectively-once' } as const;
const LONG_LEASE_MS = 60_000;

let program: CompiledProgram;
beforeAll(() => {
  program = compileProgram(fileURLToPath(new URL('../../support/store-owner.ts', import.meta.url)));
}, 60_000);
afterAll(() => program.remove());

/** A process that owns index 0. */
async function owner(url: string, leaseMs: number): Promise<ChildProcess> {
  const child = fork(program.path, [url, APP, String(leaseMs)]);
  onTestFinished(() => void child.kill('SIGKILL'));
  expect(await told(child)).toBe('owned');
  return child;
}

async function told(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, 'message');
  return message;
}

/** As a worker does that waits for its index. */
async function take(store: PostgresStore): Promise<Ownership> {
  for (;;) {
    try {
      return await store.own(0);
    } catch (error) {
      expect(error).toMatchObject({ code: 'OWNED_ELSEWHERE' });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

test('leaves an index with its owner while that lives, and says who it is', async () => {
  const { url } = await freshDatabase();
  const child = await owner(url, LONG_LEASE_MS);
  const waiting = await standby(url);
  await expect(waiting.own(0)).rejects.toMatchObject({
    code: 'OWNED_ELSEWHERE',
    message: expect.stringMatching(
      new RegExp(`^index 0 is owned by .*:${child.pid}, whose lease runs for \\d+ s more$`),
    ),
  });
  expect(await waiting.own(1)).toEqual({ index: 1, epoch: 1 });
  child.send('still');
  expect(await told(child)).toBe('stored');
});

test('gives the index of a killed process to the next within a second, whatever is left of its lease', async () => {
  const { url } = await freshDatabase();
  const child = await owner(url, LONG_LEASE_MS);
  const waiting = await standby(url);
  child.kill('SIGKILL');
  const killedAt = performance.now();
  expect(await take(waiting)).toEqual({ index: 0, epoch: 2 });
  expect(performance.now() - killedAt).toBeLessThan(1_000);
});

test('takes the index from a process that was stopped in the middle of a commit, which stores nothing when it goes on', async () => {
  const { url } = await freshDatabase();
  const child = await owner(url, 1_500);
  const session = await sessionOf(url);
  const waiting = await standby(url, { leaseMs: 1_500 });
  let taken: Ownership | null = null;
  await (await sessionOf(url)).transaction(async (query) => {
    await query('lock table records in share mode');
    child.send('stopped');
    const blocked = `select count(*) from pg_stat_activity where application_name like '% commits' and wait_event_type = 'Lock'
      and datname = current_database()`;
    await expect.poll(() => askOne(session, blocked)).toBe('1');
    child.kill('SIGSTOP');
    // The commit under way holds the row of the owner, the connection its lock: the server ends the one, the taker the other.
    taken = await take(waiting);
  });
  expect(taken).toEqual({ index: 0, epoch: 2 });
  expect(await waiting.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 0 }]);
  const entry = stored('after', plainState('e', 'after'));
  expect(await waiting.commit(batchOf(taken!, entry))).toEqual({ kind: 'stored' });
  const outcomes: unknown[] = [];
  child.on('message', (message) => outcomes.push(message));
  child.kill('SIGCONT');
  await expect.poll(() => outcomes.at(-1), { timeout: 10_000 }).toBe('outdated');
  expect(outcomes).not.toContain('stored');
  expect(await waiting.load([['ip', 'e']])).toEqual([{ state: plainState('e', 'after') }]);
  expect(await waiting.known(0, ['stopped'])).toEqual(new Map());
});

test('tells an owner that was stopped for longer than its lease, and has nothing to commit, that its index is lost', async () => {
  const { url } = await freshDatabase();
  const child = await owner(url, 1_000);
  const waiting = await standby(url, { leaseMs: 1_000 });
  child.kill('SIGSTOP');
  expect(await take(waiting)).toEqual({ index: 0, epoch: 2 });
  const lost = told(child);
  child.kill('SIGCONT');
  expect(await lost).toBe('lost');
});

test('owns its index again by itself after its connection was lost while it had nothing to do', async () => {
  const { url, session, clock, commit } = await prepare();
  const holder = `select pid from pg_locks where locktype = 'advisory' and classid = 'owners'::regclass`;
  const before = await askOne(session, holder);
  await session.query('select pg_terminate_backend($1)', [before]);
  await expect
    .poll(() => {
      clock.pass(1_000);
      return askOne(session, `${holder} and pid <> $1`, [before]);
    })
    .toEqual(expect.any(String));
  const waiting = await standby(url);
  await expect(waiting.own(0)).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'stored' });
});

test('learns that its index was taken while it was cut off', async () => {
  const database = await freshDatabase();
  const { proxy, seen } = await throughProxy(database);
  const { commit, clock } = await prepare({}, seen);
  proxy.refuse(true);
  proxy.cut();
  const waiting = await standby(database.url);
  await take(waiting);
  expect(await commit(stored('a', plainState('e', 1)))).toMatchObject({ kind: 'unavailable' });
  proxy.refuse(false);
  clock.pass(1_000);
  expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'outdated' });
  expect(await waiting.known(0, ['a'])).toEqual(new Map());
});

test('says at once why a store cannot be opened, without its password', async () => {
  const { url } = await freshDatabase();
  const given = new URL(url);
  const password = given.password || 'top-secret';
  given.password = password;
  const variants: readonly (readonly [string, (wrong: URL) => void, RegExp])[] = [
    ['STORE_DENIED', (wrong) => (wrong.pathname = '/nowhere'), /has no database nowhere: make it \(createdb nowhere\)/],
    [
      'STORE_DENIED',
      (wrong) => (wrong.username = 'no-such-user'),
      /refuses user no-such-user.*processing_core.store.url/,
    ],
    [
      'STORE_UNAVAILABLE',
      (wrong) => (wrong.port = '1'),
      /:1, database \w+, cannot be reached: .*ECONNREFUSED.*processing_core\.store\.url/,
    ],
  ];
  for (const [code, change, sentence] of variants) {
    const wrong = new URL(given);
    change(wrong);
    const error: unknown = await standby(wrong.href).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(sentence) });
    expect(String(error)).not.toContain(password);
  }
});

test('has a take-over wait for a commit under way, and not the other way round', async () => {
  const { url, store, session } = await prepare({ leaseMs: 1_500 });
  await openSchema(session, SETTINGS);
  let passedMs = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs };
  const waiting = await standby(url, { clock, leaseMs: 1_500 });
  const entry = stored('a', plainState('e', 1));
  const ownership = await store.own(0);
  await expect(waiting.own(0)).rejects.toMatchObject({ code: 'OWNED_ELSEWHERE' });
  passedMs = 1_500;
  const [outcome, taken] = await Promise.all([store.commit(batchOf(ownership, entry)), take(waiting)]);
  expect(taken.epoch).toBe(ownership.epoch + 1);
  const known = await waiting.known(0, ['a']);
  expect(known.has('a')).toBe(outcome.kind === 'stored');
  expect(entry.delivery.settled).toBe(outcome.kind === 'stored' ? 1 : 0);
});

test('a commit that takes long ends before the lease of its owner does', async () => {
  const { url, session, commit, clock } = await prepare({ leaseMs: 3_000 });
  await (await sessionOf(url)).transaction(async (query) => {
    await query('lock table records in share mode');
    expect(await commit(stored('a', plainState('e', 1)))).toMatchObject({ kind: 'unavailable' });
  });
  expect(await askOne(session, 'select leased > now() from owners')).toBe('t');
  clock.pass(1_000);
  expect(await commit(stored('a', plainState('e', 1)))).toEqual({ kind: 'stored' });
});

test('publishes what a killed owner had committed and not published, in order, and then what is its own', async () => {
  const { url } = await freshDatabase();
  const child = await owner(url, LONG_LEASE_MS);
  const ids = Array.from({ length: 5 }, (_, n) => `t${n}`);
  for (const id of ids) {
    child.send(id);
    expect(await told(child)).toBe('stored');
  }
  child.kill('SIGKILL');
  const next = await standby(url);
  const ownership = await take(next);
  expect(await next.outbox.count(0)).toBe(ids.length);
  const sent: string[] = [];
  const events = createEvents();
  const publisher = new OutboxPublisher({
    outbox: next.outbox,
    index: 0,
    placement: new Placement(1),
    writer: { obstacle: null, send: async (tasks) => void sent.push(...tasks.map(({ id, body }) => `${id} ${body}`)) },
    batch: 2,
    clock: systemClock,
    events,
  });
  await publisher.start();
  const own = { id: 'of-own', key: 'ip:e', index: 0, priority: true, body: Buffer.from('own') };
  const entry = stored('own', plainState('e', 'own'), { sends: [own] });
  expect(await next.commit(batchOf(ownership, entry))).toEqual({ kind: 'stored' });
  publisher.wake();
  await expect.poll(() => next.outbox.age(0)).toBe(0);
  expect(await next.outbox.count(0)).toBe(0);
  await publisher.stop();
  expect(sent).toEqual([...ids, 'own'].map((id) => `of-${id} ${id}`));
});
