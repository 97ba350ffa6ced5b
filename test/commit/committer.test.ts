/** The committer with a store that answers when the test says so. */

import { describe, expect, it } from 'vitest';
import { type AfterCommit, Committer, type CommitterOptions } from '../../lib/commit/committer.js';
import { LONG_OUTAGE_MS } from '../../lib/commit/outage.js';
import type { TaskResult } from '../../lib/model/record.js';
import { Work } from '../../lib/model/work.js';
import { Placement } from '../../lib/routing/placement.js';
import { ApplicationError } from '../../lib/runtime/errors.js';
import { Troubles } from '../../lib/runtime/troubles.js';
import type { Batch, CommitOutcome } from '../../lib/store/store.js';
import { manualClock } from '../support/clock.js';
import { nextTurn, testDelivery, testTask } from '../support/deliveries.js';
import { capturingLogger, eventsLoggedTo } from '../support/logger.js';

const AGE_MS = 5;
const UNAVAILABLE: CommitOutcome = { kind: 'unavailable', why: 'no route' };

interface Given {
  readonly key?: string;
  readonly body?: Buffer;
  readonly result?: Partial<TaskResult>;
}

function done(id: string, { key = `ip:${id}`, body = Buffer.from('{}'), result = {} }: Given = {}) {
  const applied = { outcome: 'applied', etype: 'ip', eid: '', history: [], raw: [], derived: [] } as const;
  const delivery = testDelivery({ id, body });
  return Object.assign(new Work(delivery, testTask(key)).finish({ ...applied, ...result }), { delivery });
}

type Told = Partial<CommitterOptions> & Partial<Pick<AfterCommit, 'stored'>>;

function setUp({ stored, ...given }: Told = {}) {
  const clock = manualClock();
  const log = capturingLogger();
  const events = eventsLoggedTo(log);
  const told: unknown[][] = [];
  const batches: {
    ids: string[];
    answer: (outcome: CommitOutcome) => Promise<void>;
    fail: (error: Error) => Promise<void>;
  }[] = [];
  const troubles = new Troubles();
  const prepared: string[][] = [];
  const prepare = (batch: Batch) => void prepared.push(idsOf(batch.entries));
  const commit = (batch: Batch) =>
    new Promise<CommitOutcome>((resolve, reject) => {
      batches.push({
        ids: idsOf(batch.entries),
        answer(outcome) {
          resolve(outcome);
          return nextTurn();
        },
        fail(error) {
          reject(error);
          return nextTurn();
        },
      });
    });
  for (const name of ['commit-stored', 'commit-failed', 'commit-retried'] as const) {
    events.on(name, (payload) => told.push([name, payload]));
  }
  const committer = new Committer({
    store: { prepare, commit },
    ownership: { index: 3, epoch: 7 },
    inbox: true,
    placement: new Placement(4),
    limits: { tasks: 3, bytes: 1_000, ageMs: AGE_MS },
    reader: { committing: () => {} },
    records: { bytesOf: () => 0 },
    troubles,
    clock,
    events,
    after: {
      stored: stored ?? ((works) => told.push(['committed', ...idsOf(works)])),
      sortedOut({ known, others, rewound }) {
        for (const { delivery } of others) {
          told.push(['another', delivery.id]);
          delivery.id = `${delivery.id}'`;
        }
        for (const [key, works] of rewound) told.push(['rewind', key, ...idsOf(works)]);
        told.push(['known', ...idsOf(known)]);
      },
      storeDown: () => told.push(['down']),
      commitsFailed: (reason) => told.push(['failed', reason]),
    },
    ...given,
  });
  const ofKind = (kind: string) => told.filter(([name]) => name === kind).map(([, ...rest]) => rest);
  return { committer, troubles, clock, log, batches, prepared, told, ofKind };
}

function idsOf(works: readonly { readonly delivery: { readonly id: string } }[]): string[] {
  return works.map(({ delivery }) => delivery.id);
}

describe('gathering results', () => {
  it('commits no more bytes at once than allowed, and at once when there are as many', async () => {
    const { committer, batches } = setUp();
    const large = (id: string, bytes: number) => done(id, { body: Buffer.alloc(bytes / 2) });
    for (const id of ['1', '2', '3']) committer.add(large(id, 400));
    await nextTurn();
    expect(batches[0]?.ids).toEqual(['1', '2']);
    committer.add(large('4', 5_000));
    committer.add(large('5', 400));
    await nextTurn();
    await batches[0]?.answer({ kind: 'stored' });
    await batches[1]?.answer({ kind: 'stored' });
    await batches[2]?.answer({ kind: 'stored' });
    void committer.flushed();
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['1', '2'], ['3'], ['4'], ['5']]);
  });

  it('counts the records that results leave, and the tasks that they derive', async () => {
    const records = { bytesOf: (key: string) => (key === 'ip:1' ? 900 : 50) };
    const { committer, batches } = setUp({ records });
    const record = { state: null, lastIncarnation: 0 };
    const derived = [{ id: 'd', key: 'ip:d', index: 0, priority: true, body: Buffer.alloc(930) }];
    committer.add(done('1', { result: { record } }));
    committer.add(done('2', { result: { record } }));
    committer.add(done('3', { result: { derived } }));
    await nextTurn();
    await batches[0]?.answer({ kind: 'stored' });
    void committer.flushed();
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['1', '2'], ['3']]);
  });

  it('commits a result when it has the age, with those that came meanwhile', async () => {
    const { committer, clock, batches } = setUp();
    committer.add(done('1'));
    clock.pass(AGE_MS - 1);
    committer.add(done('2'));
    await nextTurn();
    expect(batches).toEqual([]);
    clock.pass(1);
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['1', '2']]);
    expect(clock.waiting).toBe(0);
  });

  it('commits at once when enough have gathered, and never more than that in one commit', async () => {
    const { committer, clock, batches, ofKind } = setUp();
    for (const id of ['1', '2', '3', '4', '5', '6', '7']) committer.add(done(id));
    await nextTurn();
    expect(batches.map(({ ids }) => ids)).toEqual([['1', '2', '3']]);
    await batches[0]?.answer({ kind: 'stored' });
    await nextTurn();
    expect(batches[1]?.ids).toEqual(['4', '5', '6']);
    await batches[1]?.answer({ kind: 'stored' });
    clock.pass(AGE_MS);
    await nextTurn();
    expect(batches[2]?.ids).toEqual(['7']);
    await batches[2]?.answer({ kind: 'stored' });
    expect(ofKind('committed')).toEqual([['1', '2', '3'], ['4', '5', '6'], ['7']]);
    expect(committer.open).toBe(0);
  });

  it('commits what came in the very turn in which a commit begins, without anything else to happen', async () => {
    const { committer, clock, batches, ofKind } = setUp();
    committer.add(done('1'));
    committer.hurry();
    for (const id of ['2', '3', '4']) committer.add(done(id));
    await nextTurn();
    clock.pass(AGE_MS * 2);
    await batches[0]?.answer({ kind: 'stored' });
    clock.pass(AGE_MS);
    await nextTurn();
    await batches[1]?.answer({ kind: 'stored' });
    committer.add(done('5'));
    clock.pass(AGE_MS);
    await nextTurn();
    await batches[2]?.answer({ kind: 'stored' });
    expect(ofKind('committed')).toEqual([['1', '2', '3'], ['4'], ['5']]);
  });

  it('has one commit under way at a time', async () => {
    const { committer, batches } = setUp();
    committer.add(done('1'));
    committer.hurry();
    await nextTurn();
    committer.add(done('2'));
    committer.hurry();
    await nextTurn();
    expect(batches).toHaveLength(1);
    expect(committer.unfinished().map(({ delivery }) => delivery.id)).toEqual(['1', '2']);
  });

  it('flushes everything that was added, and ends at once when there is nothing', async () => {
    const { committer, batches } = setUp();
    await committer.flushed();
    for (const id of ['1', '2', '3', '4']) committer.add(done(id));
    let flushed = false;
    const flushing = committer.flushed().then(() => {
      flushed = true;
    });
    await nextTurn();
    await batches[0]?.answer({ kind: 'stored' });
    expect(flushed).toBe(false);
    await nextTurn();
    await batches[1]?.answer({ kind: 'stored' });
    await flushing;
    expect(batches.map(({ ids }) => ids)).toEqual([['1', '2', '3'], ['4']]);
  });
});

describe('a full batch behind the one under way', () => {
  it('is made ready by the store, and follows before anyone hears of the first one', async () => {
    const begunWhenTold: number[] = [];
    const bed = setUp({ stored: () => begunWhenTold.push(bed.batches.length) });
    const { committer, batches, prepared } = bed;
    for (const id of ['1', '2', '3', '4', '5', '6', '7']) committer.add(done(id));
    await nextTurn();
    expect(prepared).toEqual([]);
    committer.add(done('8'));
    await nextTurn();
    expect(prepared).toEqual([['4', '5', '6']]);
    expect(committer.unfinished().map(({ delivery }) => delivery.id)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    await batches[0]?.answer({ kind: 'stored' });
    expect(batches[1]?.ids).toEqual(['4', '5', '6']);
    expect(begunWhenTold).toEqual([2]);
    expect(committer.open).toBe(5);
  });

  it('is not made ready before it is full, and only once', async () => {
    const { committer, batches, prepared } = setUp();
    for (const id of ['1', '2', '3', '4', '5']) committer.add(done(id));
    await nextTurn();
    committer.hurry();
    await nextTurn();
    expect(prepared).toEqual([]);
    for (const id of ['6', '7', '8', '9']) committer.add(done(id));
    await nextTurn();
    committer.add(done('10'));
    await nextTurn();
    expect(prepared).toEqual([['4', '5', '6']]);
    await batches[0]?.answer({ kind: 'stored' });
    await nextTurn();
    expect(prepared).toEqual([
      ['4', '5', '6'],
      ['7', '8', '9'],
    ]);
  });

  it('is taken apart when the first one is refused: what hangs on a refused task is executed again', async () => {
    const { committer, batches, prepared, ofKind } = setUp();
    const works = ['1', '2', '3', '4', '5', '6'].map((id) => done(id, { key: id === '1' || id === '5' ? 'a' : id }));
    for (const each of works) committer.add(each);
    await nextTurn();
    committer.add(done('7', { key: 'a' }));
    await nextTurn();
    expect(prepared).toEqual([['4', '5', '6']]);
    await batches[0]?.answer({ kind: 'done-before', ids: new Map([['1', null]]) });
    expect(ofKind('rewind')).toEqual([['a', '5', '7']]);
    await nextTurn();
    expect(batches[1]?.ids).toEqual(['2', '3', '4']);
    await batches[1]?.answer({ kind: 'stored' });
    committer.hurry();
    await nextTurn();
    expect(batches[2]?.ids).toEqual(['6']);
  });

  it('waits as it is while the store does not answer', async () => {
    const { committer, clock, batches, prepared, ofKind } = setUp();
    for (const id of ['1', '2', '3', '4', '5', '6']) committer.add(done(id));
    await nextTurn();
    committer.add(done('7'));
    await nextTurn();
    await batches[0]?.answer(UNAVAILABLE);
    for (const id of ['8', '9', '10']) committer.add(done(id));
    await nextTurn();
    expect(prepared).toEqual([['4', '5', '6']]);
    clock.pass(1_000);
    expect(batches[1]?.ids).toEqual(['1', '2', '3']);
    await batches[1]?.answer({ kind: 'stored' });
    expect(batches[2]?.ids).toEqual(['4', '5', '6']);
    await nextTurn();
    expect(prepared).toEqual([
      ['4', '5', '6'],
      ['7', '8', '9'],
    ]);
    expect(ofKind('committed')).toEqual([['1', '2', '3']]);
  });
});

describe('a store that does not answer', () => {
  it('gets the same batch again after 1, 2, 5, 10, 30, 30 ... seconds, while the next one gathers', async () => {
    const { committer, troubles, clock, batches, ofKind, log } = setUp();
    committer.add(done('1'));
    committer.hurry();
    await nextTurn();
    committer.add(done('2'));
    for (const [at, seconds] of [1, 2, 5, 10, 30, 30].entries()) {
      await batches[at]?.answer(UNAVAILABLE);
      expect(troubles.why).toBe('no route');
      clock.pass(seconds * 1_000 - 1);
      await nextTurn();
      expect(batches).toHaveLength(at + 1);
      clock.pass(1);
      expect(batches.at(-1)?.ids).toEqual(['1']);
    }
    expect(ofKind('commit-retried').map(([payload]) => payload)).toMatchObject(
      [1, 2, 5, 10, 30, 30].map((s, at) => ({ tasks: 1, attempt: at + 1, pauseMs: s * 1_000, why: 'no route' })),
    );
    expect(ofKind('down')).toEqual([[]]);
    await batches.at(-1)?.answer({ kind: 'stored' });
    expect(troubles.why).toBeNull();
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'the store does not answer; commits wait'],
      ['info', 'the store answers again'],
    ]);
    clock.pass(AGE_MS);
    await nextTurn();
    expect(batches.at(-1)?.ids).toEqual(['2']);
  });

  it('is told of as away for long only when it is, and each time anew', async () => {
    const { committer, clock, batches, ofKind } = setUp();
    committer.add(done('1'));
    committer.hurry();
    await nextTurn();
    for (const expected of [0, 1, 2]) {
      await batches.at(-1)?.answer(UNAVAILABLE);
      clock.pass(expected === 0 ? 1_000 : LONG_OUTAGE_MS);
      expect(ofKind('down')).toHaveLength(expected);
      await batches.at(-1)?.answer({ kind: 'stored' });
      committer.add(done(`${expected}`));
      committer.hurry();
      await nextTurn();
    }
  });

  it('is asked no more after a stop', async () => {
    const { committer, clock, batches, told } = setUp();
    committer.add(done('1'));
    const flushed = committer.flushed();
    await nextTurn();
    await batches[0]?.answer(UNAVAILABLE);
    committer.stop();
    await flushed;
    clock.pass(LONG_OUTAGE_MS * 2);
    expect(clock.waiting).toBe(0);
    expect(batches).toHaveLength(1);
    expect(told.map(([name]) => name)).toEqual(['commit-retried']);
    await committer.flushed();
  });
});

describe('a batch that the store refuses', () => {
  it('tells what was done before, gives the rest of its key back and commits what is left', async () => {
    const { committer, batches, ofKind, told } = setUp();
    const [first, after, other, later] = [
      done('1', { key: 'a' }),
      done('2', { key: 'a' }),
      done('3', { key: 'b' }),
      done('4', { key: 'a' }),
    ];
    for (const each of [first, after, other]) committer.add(each);
    await nextTurn();
    committer.add(later);
    await batches[0]?.answer({ kind: 'done-before', ids: new Map([['1', null]]) });
    expect(ofKind('known')).toEqual([['1']]);
    expect(told.map(([name]) => name)).toEqual(['commit-failed', 'rewind', 'known']);
    expect(ofKind('rewind')).toEqual([['a', '2', '4']]);
    expect(ofKind('known')).toEqual([['1']]);
    committer.hurry();
    await nextTurn();
    expect(batches[1]?.ids).toEqual(['3']);
    expect(committer.open).toBe(1);
  });

  it('commits a task that cannot be stored as put aside', async () => {
    const { committer, batches, ofKind } = setUp();
    const guilty = done('1', { key: 'a' });
    for (const each of [guilty, done('2', { key: 'a' })]) committer.add(each);
    committer.hurry();
    await nextTurn();
    await batches[0]?.answer({ kind: 'unstorable', entries: new Map([[guilty, 'a zero byte']]) });
    expect(guilty.delivery.settled).toBe(0);
    expect(ofKind('rewind')).toEqual([['a', '2']]);
    expect(committer.unfinished()).toMatchObject([{ key: 'a', state: 'final', result: { outcome: 'quarantined' } }]);
  });

  it('flushes although nothing of it is left to commit', async () => {
    const { committer, batches } = setUp();
    committer.add(done('1'));
    const flushed = committer.flushed();
    await nextTurn();
    await batches[0]?.answer({ kind: 'done-before', ids: new Map([['1', null]]) });
    await flushed;
    expect(committer.open).toBe(0);
  });
});

describe('a worker that can commit no more', () => {
  it('stops when its epoch is outdated, and says whose index it was', async () => {
    const { committer, batches, ofKind } = setUp();
    committer.add(done('1'));
    const flushed = committer.flushed();
    await nextTurn();
    await batches[0]?.answer({ kind: 'outdated' });
    await flushed;
    expect(ofKind('failed')).toMatchObject([[{ code: 'OWNERSHIP_LOST' }]]);
    expect(ofKind('failed')[0]?.[0]).toBeInstanceOf(ApplicationError);
    expect(ofKind('failed')[0]?.[0]).toHaveProperty('message', expect.stringMatching(/index 3; .* epoch 7/));
    committer.add(done('2'));
    committer.hurry();
    await nextTurn();
    expect(batches).toHaveLength(1);
    expect(ofKind('committed')).toEqual([]);
  });

  it('fails once when the store throws, or refuses a batch without a reason to go on', async () => {
    const thrown = setUp();
    const error = new Error('disk full');
    thrown.committer.add(done('1'));
    thrown.committer.hurry();
    await nextTurn();
    await thrown.batches[0]?.fail(error);
    expect(thrown.ofKind('failed')).toEqual([[error]]);

    const refused = setUp();
    refused.committer.add(done('1'));
    refused.committer.hurry();
    await nextTurn();
    await refused.batches[0]?.answer({ kind: 'done-before', ids: new Map() });
    expect(String(refused.ofKind('failed')[0])).toContain('done-before');
  });

  it('hears nothing of a commit that ends after the stop', async () => {
    const { committer, batches, told } = setUp();
    committer.add(done('1'));
    committer.hurry();
    await nextTurn();
    committer.stop();
    await batches[0]?.answer({ kind: 'stored' });
    expect(told).toEqual([]);
  });
});
