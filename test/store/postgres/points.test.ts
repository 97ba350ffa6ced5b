/** Data-points and rows of history, which share what they have in common on their way to the server. */
import { expect, test } from 'vitest';
import type { DataPoint } from '../../../lib/model/datapoint.js';
import type { HistoryRow } from '../../../lib/model/record.js';
import { Changes } from '../../../lib/store/changes.js';
import { CommitStatement } from '../../../lib/store/postgres/commit-statement.js';
import { encodeBatch } from '../../../lib/store/postgres/encode-batch.js';
import { JsonWriter } from '../../../lib/store/postgres/values.js';
import { at, batchOf, deleted, observed, row, stateOf, stored } from '../../support/results.js';
import { prepare } from './prepared.js';

/** A list that counts how often its items are read. */
function counted<T extends object>(list: readonly T[]): { readonly list: readonly T[]; readonly reads: () => number } {
  let reads = 0;
  const get = (target: readonly T[], key: string | symbol) => {
    if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
    return Reflect.get(target, key);
  };
  return { list: new Proxy(list, { get }), reads: () => reads };
}

function pointOf(eid: string, { attr, t1, t2, v, c }: HistoryRow, src: string | null): DataPoint {
  return { etype: 'ip', eid, attr, v, t1, t2, c, src };
}

test('each data-point and each row of history is stored once, as it is, whether they are the same or not', async () => {
  const { session, commit } = await prepare();
  const [first, second, third] = [row('a', 1, { list: [1, '\u00e4'] }), row('a', 2, 2.5), row('b', 3, null)];
  const alone = row('c', 4, 'not sent by anybody');
  const plain: DataPoint = { etype: 'ip', eid: 'e', attr: 'name', v: 'n', t1: null, t2: null, c: 1, src: 'by hand' };
  const history = [first, second, third, alone];
  const raw = [
    pointOf('of another', first, 'elsewhere'),
    pointOf('e', first, 'one'),
    plain,
    pointOf('e', second, null),
    { ...pointOf('e', third, 'longer'), t2: at(30) },
  ];
  const gone = deleted('2', stateOf('gone'));
  const entries = [
    stored('1', observed(stateOf('e'), history), { history, raw }),
    { ...gone, result: { ...gone.result, history: [first], raw: [pointOf('gone', first, 'last')] } },
  ];
  expect(await commit(...entries)).toEqual({ kind: 'stored' });
  const seconds = (column: string) => `extract(epoch from ${column} - '2026-01-01T00:00:00Z')::int`;
  const times = `${seconds('t1')}, ${seconds('t2')}`;
  expect(await session.query(`select eid, attr, n, ${times}, v::text from history order by eid, attr, n`)).toEqual([
    ['e', 'a', '0', '1', '1', '{"list": [1, "ä"]}'],
    ['e', 'a', '1', '2', '2', '2.5'],
    ['e', 'b', '0', '3', '3', 'null'],
    ['e', 'c', '0', '4', '4', '"not sent by anybody"'],
  ]);
  expect(await session.query(`select eid, attr, ${times}, src, v::text from raw order by eid, attr, t1`)).toEqual([
    ['e', 'a', '1', '1', 'one', '{"list":[1,"ä"]}'],
    ['e', 'a', '2', '2', null, '2.5'],
    ['e', 'b', '3', '30', 'longer', 'null'],
    ['e', 'name', null, null, 'by hand', '"n"'],
    ['gone', 'a', '1', '1', 'last', '{"list":[1,"ä"]}'],
    ['of another', 'a', '1', '1', 'elsewhere', '{"list":[1,"ä"]}'],
  ]);
});

test.each(['observed', 'history'])(
  'writing rows of %s reads each of them a few times, however many one task brings',
  (part) => {
    const readsOf = (length: number) => {
      const rows = Array.from({ length }, (_, n) => row(`${n % 2}`, n % 60, n));
      const { list: history, reads } = counted(rows);
      const raw = part === 'observed' ? rows.map((each) => pointOf('e', each, null)) : [];
      const { rows: columns } = new CommitStatement();
      const state = observed(stateOf('e'), rows);
      const changes = new Changes(batchOf({ index: 0, epoch: 1 }, stored('1', state, { history, raw })));
      encodeBatch(changes, columns, new JsonWriter());
      expect(changes.guilty.size).toBe(0);
      expect(columns[part as 'observed' | 'history'].columns.n.length).toBe(length);
      return reads();
    };
    const [few, many] = [readsOf(200), readsOf(2_000)];
    expect(few).toBeGreaterThanOrEqual(200);
    expect(many).toBeLessThanOrEqual(11 * few);
  },
);
