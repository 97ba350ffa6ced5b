/** Whatever a record, a history and raw data-points hold comes back from PostgreSQL as it went in. */
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { RecordState } from '../../../lib/model/record.js';
import { instantOfMicros, microsOf, parseInstant } from '../../../lib/model/time.js';
import { inboxId } from '../../../lib/store/postgres/inbox.js';
import { PostgresStoreReader } from '../../../lib/store/postgres/reader.js';
import { readJson } from '../../../lib/store/postgres/values.js';
import { all, plainState, stateOf, stored } from '../../support/results.js';
import { APP, prepare } from './prepared.js';

const FIRST = microsOf(parseInstant('0001-01-01T00:00:00Z'));
const LAST = microsOf(parseInstant('9999-12-31T23:59:59.999999Z'));

const text = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 40 }))
  .filter((each) => each.isWellFormed() && !each.includes('\0'));
const instant = fc
  .oneof(fc.bigInt({ min: FIRST, max: LAST }), fc.constantFrom(FIRST, LAST, 0n, -1n, 946_684_800_000_000n))
  .map(instantOfMicros);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => each + 0),
  fc.double({ min: 2 ** 53, max: 1.7e308, noNaN: true }),
  fc.integer(),
  fc.bigInt().filter((each) => each > BigInt(Number.MAX_SAFE_INTEGER) || each < BigInt(Number.MIN_SAFE_INTEGER)),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(number, text, fc.constantFrom(null, true, false, 'x'.repeat(20_000))),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const confidence = fc.double({ min: 0, max: 1, noNaN: true }).map((each) => each + 0);
const summaries = fc
  .dictionary(text, fc.record({ count, t1: instant, t2: instant, v: value, c: confidence }), { maxKeys: 3 })
  .map((object) => {
    return new Map(
      Object.entries(object).map(([attr, { count, ...row }]) => [attr, { count, newest: { attr, ...row } }]),
    );
  });
const state = fc
  .record({
    hash: fc.nat(65_535),
    incarnation: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    created: instant,
    updated: instant,
    ttlTokens: fc.dictionary(text, instant, { maxKeys: 3 }).map((object) => new Map(Object.entries(object))),
    plain: fc
      .dictionary(text, fc.record({ v: value, ts: instant }), { maxKeys: 3 })
      .map((object) => new Map(Object.entries(object))),
    observations: summaries,
    timeseries: summaries,
  })
  .map((given) => stateOf('', given));

test('gives back any record as it was stored', async () => {
  const { store, commit } = await prepare();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, state), { minLength: 1, maxLength: 8 }), async (given) => {
      run++;
      const states: RecordState[] = given.map(([eid, each], n) => ({ ...each, eid: `${run} ${n} ${eid}` }));
      expect(await commit(...states.map((each, n) => stored(`${run} ${n}`, each)))).toEqual({ kind: 'stored' });
      const views = await store.load(states.map(({ etype, eid }) => [etype, eid] as const));
      expect(views).toEqual(states.map((each) => ({ state: each })));
    }),
    { numRuns: 150 },
  );
});

test('gives back any history and any raw data-point as it was stored', async () => {
  const { url, commit, session } = await prepare();
  const reader = new PostgresStoreReader({ url, app: APP });
  onTestFinished(() => reader.stop());
  await reader.start();
  const row = fc.record({ t1: instant, t2: instant, v: value, c: confidence, src: fc.option(text) });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 8 }), async (given) => {
      const eid = `e${++run}`;
      const rows = given.map(({ src, ...each }) => ({ attr: 'a', ...each }));
      const raw = given.map((each, n) => ({
        etype: 'ip',
        eid,
        attr: `b${n}`,
        ...each,
        ...(n % 2 && { t1: null, t2: null }),
      }));
      const before = plainState(eid, 1);
      const observations = new Map([['a', { count: rows.length, newest: rows[0]! }]]);
      expect(await commit(stored(eid, { ...before, observations }, { history: rows, raw }))).toEqual({
        kind: 'stored',
      });
      const sorted = [...rows].sort((one, other) => (one.t1 < other.t1 ? -1 : one.t1 > other.t1 ? 1 : 0));
      expect(await all(reader.history('ip', eid, {}))).toEqual(sorted);
      const found = await session.query('select v, c, src, t1 is null from raw where eid = $1 order by attr', [eid]);
      expect(found.map(([v, c, src, open]) => [readJson(v ?? ''), Number(c), src, open])).toEqual(
        raw.map(({ v, c, src, t1 }) => [v, c, src, t1 === null ? 't' : 'f']),
      );
    }),
    { numRuns: 100 },
  );
});

test('keeps ids that are no uuid apart, and uuids as they are', () => {
  const uuid = '0190a6f2-1111-4222-8333-444455556666';
  expect(inboxId(uuid)).toBe(uuid);
  const others = [
    '',
    'a',
    uuid.toUpperCase(),
    uuid.replaceAll('-', ''),
    `${uuid}0`,
    uuid.replace('-', '0'),
    `g${uuid.slice(1)}`,
  ];
  const kept = others.map(inboxId);
  expect(new Set(kept).size).toBe(others.length);
  for (const id of kept) expect(id).toMatch(/^[0-9a-f]{32}$/);
});
