import { describe, expect, it } from 'vitest';
import { baseToken, dataToken, isExpired } from '../../lib/executor/lifetime.js';
import type { DataPoint } from '../../lib/model/datapoint.js';
import type { RecordState } from '../../lib/model/record.js';
import { type Instant, instantOf } from '../../lib/model/time.js';
import { modelOf } from '../support/model-texts.js';
import { named, observed, workbench } from '../support/modules.js';

const NOW = instantOf('2026-01-01T00:00:00Z');
const DAY = 86_400_000;

/** An entity type of the lifetime, with attributes of every kind. */
function entityOf(lifetime: string) {
  const entity = modelOf({
    x: `
entity: { id: x, name: X, snapshot: false, lifetime: ${lifetime} }
attribs:
  p: { name: P, type: plain, data_type: int }
  p_ttl: { name: P, type: plain, data_type: int, ttl: 2d }
  o: { name: O, type: observations, data_type: int }
  o_age: { name: O, type: observations, data_type: int, history_params: { max_age: 7d } }
  o_ttl: { name: O, type: observations, data_type: int, ttl: 1d, history_params: { max_age: 7d } }
  o_long: { name: O, type: observations, data_type: int, ttl: 9d, history_params: { max_age: 7d } }
  t_age: { name: T, type: timeseries, timeseries_type: irregular, timeseries_params: { max_age: 3d }, series: { s: { data_type: int } } }`,
  }).entity('x');
  if (entity === undefined) throw new Error('no entity');
  return entity;
}

function pointOf(attr: string, t2: string | null): DataPoint {
  const at = t2 === null ? null : instantOf(t2);
  return { etype: 'x', eid: '1', attr, v: 1, t1: at, t2: at, c: 1, src: null };
}

const stateWith = (...tokens: [string, string][]) =>
  ({ ttlTokens: new Map(tokens.map(([name, at]) => [name, instantOf(at)])) }) as unknown as RecordState;

describe('a TTL token of a data-point', () => {
  it.each([
    ['p', null, null, null],
    ['p_ttl', null, '2026-01-03T00:00:00.000000Z', '2026-01-03T00:00:00.000000Z'],
    ['o', '2026-01-05T00:00:00.000001Z', null, null],
    ['o_age', '2026-01-05T00:00:00.000001Z', '2026-01-12T00:00:00.000001Z', null],
    ['o_ttl', '2026-01-05', '2026-01-12T00:00:00.000000Z', '2026-01-06T00:00:00.000000Z'],
    ['o_long', '2026-01-05', '2026-01-14T00:00:00.000000Z', '2026-01-14T00:00:00.000000Z'],
    ['t_age', '1970-01-01', '1970-01-04T00:00:00.000000Z', null],
    ['o_age', '9999-12-30', '9999-12-31T23:59:59.999999Z', null],
  ])('of %s, valid until %s, is %s, and %s where data are not mirrored', (attr, t2, mirrored, plain) => {
    const token = (mirror: boolean) =>
      dataToken(entityOf(`{ type: ttl, on_create: 1d, mirror_data: ${mirror} }`), pointOf(attr, t2), NOW);
    expect(token(true)).toEqual(mirrored === null ? null : ['data', mirrored]);
    expect(token(false)).toEqual(plain === null ? null : ['data', plain]);
  });

  it('is none for entities that do not expire', () => {
    for (const type of ['immortal', 'weak']) {
      expect(dataToken(entityOf(`{ type: ${type} }`), pointOf('o_age', '2026-01-09'), NOW)).toBeNull();
      expect(baseToken(entityOf(`{ type: ${type} }`), NOW)).toBeNull();
    }
  });
});

describe('an entity', () => {
  it('has the base token of its type, never behind the last time there is', () => {
    const base = (span: string) => baseToken(entityOf(`{ type: ttl, on_create: ${span} }`), NOW)?.[1];
    expect(base('1s')).toBe('2026-01-01T00:00:01.000000Z');
    expect(base('999999999d')).toBe('9999-12-31T23:59:59.999999Z');
  });

  it('has expired when it has tokens and all are past', () => {
    const mortal = entityOf('{ type: ttl, on_create: 1d }');
    const both = stateWith(['base', '2026-01-01'], ['data', '2026-01-02']);
    expect(isExpired(mortal, both, '2026-01-02T00:00:00.000001Z' as Instant)).toBe(true);
    expect(isExpired(mortal, both, '2026-01-02T00:00:00.000000Z' as Instant)).toBe(false);
    expect(isExpired(mortal, stateWith(), instantOf('2026-01-02'))).toBe(false);
    expect(isExpired(entityOf('{ type: immortal }'), both, instantOf('2030-01-01'))).toBe(false);
  });
});

describe('an expiry', () => {
  it('deletes the record when all tokens are past, and tells start hooks of it', () => {
    const started: (string | null)[] = [];
    const { executeNow, task, clock, records } = workbench({
      onTaskStart: ({ expireAt }: never) => void started.push(expireAt),
    });
    executeNow(task(named('a')));
    clock.pass(DAY + 1_000);
    const expireAt = '2026-01-02T00:00:00.000001Z';
    const result = executeNow(task({ etype: 'ip', eid: '192.0.2.1', expireAt }));
    expect(result).toMatchObject({
      outcome: 'deleted',
      record: { state: null, lastIncarnation: 1 },
      derived: [],
      raw: [],
    });
    expect(records.state('ip:192.0.2.1')).toBeNull();
    expect(started).toEqual([null, expireAt]);
  });

  it('leaves a record whose life was extended meanwhile, and one that was created anew', () => {
    const { executeNow, task, records } = workbench({});
    const expiry = () => executeNow(task({ etype: 'ip', eid: '192.0.2.1', expireAt: '2026-01-02T00:00:01Z' }));
    executeNow(task(observed([80], '2025-12-30T00:00:00Z')));
    expect(expiry().outcome).toBe('nothing-to-delete');
    const result = expiry();
    expect(result.record).toBeUndefined();
    expect([...(records.state('ip:192.0.2.1')?.ttlTokens ?? [])]).toEqual([
      ['base', '2026-01-02T00:00:00.000000Z'],
      ['data', '2026-01-06T00:00:00.000000Z'],
    ]);
  });

  it('creates nothing, asks no module for permission, and spares entities that do not expire', () => {
    const asked: string[] = [];
    const allow = (eid: string) => asked.push(eid) > 0;
    const { executeNow, task, watch } = workbench({ allowEntityCreation: { ip: allow } });
    const created = watch('record-created');
    const ended = (etype: string, eid: string) => executeNow(task({ etype, eid, expireAt: '2030-01-01' })).outcome;
    expect(ended('ip', '192.0.2.1')).toBe('nothing-to-delete');
    executeNow(task({ etype: 'bus', eid: '1', ttlTokens: new Map([['base', 0]]) }));
    expect(ended('bus', '1')).toBe('nothing-to-delete');
    expect(asked).toEqual([]);
    expect(created).toEqual([{ key: 'bus:1' }]);
  });
});
