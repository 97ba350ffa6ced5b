import { describe, expect, it } from 'vitest';
import type { ObservationsAttribute, PlainAttribute, TimeseriesAttribute } from '../../lib/model/attribute.js';
import { PRIMITIVE_NAMES } from '../../lib/model/primitive.js';
import { entityText, loadTexts, modelOf } from '../support/model-texts.js';

const SECOND = 1_000_000n;
const DAY = 86_400n * SECOND;

describe('a loaded model', () => {
  it('takes the example of every kind of attribute with all settings', () => {
    const spec = modelOf({
      ip: `
entity: { id: ip, id_data_type: ipv4, name: IP address, snapshot: yes, description: D, lifetime: { type: ttl, on_create: 7d, mirror_data: off } }
attribs:
  hostname: { name: Hostname, type: plain, data_type: string, editable: true, description: H, ttl: 5m }
  open_ports: { name: Ports, type: observations, data_type: array<int>, multi_value: true, confidence: true, history_force_graph: true,
    history_params: { max_age: 7d, max_items: 10, expire_time: P1D, pre_validity: 10m, post_validity: 90, aggregate: false } }
  flows: { name: Flows, type: timeseries, timeseries_type: regular, timeseries_params: { max_age: 14d, time_step: 10m }, series: { bytes: { data_type: int } } }`,
    });
    const ip = spec.entity('ip');
    expect(ip).toMatchObject({ id: 'ip', name: 'IP address', idType: 'ipv4', snapshot: true, description: 'D' });
    expect(ip?.lifetime).toEqual({ type: 'ttl', onCreate: 7n * DAY, mirrorData: false });
    const hostname = spec.attribute('ip', 'hostname') as PlainAttribute;
    expect(hostname).toMatchObject({ type: 'plain', etype: 'ip', editable: true, description: 'H', mirrorOf: null });
    expect(hostname.ttl).toBe(300n * SECOND);
    const ports = spec.attribute('ip', 'open_ports') as ObservationsAttribute;
    expect(ports).toMatchObject({ multiValue: true, confidence: true, historyForceGraph: true });
    expect(ports.historyParams).toEqual({
      maxAge: 7n * DAY,
      maxItems: 10,
      expireTime: DAY,
      preValidity: 600n * SECOND,
      postValidity: 90n * SECOND,
      aggregate: false,
    });
    const flows = spec.attribute('ip', 'flows') as TimeseriesAttribute;
    expect(flows).toMatchObject({ timeseriesType: 'regular', maxAge: 14n * DAY, timeStep: 600n * SECOND });
    expect([...flows.series.keys()]).toEqual(['bytes']);
  });

  it('fills in the defaults of DP3', () => {
    const spec = modelOf({
      bus: `
entity: { id: bus, name: Bus, snapshot: false }
attribs:
  p: { name: P, type: plain, data_type: int }
  o: { name: O, type: observations, data_type: int }
  t: { name: T, type: timeseries, timeseries_type: irregular_intervals, timeseries_params: {} }`,
    });
    expect(spec.entity('bus')).toMatchObject({ idType: 'string', lifetime: { type: 'immortal' }, description: '' });
    expect(spec.attribute('bus', 'p')).toMatchObject({ editable: false, ttl: 0n, description: '' });
    expect(spec.attribute('bus', 'o')).toMatchObject({
      confidence: false,
      multiValue: false,
      historyForceGraph: false,
      historyParams: {
        maxAge: null,
        maxItems: null,
        expireTime: null,
        preValidity: 0n,
        postValidity: 0n,
        aggregate: true,
      },
    });
    expect(spec.attribute('bus', 't')).toMatchObject({ maxAge: null, timeStep: null });
  });

  it.each([
    ['regular', 'time_step: 1m', ['a']],
    ['irregular', '', ['a', 'time']],
    ['irregular_intervals', '', ['a', 'time_first', 'time_last']],
  ])('gives %s time series their implicit series', (kind, params, series) => {
    const spec = modelOf({
      ip: entityText(
        'ip',
        'ipv4',
        `x: { name: X, type: timeseries, timeseries_type: ${kind}, timeseries_params: { ${params} }, series: { a: { data_type: float } } }`,
      ),
    });
    expect([...(spec.attribute('ip', 'x') as TimeseriesAttribute).series.keys()]).toEqual(series);
  });

  it.each([
    ...PRIMITIVE_NAMES,
    'array<int>',
    'set<link<ip>>',
    'dict<a:int,b?:string>',
    'category<string;a,b>',
    'link<ip,array<int>>',
  ])('takes the data type %s without a word', (type) => {
    const { spec, problems } = loadTexts({
      ip: entityText('ip', 'ipv4', `x: { name: X, type: plain, data_type: "${type}" }`),
    });
    expect(problems).toEqual([]);
    expect(spec?.attribute('ip', 'x')).toMatchObject({ dataType: { text: type } });
  });

  it('holds entity types and attributes named __proto__ and constructor as any other', () => {
    const spec = modelOf({
      __proto__x: entityText('__proto__x', 'string'),
      constructor: entityText(
        'constructor',
        'string',
        '__proto__: { name: P, type: plain, data_type: int }',
        'constructor: { name: C, type: plain, data_type: "dict<__proto__:int>" }',
      ),
    });
    expect(spec.attribute('constructor', '__proto__')?.validate('5')).toBe(5);
    expect(spec.attribute('constructor', 'toString')).toBeUndefined();
    expect(spec.entity('__proto__')).toBeUndefined();
    const value = spec.attribute('constructor', 'constructor')?.validate(JSON.parse('{"__proto__": 7}'));
    expect(Object.entries(value as object)).toEqual([['__proto__', 7]]);
    expect(Reflect.ownKeys(Object.getPrototypeOf(value))).toEqual([]);
    expect(Object.getPrototypeOf(Object.getPrototypeOf(value))).toBeNull();
    expect(() => spec.attribute('constructor', 'constructor')?.validate({})).toThrow(
      'key "__proto__" (int) is missing',
    );
    expect(({} as Record<string, unknown>)['7']).toBeUndefined();
  });

  it('defines the read-only other side of a mirrored link, and refuses every value for it', () => {
    const spec = modelOf({
      ip: entityText('ip', 'ipv4', 'as: { name: AS, type: plain, data_type: "array<link<asn;mirror=ips>>" }'),
      asn: entityText('asn', 'int'),
    });
    const mirror = spec.attribute('asn', 'ips') as PlainAttribute;
    expect(mirror).toMatchObject({
      type: 'plain',
      mirrorOf: { etype: 'ip', attr: 'as' },
      dataType: { text: 'set<link<ip>>' },
    });
    expect(() => mirror.validate([])).toThrow(/read-only other side of ip\.as/);
    expect(mirror.dataType.validate([{ eid: '192.0.2.1' }])).toEqual([{ eid: '192.0.2.1' }]);
  });

  it('mirrors a link of an entity type onto that type itself', () => {
    const spec = modelOf({
      bus: entityText('bus', 'string', 'next: { name: N, type: observations, data_type: "link<bus;mirror=previous>" }'),
    });
    expect(spec.attribute('bus', 'previous')).toMatchObject({ mirrorOf: { etype: 'bus', attr: 'next' } });
  });

  it('cannot be changed', () => {
    const spec = modelOf({
      ip: entityText(
        'ip',
        'ipv4',
        'x: { name: X, type: plain, data_type: "link<ip,dict<a:int>>" }',
        't: { name: T, type: timeseries, timeseries_type: irregular, timeseries_params: {} }',
      ),
    });
    expect(openParts(spec)).toEqual([]);
    const entities = spec.entities as Map<string, unknown>;
    expect(() => entities.set('a', 1)).toThrow(TypeError);
    expect(() => entities.clear()).toThrow(TypeError);
    expect(() => entities.delete('ip')).toThrow(TypeError);
  });

  it.each([
    ['array <int>', /DP3 would refuse/],
    [' int', /DP3 would refuse/],
    ['dict< a : int , b ? : string >', /DP3 would refuse/],
    ['link<ip,int;mirror=seen>', /DP3 would refuse/],
    ['link<ip; mirror = seen>', /DP3 would refuse/],
    ['category<string; a , b >', /DP3 would refuse/],
    ['category<string;mro,b>', /DP3 would refuse the category value mro/],
    ['dict<model_dump:int>', /DP3 would refuse the key model_dump/],
    ['dict<_a:int>', /DP3 would drop the key _a/],
    ['link<ip,link<ip;mirror=seen>>', /mirror of a link inside .* is ignored/],
  ])('warns of the data type "%s", which DP3 reads otherwise', (type, sentence) => {
    const { spec, problems } = loadTexts({
      ip: entityText('ip', 'ipv4', `x: { name: X, type: plain, data_type: "${type}" }`),
    });
    expect(spec).not.toBeNull();
    expect(problems).toEqual([
      {
        severity: 'warning',
        file: 'db_entities/ip.yml',
        key: 'attribs.x.data_type',
        sentence: expect.stringMatching(sentence),
      },
    ]);
  });

  it.each([
    ['history_params', 'name: X, type: observations, data_type: int, history_params: { max_agee: 5d }', /"max_age"/],
    [
      'timeseries_params',
      'name: X, type: timeseries, timeseries_type: irregular, timeseries_params: { step: 5d }',
      /"step"/,
    ],
    [
      'a series',
      'name: X, type: timeseries, timeseries_type: irregular, timeseries_params: {}, series: { a: { data_type: int, unit: B } }',
      /"unit"/,
    ],
    ['an attribute, where it is its id,', 'id: y, name: X, type: plain, data_type: int', /"y" is ignored/],
    [
      'a series that is implicit',
      'name: X, type: timeseries, timeseries_type: irregular, timeseries_params: {}, series: { time: { data_type: int } }',
      /always of type time/,
    ],
    [
      'a time series without series',
      'name: X, type: timeseries, timeseries_type: regular, timeseries_params: { time_step: 1 }',
      /No series/,
    ],
  ])('warns of what DP3 ignores in %s', (_, settings, sentence) => {
    const { spec, problems } = loadTexts({ ip: entityText('ip', 'ipv4', `x: { ${settings} }`) });
    expect(spec).not.toBeNull();
    expect(problems).toEqual([
      expect.objectContaining({ severity: 'warning', sentence: expect.stringMatching(sentence) }),
    ]);
  });

  it('warns that weak entities are kept', () => {
    const { spec, problems } = loadTexts({
      asn: 'entity: { id: asn, name: AS, snapshot: false, lifetime: { type: weak } }\nattribs: {}',
    });
    expect(spec?.entity('asn')?.lifetime).toEqual({ type: 'weak' });
    expect(problems).toMatchObject([{ severity: 'warning', key: 'entity.lifetime.type' }]);
    expect(problems[0]?.sentence).toContain('are kept forever');
  });

  it('warns of an empty file and of blanks around an id type', () => {
    const { spec, problems } = loadTexts({ ip: '', asn: entityText('asn', '" int "') });
    expect(spec?.entity('asn')?.idType).toBe('int');
    expect(problems.map(({ severity, file }) => [severity, file])).toEqual([
      ['warning', 'db_entities/ip.yml'],
      ['warning', 'db_entities/asn.yml'],
    ]);
  });
});

/** Paths of whatever in the model is not frozen. */
function openParts(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const parts = value instanceof Map ? [...value] : Object.entries(value);
  const inner = parts.flatMap(([key, part]) => openParts(part, `${path}.${String(key)}`));
  return Object.isFrozen(value) ? inner : [path, ...inner];
}
