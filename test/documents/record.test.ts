import { describe, expect, it } from 'vitest';
import { attributesOf, documentOf, type WantedHistory } from '../../lib/documents/record.js';
import { parseJson } from '../../lib/model/json.js';
import type { HistoryRow, RecordState } from '../../lib/model/record.js';
import { type Instant, instantOfMs } from '../../lib/model/time.js';
import type { HistoryRange, StoreReader } from '../../lib/store/store.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const NOW = instantOfMs(Date.UTC(2026, 0, 1, 12));
const CREATED = instantOfMs(Date.UTC(2026, 0, 1));

function at(hour: number): Instant {
  return instantOfMs(Date.UTC(2026, 0, 1, hour));
}

function row(attr: string, from: number, to: number, v: unknown, c = 1): HistoryRow {
  return { attr, t1: at(from), t2: at(to), v, c };
}

function recordOf(rows: readonly HistoryRow[], parts: Partial<RecordState> = {}) {
  const summaries = (type: 'observations' | 'timeseries') => {
    const found = new Map<string, { count: number; newest: HistoryRow }>();
    for (const each of rows) {
      if ((spec.attribute('bus', each.attr)?.type === 'timeseries') !== (type === 'timeseries')) continue;
      const before = found.get(each.attr);
      const newest = before !== undefined && before.newest.t2 > each.t2 ? before.newest : each;
      found.set(each.attr, { count: (before?.count ?? 0) + 1, newest });
    }
    return found;
  };
  const state: RecordState = {
    etype: 'bus',
    eid: 'b"1',
    hash: 1,
    incarnation: 1,
    created: CREATED,
    updated: CREATED,
    ttlTokens: new Map(),
    plain: new Map(),
    observations: summaries('observations'),
    timeseries: summaries('timeseries'),
    ...parts,
  };
  const asked: HistoryRange[] = [];
  const reader = {
    async *history(_etype: string, _eid: string, range: HistoryRange) {
      asked.push(range);
      for (const each of rows) {
        const overlaps = each.t1 <= (range.to ?? each.t1) && each.t2 >= (range.from ?? each.t2);
        if (each.attr === range.attr && overlaps) yield each;
      }
    },
  } as unknown as StoreReader;
  return { state, reader, asked };
}

async function textOf({ state, reader }: ReturnType<typeof recordOf>, range: WantedHistory | null): Promise<string> {
  const entity = spec.entity('bus');
  if (entity === undefined) throw new Error('the model has buses');
  let text = '';
  for await (const piece of documentOf(state, attributesOf(state, entity, reader, NOW), reader, range)) text += piece;
  return text;
}

describe('the document of a record', () => {
  const rows = [
    row('int', 0, 13, 1, 0.5),
    row('int', 1, 12, 2, 0.9),
    row('jsons', 1, 2, ['x']),
    row('jam', 1, 2, { speed: [1.5] }),
  ];
  const plain = new Map([
    ['text', { v: 'hello', ts: at(3) }],
    ['int64', { v: 12345678901234567890n, ts: at(4) }],
  ]);

  it('holds every attribute under its name', async () => {
    const record = recordOf(rows, { plain, ttlTokens: new Map([['data', at(20)]]) });
    expect(parseJson(await textOf(record, null))).toEqual({
      etype: 'bus',
      eid: 'b"1',
      time_created: CREATED,
      ttl_tokens: { data: at(20) },
      attributes: {
        text: { v: 'hello', ts_last_update: at(3) },
        int: { count: 2, current: 2, newest: { t1: at(0), t2: at(13), v: 1, c: 0.5 }, expired: null },
        int64: { v: 12345678901234567890n, ts_last_update: at(4) },
        jsons: { count: 1, current: null, newest: { t1: at(1), t2: at(2), v: ['x'], c: 1 }, expired: at(2) },
        jam: { count: 1 },
      },
    });
    expect(await textOf(recordOf([]), null)).toContain('"attributes":{}}');
  });

  it('holds the history of the range, with confidence for observations', async () => {
    const record = recordOf(rows);
    const { attributes } = JSON.parse(await textOf(record, { from: at(13), limit: 9 }));
    const row = { t1: at(0), t2: at(13), v: 1, c: 0.5 };
    expect(attributes.int).toEqual({ count: 2, current: 2, newest: row, expired: null, history: [row] });
    expect(attributes.jam).toEqual({ count: 1, history: [] });
    expect(record.asked).toContainEqual({ attr: 'jam', from: at(13), limit: 9 });
    const whole = JSON.parse(await textOf(recordOf(rows), {}));
    expect(whole.attributes.jam.history).toEqual([{ t1: at(1), t2: at(2), v: { speed: [1.5] } }]);
  });

  it('holds the newest rows of a history where only these are wanted', async () => {
    const many = [1, 2, 3, 4, 5].map((hour) => row('jam', hour, hour, hour));
    const values = async (last: number) => {
      const { jam } = JSON.parse(await textOf(recordOf(many), { last })).attributes;
      return jam.history.map(({ v }: HistoryRow) => v);
    };
    expect(await values(2)).toEqual([4, 5]);
    expect(await values(5)).toEqual([1, 2, 3, 4, 5]);
    expect(await values(9)).toEqual([1, 2, 3, 4, 5]);
  });

  it('reads no history for what is over for long, and none that cannot be current', async () => {
    const record = recordOf(rows);
    await textOf(record, null);
    expect(record.asked).toEqual([{ attr: 'int', from: NOW, to: NOW }]);
  });

  it('keeps attributes that the model has no more, and names that are traps', async () => {
    const trap = new Map([
      ['__proto__', { v: 1, ts: at(1) }],
      ['gone', { v: 2, ts: at(2) }],
    ]);
    const record = recordOf([], {
      plain: trap,
      observations: new Map([['left', { count: 3, newest: row('left', 0, 23, 1) }]]),
    });
    const text = await textOf(record, null);
    expect(text).toContain('"__proto__":{"v":1,');
    expect(JSON.parse(text).attributes).toMatchObject({ gone: { v: 2 }, left: { count: 3, current: null } });
  });
});
