/**
 * The whole data path under random faults: the store answers in every way it may, connections are lost, owners are replaced, copies
 * of a message are in flight at once, messages are broken, misrouted, not storable, or break the executor. In the end the records
 * must be those of a run in order, one task at a time, without any fault.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineOptions } from '../../lib/pipeline/options.js';
import { DataPath, ELSEWHERE, HERE, journalOf, message, type Script } from '../support/data-path.js';
import type { MemoryMessage } from '../support/memory-queue.js';
import { below, seeded } from '../support/random.js';

const MAX_ATTEMPTS = 3;

type Kind = 'good' | 'invalid' | 'too long' | 'misrouted' | 'unstorable' | 'breaks' | 'breaks always' | 'done';

interface Planned {
  readonly kind: Kind;
  readonly key: number;
  readonly priority: boolean;
  readonly redelivered: boolean;
  readonly copies: number;
  readonly derives: boolean;
  /** Whether it ran when a process was killed. */
  readonly suspect: boolean;
}

interface Faults {
  readonly away: number;
  readonly loses: number;
  readonly takeOvers: number;
}

const planned: fc.Arbitrary<Planned> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant<Kind>('good') },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Kind>(
        'invalid',
        'misrouted',
        'unstorable',
        'breaks',
        'breaks always',
        'done',
        'too long',
      ),
    },
  ),
  key: fc.nat(4),
  priority: fc.boolean(),
  redelivered: fc.boolean(),
  copies: fc.constantFrom(1, 1, 1, 2, 3),
  derives: fc.boolean(),
  suspect: fc.constantFrom(false, false, false, true),
});
const faults: fc.Arbitrary<Faults> = fc.record({
  away: fc.constantFrom(0, 0.2),
  loses: fc.constantFrom(0, 0.05, 0.3),
  takeOvers: fc.constantFrom(0, 0.05, 0.3),
});

function messageOf({ kind, key, priority, redelivered, derives, suspect }: Planned, at: number): MemoryMessage {
  const name = `${at}`;
  const eid = (kind === 'misrouted' ? ELSEWHERE : HERE)[key] ?? '';
  const given = { priority, redelivered, attempts: suspect && kind === 'good' ? 1 : 0 };
  const script: Script = {
    name,
    derives,
    ...(kind === 'unstorable' && { unstorable: true }),
    ...(kind === 'breaks' && { breaks: MAX_ATTEMPTS - 1 }),
    ...(kind === 'breaks always' && { breaks: 1_000_000 }),
  };
  if (kind === 'invalid') return { id: `id-${name}`, body: Buffer.from('{"etype":"ip"}'), ...given };
  if (kind === 'too long') return { id: `id-${name}`, body: Buffer.alloc(1_001, ' '), ...given };
  return message(eid, script, given);
}

const CODES: Partial<Record<Kind, string>> = {
  invalid: 'MESSAGE_INVALID',
  'too long': 'MESSAGE_INVALID',
  unstorable: 'TASK_UNSTORABLE',
  'breaks always': 'ATTEMPTS_EXHAUSTED',
};

interface Run {
  readonly path: DataPath;
  readonly plan: readonly Planned[];
}

async function run(
  plan: readonly Planned[],
  { away, loses, takeOvers }: Faults,
  seed: number,
  delivery: PipelineOptions['delivery'],
): Promise<Run> {
  const random = seeded(seed);
  const path = new DataPath({
    random,
    delivery,
    store: { random, away, turns: 3 },
    windowTasks: 1 + below(30, random),
    turns: 3,
    writerAway: away,
    limits: { threads: 1 + below(4, random), maxAttempts: MAX_ATTEMPTS },
  });
  await path.takeOver();
  for (const [at, each] of plan.entries()) if (each.kind === 'done') path.store.inbox.add(`id-${at}`);
  const messages = plan.flatMap((each, at) => Array.from({ length: each.copies }, () => messageOf(each, at)));
  let under: Promise<unknown> = Promise.resolve();
  let busy = false;
  let left = 6;
  const disturb = (fault: () => Promise<unknown>) => {
    if (busy || left-- <= 0) return;
    busy = true;
    under = fault().finally(() => {
      busy = false;
    });
  };
  const over = () => messages.length === 0 && path.queue.left === 0;
  await path.until(over, 'all is sent and settled', () => {
    path.queue.put(...messages.splice(0, below(4, random)));
    if (random() < loses) disturb(() => path.queue.lose());
    if (random() < takeOvers) disturb(() => path.takeOver());
  });
  await path.until(() => !busy, 'the last fault is over');
  await under;
  await path.settled();
  await path.until(() => path.atRest, 'everything is at rest');
  return { path, plan };
}

function checkOnce({ path, plan }: Run): void {
  const { store } = path;
  const counts = new Map<string, number>();
  for (const { delivery } of store.stored) counts.set(delivery.id, (counts.get(delivery.id) ?? 0) + 1);
  const todo = plan.flatMap(({ kind }, at) => (kind === 'done' ? [] : [`id-${at}`]));
  expect(counts).toEqual(new Map(todo.map((id) => [id, 1])));

  checkOrder({ path, plan });
  const quarantined = new Map(store.quarantined.map(({ id, code }) => [id, code]));
  expect(quarantined).toEqual(
    new Map(plan.flatMap(({ kind }, at) => (CODES[kind] ? [[`id-${at}`, CODES[kind]]] : []))),
  );
}

/** Each record tells what it got, each task once, in the order of each queue. */
function checkOrder({ path: { store }, plan }: Run): void {
  for (const [key, eid] of HERE.slice(0, 5).entries()) {
    const journal = journalOf(store.records.get(`ip:${eid}`)).map(Number);
    for (const priority of [true, false]) {
      const expected = plan.flatMap((each, at) =>
        each.key === key && each.priority === priority && (each.kind === 'good' || each.kind === 'breaks') ? [at] : [],
      );
      expect(journal.filter((at) => plan[at]?.priority === priority)).toEqual(expected);
    }
  }
}

/** Everything that was stored as derived or forwarded, in the order of the commits; a repeated publish repeats it as it was. */
function checkSent({ path, plan }: Run): void {
  const stored = path.store.stored.flatMap(({ sends = [] }) => sends.map(({ id }) => id));
  const sent = [...new Set(path.sent.map(({ id }) => id))];
  expect(sent).toEqual(stored);
  const forwarded = path.sent.filter(({ id }) => id.startsWith('id-')).map(({ id }) => id);
  const misrouted = plan.flatMap(({ kind }, at) => (kind === 'misrouted' ? [`id-${at}`] : []));
  expect(new Set(forwarded)).toEqual(new Set(misrouted));
}

function checkRest({ path }: Run): void {
  expect(path.executing.size).toBe(0);
  expect(path.queue.runs).toBe(0);
  const unexpected = path.failures.filter((reason) => !String(reason).includes('another process has taken over'));
  expect(unexpected).toEqual([]);
}

describe('the data path under random faults', () => {
  it('applies every task exactly once and in order, and puts aside exactly those that cannot be applied', async () => {
    const ends = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(planned, { minLength: 1, maxLength: 60, size: 'max' }),
        faults,
        fc.nat(),
        async (...given) => {
          const done = await run(...given, 'effectively-once');
          checkOnce(done);
          checkSent(done);
          checkRest(done);
          for (const [kind, count] of done.path.store.ends) ends.set(kind, (ends.get(kind) ?? 0) + count);
        },
      ),
      { numRuns: 200 },
    );
    // The faults have happened.
    expect([...ends.keys()].sort()).toEqual(['done-before', 'outdated', 'stored', 'unavailable', 'unstorable']);
  }, 60_000);

  it('applies every task at least once without an inbox, and exactly once while its process lives', async () => {
    const arbitrary = fc.array(
      planned.filter(({ kind }) => kind !== 'done'),
      { minLength: 1, maxLength: 40, size: 'max' },
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, faults, fc.nat(), async (...given) => {
        const done = await run(...given, 'at-least-once');
        const [, { takeOvers }] = given;
        if (takeOvers === 0) checkOnce(done);
        const stored = new Set(done.path.store.stored.map(({ delivery }) => delivery.id));
        expect(stored).toEqual(new Set(done.plan.map((_, at) => `id-${at}`)));
        expect(done.path.store.inbox.size).toBe(0);
        checkRest(done);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('applies every task at most once while its process lives, and then loses none', async () => {
    const arbitrary = fc.array(
      planned.filter(({ kind }) => kind !== 'done'),
      { minLength: 1, maxLength: 40, size: 'max' },
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, faults, fc.nat(), async (plan, given, seed) => {
        const done = await run(plan, { ...given, takeOvers: 0 }, seed, 'at-most-once');
        checkOrder(done);
        const stored = new Set(done.path.store.stored.map(({ delivery }) => delivery.id));
        expect(stored).toEqual(new Set(plan.map((_, at) => `id-${at}`)));
        checkRest(done);
      }),
      { numRuns: 100 },
    );
  }, 60_000);
});
