/** What the embedded store does beyond the contract of stores: one transaction with the queue, upkeep of its rows, faults of the disk. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Participant } from '../../lib/embedded/participant.js';
import type { Delivery } from '../../lib/model/delivery.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { EmbeddedReader } from '../../lib/queue/embedded/source.js';
import { EmbeddedWriter } from '../../lib/queue/embedded/writer.js';
import { TrustedTime } from '../../lib/runtime/trusted-time.js';
import { EmbeddedStoreReader } from '../../lib/store/embedded/reader.js';
import type { RetentionOptions } from '../../lib/store/embedded/retention.js';
import { EmbeddedStore } from '../../lib/store/embedded/store.js';
import { openTables } from '../../lib/store/embedded/tables.js';
import { manualClock } from '../support/clock.js';
import { dataFolder, type TestFolder } from '../support/data-folder.js';
import { deliveriesOf, testDelivery, until } from '../support/deliveries.js';
import {
  all,
  batchOf,
  cyclic,
  deleted,
  observed,
  plainState,
  resultOf,
  row,
  stateOf,
  stored,
} from '../support/results.js';

const RETENTION_MS = 60_000;
/** So long that each row of history moves out of its record at once, and has a chunk of its own. */
const LONG = 'v'.repeat(2_100);

/** Of index 2. */
const EID = 'e2';

async function owning(folder: TestFolder, index = 0, kept: Partial<RetentionOptions> = {}) {
  const clock = manualClock();
  const participant = await folder.index(index, { clock });
  const store = await folder.run(new EmbeddedStore(participant, { inboxRetentionMs: RETENTION_MS, ...kept, clock }));
  const ownership = await store.own(index);
  const tables = openTables(participant.environment);
  const sizes = () => {
    participant.environment.refresh();
    const count = (name: keyof typeof tables) => Array.from(tables[name].getKeys({})).length;
    return {
      absent: count('absent'),
      history: count('history'),
      tombstones: count('tombstones'),
      raw: count('raw'),
      inbox: count('inbox'),
    };
  };
  return { participant, store, ownership, clock, tables, sizes };
}

function outgoing(id: string, index = 0, body = '1'): OutgoingTask {
  return { id, key: `ip:${id}`, index, priority: false, body: Buffer.from(body) };
}

async function send(
  folder: TestFolder,
  clock: ReturnType<typeof manualClock>,
  ...tasks: OutgoingTask[]
): Promise<void> {
  const participant = await folder.producer({ clock });
  const writer = await folder.run(new EmbeddedWriter(participant, { maxLength: 100 }));
  await writer.send(tasks);
  await writer.stop();
  await participant.leave();
}

/** Deliveries that can be settled: their reader runs on. */
async function consume(folder: TestFolder, participant: Participant, count: number): Promise<Delivery[]> {
  const limits = { tasks: 100, bytes: 2 ** 20, normalEvery: 16 };
  const reader = await folder.run(new EmbeddedReader(participant, { index: 0, limits }));
  const deliveries: Delivery[] = [];
  const onDelivery = (delivery: Delivery) => void deliveries.push(delivery);
  await reader.consume({ onDelivery, onLost: async () => {}, onRestored: () => {} });
  await until(() => deliveries.length >= count, `${count} deliveries have come`);
  return deliveries;
}

const depthOf = (participant: Participant) =>
  new EmbeddedReader(participant, { index: 0, limits: { tasks: 1, bytes: 1, normalEvery: 16 } }).depth();

describe('a commit of the embedded store', () => {
  it('settles deliveries of the queue in its own transaction, and none of them when it fails', async () => {
    const folder = dataFolder();
    const { participant, store, ownership, clock } = await owning(folder);
    await send(folder, clock, outgoing('a'), outgoing('b'));
    const [a, b] = await consume(folder, participant, 2);
    const result = (eid: string) => stored('', plainState(eid, 1)).result;
    const known = { delivery: testDelivery({ id: 'known' }), result: resultOf() };
    await store.commit(batchOf(ownership, known));
    const failing = batchOf(ownership, { delivery: a!, result: result('e') }, known);
    expect(await store.commit(failing)).toMatchObject({ kind: 'done-before' });
    expect((await depthOf(participant)).normal).toBe(2);
    const both = [a!, b!].map((delivery) => ({ delivery, result: result(delivery.id) }));
    expect(await store.commit(batchOf(ownership, ...both))).toEqual({ kind: 'stored' });
    expect((await depthOf(participant)).normal).toBe(0);
  });

  it('stores nothing when a delivery of it cannot be settled', async () => {
    const { store, ownership, sizes } = await owning(dataFolder());
    const broken = stored('b', plainState('f', 1));
    broken.delivery.settle = () => {
      throw new Error('the cursor is gone');
    };
    const entries = [stored('a', observed(stateOf('e'), [row('x', 1)]), { history: [row('x', 1)] }), broken];
    await expect(store.commit(batchOf(ownership, ...entries))).rejects.toThrow('the cursor is gone');
    expect(sizes()).toEqual({ absent: 0, history: 0, tombstones: 0, raw: 0, inbox: 0 });
    expect(await store.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 0 }]);
  });

  it('keeps what is sent on free of the inbox only where no sender may repeat it', async () => {
    const folder = dataFolder();
    const { participant, store, ownership, clock } = await owning(folder);
    await send(folder, clock, outgoing('a'));
    const [a] = await consume(folder, participant, 1);
    const sentOn = resultOf({ outcome: 'forwarded' });
    const entries = [
      { delivery: a!, result: sentOn, sends: [outgoing('a', 1)] },
      { delivery: testDelivery({ id: 'b' }), result: resultOf(), sends: [outgoing('d', 1)] },
      { delivery: testDelivery({ id: 'c', deduplicated: true }), result: sentOn, sends: [outgoing('c', 1)] },
    ];
    expect(await store.commit(batchOf(ownership, ...entries))).toEqual({ kind: 'stored' });
    const other = await folder.index(1);
    other.environment.claim();
    const reader = new EmbeddedReader(other, {
      index: 1,
      limits: {
        tasks: 9,
        bytes: 2 ** 20,
        normalEvery: 16,
      },
    });
    const got = (await deliveriesOf(reader)).map(({ id, deduplicated }) => [id, deduplicated]);
    expect(Object.fromEntries(got)).toEqual({ a: false, d: true, c: true });
  });

  it('keeps the raw data-points of every commit, also when the clock of the computer is set back', async () => {
    const folder = dataFolder();
    const point = (v: unknown) => ({ etype: 'ip', eid: 'e', attr: 'a', v, t1: null, t2: null, c: 1, src: 'test' });
    const times = [5_000, 5_000, 1_000];
    const first = await owning(folder);
    for (const [n, time] of times.entries()) {
      const store = new EmbeddedStore(first.participant, { inboxRetentionMs: RETENTION_MS, clock: manualClock(time) });
      await store.start();
      const ownership = await store.own(0);
      const entries = [stored(`a${n}`, plainState('e', n), { raw: [point(n), point(2n ** 64n)] })];
      expect(await store.commit(batchOf(ownership, ...entries))).toEqual({ kind: 'stored' });
    }
    const rows = Array.from(first.tables.raw.getRange({}), ({ value }) => value.toString());
    expect(rows.map((text) => JSON.parse(text)[0].v)).toEqual([2, 0, 1]);
    expect(rows[0]).toContain('"v":18446744073709551616');
  });
});

describe('the history of the embedded store', () => {
  it('keeps the newest rows with their record and moves several at once, each of them readable all the time', async () => {
    const folder = dataFolder();
    const { store, ownership, sizes, tables } = await owning(folder, 2);
    const reader = await folder.run(new EmbeddedStoreReader(folder.path));
    const rows = Array.from({ length: 50 }, (_, n) => row(n % 3 === 0 ? 'a' : 'b', n));
    for (const n of rows.keys()) {
      const state = observed(stateOf(EID), rows.slice(0, n + 1));
      await store.commit(batchOf(ownership, stored(`${n}`, state, { history: [rows[n]!] })));
      const found = await all(reader.history('ip', EID, {}));
      expect(found).toEqual([...rows.slice(0, n + 1)].sort((one, other) => (one.attr < other.attr ? -1 : 1)));
    }
    const inChunks = Array.from(tables.history.getRange({}), ({ value }) => JSON.parse(`${value.subarray(27)}`).length);
    expect(inChunks.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(40);
    expect(sizes().history).toBeLessThan(15);
  });

  it('gives rows that came out of order in the order of their times, from chunks and record together', async () => {
    const folder = dataFolder();
    const { store, ownership } = await owning(folder, 2);
    const reader = await folder.run(new EmbeddedStoreReader(folder.path));
    const rows = Array.from({ length: 40 }, (_, n) => row('a', (n * 17) % 40, n));
    for (const n of rows.keys()) {
      const state = observed(stateOf(EID), rows.slice(0, n + 1));
      await store.commit(batchOf(ownership, stored(`${n}`, state, { history: [rows[n]!] })));
    }
    const found = await all(reader.history('ip', EID, { from: rows[0]!.t1 }));
    expect(found.map(({ t1 }) => t1)).toEqual(rows.map(({ t1 }) => t1).sort());
  });

  it('shows nothing twice and nothing of later when rows move while it is read', async () => {
    const folder = dataFolder();
    const { store, ownership } = await owning(folder, 2);
    const reader = await folder.run(new EmbeddedStoreReader(folder.path));
    const rows = Array.from({ length: 30 }, (_, n) => row(n % 2 === 0 ? 'a' : 'b', n));
    const commitFrom = async (from: number, to: number) => {
      const state = observed(stateOf(EID), rows.slice(0, to));
      await store.commit(batchOf(ownership, stored(`${from}`, state, { history: rows.slice(from, to) })));
    };
    await commitFrom(0, 12);
    const seen: unknown[] = [];
    for await (const found of reader.history('ip', EID, {})) {
      if (seen.push(found) === 1) await commitFrom(12, 30);
    }
    const before = rows.slice(0, 12);
    expect(seen).toEqual(['a', 'b'].flatMap((attr) => before.filter((each) => each.attr === attr)));
  });
});

describe('the upkeep of the embedded store', () => {
  it('removes the rows of deleted records, and none of those that live', async () => {
    const { store, ownership, sizes } = await owning(dataFolder());
    const rows = Array.from({ length: 3_000 }, (_, n) => row('a', n, LONG));
    const [long, live] = [observed(stateOf('long'), rows), observed(stateOf('live'), rows.slice(0, 7))];
    const second = observed(stateOf('live', { incarnation: 2 }), rows.slice(0, 2));
    await store.commit(batchOf(ownership, stored('1', long, { history: rows })));
    await store.commit(batchOf(ownership, stored('2', live, { history: rows.slice(0, 7) }), deleted('3', long)));
    expect(sizes()).toMatchObject({ history: 3_007, tombstones: 1 });
    expect(await store.purge()).toBe(true);
    expect(sizes().history).toBe(1_007);
    while (await store.purge());
    expect(sizes()).toMatchObject({ history: 7, tombstones: 0 });
    // One task that deleted the record and made it anew.
    await store.commit(batchOf(ownership, stored('4', second, { history: rows.slice(0, 2), ended: 1 })));
    while (await store.purge());
    expect(sizes()).toMatchObject({ history: 2, tombstones: 0 });
  });

  it('removes raw data-points and history beyond the time they are kept, in bounded steps', async () => {
    const kept = { rawRetentionMs: 3_600_000, histories: [{ etype: 'ip', attr: 'a', maxAgeMs: 60_000 }] };
    const { store, ownership, sizes, clock } = await owning(dataFolder(), 0, kept);
    const rows = Array.from({ length: 1_200 }, (_, n) => row(n < 10 ? 'b' : 'a', n / 1_000, LONG));
    const state = observed(stateOf('long'), rows);
    const raw = [{ etype: 'ip', eid: 'long', attr: 'a', v: 1, t1: null, t2: null, c: 1, src: '' }];
    await store.commit(batchOf(ownership, stored('1', state, { history: rows, raw })));
    while (await store.purge());
    expect(sizes()).toMatchObject({ history: 1_200, raw: 1 });
    clock.pass(24 * 3_600_000);
    await store.commit(batchOf(ownership, stored('2', state, { raw })));
    expect(await store.purge()).toBe(true);
    expect(sizes()).toMatchObject({ history: 700, raw: 1 });
    while (await store.purge());
    expect(sizes()).toMatchObject({ history: 10, raw: 1 });
  });

  it('removes nothing before its time because the clock was set forward', async () => {
    const kept = { rawRetentionMs: 3_600_000, histories: [{ etype: 'ip', attr: 'a', maxAgeMs: 60_000 }] };
    const { store, ownership, sizes, clock } = await owning(dataFolder(), 0, kept);
    const state = observed(stateOf('e'), [row('a', 0, LONG)]);
    const raw = [{ etype: 'ip', eid: 'e', attr: 'a', v: 1, t1: null, t2: null, c: 1, src: '' }];
    await store.commit(batchOf(ownership, stored('1', state, { history: [row('a', 0, LONG)], raw })));
    const before = sizes();
    clock.set(400 * 86_400_000);
    while (await store.purge());
    expect(sizes()).toEqual({ ...before, inbox: 1, raw: 1, history: 1 });
    clock.pass(86_400_000);
    while (await store.purge());
    clock.pass(86_400_000);
    while (await store.purge());
    expect(sizes()).toMatchObject({ inbox: 0, raw: 0, history: 0 });
  });

  it('begins from the time that it is given, when the clock was set forward before', async () => {
    const folder = dataFolder();
    const { participant, clock, ...first } = await owning(folder);
    const raw = [{ etype: 'ip', eid: 'e', attr: 'a', v: 1, t1: null, t2: null, c: 1, src: '' }];
    await first.store.commit(batchOf(first.ownership, stored('1', plainState('e', 1), { raw })));
    const time = new TrustedTime(clock, clock.now());
    clock.set(400 * 86_400_000);
    const kept = { inboxRetentionMs: RETENTION_MS, rawRetentionMs: 3_600_000, clock, time };
    const store = await folder.run(new EmbeddedStore(participant, { ...kept }));
    await store.own(0);
    while (await store.purge());
    expect(first.sizes()).toMatchObject({ inbox: 1, raw: 1 });
  });

  it('forgets a deleted record with its last history, and not one that was deleted again since', async () => {
    const { store, ownership, sizes } = await owning(dataFolder());
    const [first, second] = [
      observed(stateOf('e'), [row('a', 0, LONG)]),
      observed(stateOf('e', { incarnation: 2 }), []),
    ];
    await store.commit(batchOf(ownership, stored('1', first, { history: [row('a', 0, LONG)] })));
    await store.commit(batchOf(ownership, deleted('2', first)));
    expect(sizes()).toMatchObject({ absent: 1, tombstones: 1, history: 1 });
    await store.commit(batchOf(ownership, stored('3', second)));
    await store.commit(batchOf(ownership, deleted('4', second)));
    expect(sizes()).toMatchObject({ absent: 1, tombstones: 2 });
    while (await store.purge());
    expect(sizes()).toMatchObject({ absent: 0, tombstones: 0, history: 0 });
    expect(await store.load([['ip', 'e']])).toEqual([{ state: null, lastIncarnation: 0 }]);
  });

  it('keeps an id as long as a repeat of it may wait in a queue, however long no worker ran', async () => {
    const folder = dataFolder();
    const { participant, store, ownership, clock, sizes } = await owning(folder);
    await store.commit(batchOf(ownership, { delivery: testDelivery({ id: 'a' }), result: resultOf() }));
    clock.pass(RETENTION_MS / 2);
    await send(folder, clock, outgoing('a'));
    clock.pass(100 * RETENTION_MS);
    while (await store.purge());
    expect(sizes().inbox).toBe(1);
    const [repeat] = await consume(folder, participant, 1);
    expect([...(await store.known(0, [repeat!.id])).keys()]).toEqual(['a']);
    participant.environment.transaction(() => repeat!.settle());
    clock.pass(RETENTION_MS);
    while (await store.purge());
    expect(sizes().inbox).toBe(0);
  });

  it('keeps an id whose repeat waits with a stamp of a clock that was wrong, however long', async () => {
    const folder = dataFolder();
    const { participant, store, ownership, clock, sizes } = await owning(folder);
    clock.set(20 * RETENTION_MS);
    await send(folder, clock, outgoing('x', 1));
    clock.set(-20 * RETENTION_MS);
    await store.commit(batchOf(ownership, { delivery: testDelivery({ id: 'a' }), result: resultOf() }));
    await send(folder, clock, outgoing('a'));
    for (let times = 0; times < 3; times++) {
      clock.pass(10 * RETENTION_MS);
      while (await store.purge());
      expect(sizes().inbox).toBe(1);
    }
    const [repeat] = await consume(folder, participant, 1);
    participant.environment.transaction(() => repeat!.settle());
    clock.pass(RETENTION_MS);
    while (await store.purge());
    expect(sizes().inbox).toBe(0);
  });

  it('forgets ids while tasks go on to come, once what stood in the outboxes before is settled', async () => {
    const folder = dataFolder();
    const { participant, store, ownership, clock, sizes } = await owning(folder);
    await store.commit(batchOf(ownership, { delivery: testDelivery({ id: 'a' }), result: resultOf() }));
    clock.pass(2 * RETENTION_MS);
    await send(folder, clock, outgoing('b'));
    while (await store.purge());
    await send(folder, clock, outgoing('c'));
    const [b] = await consume(folder, participant, 2);
    participant.environment.transaction(() => b!.settle());
    clock.pass(RETENTION_MS / 10);
    while (await store.purge());
    expect(sizes().inbox).toBe(0);
    expect((await depthOf(participant)).normal).toBe(1);
  });

  it('forgets no id while an environment cannot be read, where a repeat may wait, and does once it was removed', async () => {
    const folder = dataFolder();
    const { store, ownership, clock, sizes } = await owning(folder);
    await store.commit(batchOf(ownership, { delivery: testDelivery({ id: 'a' }), result: resultOf() }));
    const environment = join(folder.path, 'producer-0');
    mkdirSync(environment);
    writeFileSync(join(environment, 'data.mdb'), 'damaged '.repeat(2_000));
    clock.pass(2 * RETENTION_MS);
    while (await store.purge());
    expect(sizes().inbox).toBe(1);
    rmSync(environment, { recursive: true });
    clock.pass(RETENTION_MS);
    while (await store.purge());
    expect(sizes().inbox).toBe(0);
  });

  it('does nothing for a store that owns nothing', async () => {
    const folder = dataFolder();
    const participant = await folder.index(0);
    const store = await folder.run(new EmbeddedStore(participant, { inboxRetentionMs: 0 }));
    expect(await store.purge()).toBe(false);
  });
});

describe('reading the embedded store', () => {
  it('works before any worker ran, while they run, and after all have ended', async () => {
    const folder = dataFolder();
    const { participant, store, ownership } = await owning(folder, 2);
    const eid = EID;
    const reader = await folder.run(new EmbeddedStoreReader(folder.path));
    expect(await reader.counts()).toEqual({ records: 0, quarantined: 0 });
    expect(await all(reader.history('ip', eid, {}))).toEqual([]);
    await store.commit(batchOf(ownership, stored('1', plainState(eid, 1))));
    expect(await reader.list('ip', { limit: 9 })).toMatchObject([{ eid }]);
    await participant.leave();
    const later = await folder.run(new EmbeddedStoreReader(folder.path));
    for (const each of [reader, later]) expect(await each.counts()).toEqual({ records: 1, quarantined: 0 });
  });

  it('says that there is no store in a folder', async () => {
    const path = mkdtempSync(join(tmpdir(), 'dp3-none-'));
    onTestFinished(() => rmSync(path, { recursive: true }));
    await expect(new EmbeddedStoreReader(path).start()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

describe('a store that cannot be written', () => {
  it('refuses a second owner, and an owner that has let go stores nothing', async () => {
    const folder = dataFolder();
    const { store, ownership, participant } = await owning(folder);
    const entry = stored('a', { ...plainState('e', 1) });
    await store.release(ownership);
    expect(await store.commit(batchOf(ownership, entry))).toEqual({ kind: 'outdated' });
    expect(participant.environment.epoch).toBe(0);
  });

  it('names the environment when its folder cannot be one', async () => {
    const folder = dataFolder();
    const path = join(folder.path, 'index-1');
    writeFileSync(path, '');
    await expect(folder.index(1)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining(path),
    });
  });

  it('blames the data, not the disk, for what has no JSON', async () => {
    const { store, ownership } = await owning(dataFolder());
    const entry = stored('a', plainState('e', cyclic()));
    const outcome = await store.commit(batchOf(ownership, entry));
    expect(outcome).toEqual({ kind: 'unstorable', entries: new Map([[entry, expect.stringContaining('deep')]]) });
  });
});
