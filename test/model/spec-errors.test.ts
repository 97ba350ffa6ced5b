/** Models with an error: each must be named by file, key and sentence, and none may pass. */
import { describe, expect, it } from 'vitest';
import { loadSpec } from '../../lib/model/spec.js';
import { entityText, loadTexts } from '../support/model-texts.js';

const ENTITY = 'id: ip, id_data_type: ipv4, name: IP, snapshot: true';
const PLAIN = 'name: X, type: plain';
const TIMESERIES = 'name: X, type: timeseries';
const LONG = 'x'.repeat(300);

/** What is wrong; the settings of the entity; the dotted key; what the sentence says. */
const ENTITY_CASES: [string, string, string, RegExp][] = [
  ['an entity without id', 'name: IP, snapshot: true', 'entity.id', /required/],
  ['an entity without name', 'id: ip, snapshot: true', 'entity.name', /required/],
  ['an entity without snapshot', 'id: ip, name: IP', 'entity.snapshot', /required/],
  [
    'an entity that is not named as its file',
    'id: ipp, name: IP, snapshot: true',
    'entity.id',
    /"ipp".*name of the file/,
  ],
  ['a number as entity id', 'id: 5, name: IP, snapshot: true', 'entity.id', /Given was 5/],
  ['an empty entity id', 'id: "", name: IP, snapshot: true', 'entity.id', /1 to 255/],
  ['an entity id that is too long', `id: ${LONG}, name: IP, snapshot: true`, 'entity.id', /1 to 255/],
  ['a NUL in a name', 'id: ip, name: "a\\0b", snapshot: true', 'entity.name', /NUL/],
  ['a number as name', 'id: ip, name: 5, snapshot: true', 'entity.name', /a string/],
  ['a name that is null', 'id: ip, name: null, snapshot: true', 'entity.name', /a string/],
  [
    'a snapshot that is no boolean',
    'id: ip, name: IP, snapshot: sometimes',
    'entity.snapshot',
    /"sometimes".*true or false/,
  ],
  ['an unknown id type', 'id: ip, id_data_type: ipv5, name: IP, snapshot: true', 'entity.id_data_type', /"ipv5".*ipv4/],
  ['a list as id type', 'id: ip, id_data_type: [], name: IP, snapshot: true', 'entity.id_data_type', /one of/],
  ['a mistyped key of an entity', `${ENTITY}, snapshots: true`, 'entity.snapshots', /Did you mean "snapshot"/],
  ['__proto__ as key of an entity', `${ENTITY}, __proto__: true`, 'entity.__proto__', /not known/],
  ['constructor as key of an entity', `${ENTITY}, constructor: true`, 'entity.constructor', /not known/],
  ['a lifetime that is no dictionary', `${ENTITY}, lifetime: immortal`, 'entity.lifetime', /dictionary/],
  ['a lifetime without type', `${ENTITY}, lifetime: {}`, 'entity.lifetime.type', /required/],
  ['an unknown lifetime', `${ENTITY}, lifetime: { type: mortal }`, 'entity.lifetime.type', /immortal, ttl, weak/],
  ['ttl without on_create', `${ENTITY}, lifetime: { type: ttl }`, 'entity.lifetime.on_create', /required/],
  [
    'on_create that is no duration',
    `${ENTITY}, lifetime: { type: ttl, on_create: 5x }`,
    'entity.lifetime.on_create',
    /"5x"/,
  ],
  [
    'on_create with weak',
    `${ENTITY}, lifetime: { type: weak, on_create: 5m }`,
    'entity.lifetime.on_create',
    /not known/,
  ],
  ['a description that is a list', `${ENTITY}, description: [a]`, 'entity.description', /a string/],
];

/** What is wrong; the settings of attribute x; the dotted key below attribs.x; what the sentence says. */
const ATTRIBUTE_CASES: [string, string, string, RegExp][] = [
  ['an attribute without name', 'type: plain, data_type: int', 'name', /required/],
  ['an attribute without type', 'name: X, data_type: int', 'type', /required/],
  [
    'an unknown kind of attribute',
    'name: X, type: Plain, data_type: int',
    'type',
    /"Plain".*plain, observations, timeseries/,
  ],
  ['an attribute without data type', PLAIN, 'data_type', /required/],
  ['observations without data type', 'name: X, type: observations', 'data_type', /required/],
  ['a number as data type', `${PLAIN}, data_type: 5`, 'data_type', /Given was 5.*a data type/],
  ['an unknown data type', `${PLAIN}, data_type: integer`, 'data_type', /"integer".*int64/],
  ['an empty data type', `${PLAIN}, data_type: ""`, 'data_type', /a data type/],
  ['an array without element', `${PLAIN}, data_type: "array<>"`, 'data_type', /character 7/],
  ['an array that is not closed', `${PLAIN}, data_type: "array<int"`, 'data_type', />/],
  ['an array of arrays', `${PLAIN}, data_type: "array<array<int>>"`, 'data_type', /primitive type or a link/],
  ['a set of dicts', `${PLAIN}, data_type: "set<dict<a:int>>"`, 'data_type', /primitive type or a link/],
  ['a dict without keys', `${PLAIN}, data_type: "dict<>"`, 'data_type', /a key/],
  ['a dict key without type', `${PLAIN}, data_type: "dict<a>"`, 'data_type', /":"/],
  [
    'a dict key of a composite type',
    `${PLAIN}, data_type: "dict<a:array<int>>"`,
    'data_type',
    /primitive type for key a/,
  ],
  ['a dict key twice', `${PLAIN}, data_type: "dict<a:int,a:string>"`, 'data_type', /once/],
  ['a dict key with a hyphen', `${PLAIN}, data_type: "dict<a-b:int>"`, 'data_type', /letters, digits/],
  ['a category without values', `${PLAIN}, data_type: "category<string>"`, 'data_type', /";"/],
  ['a category value with a hyphen', `${PLAIN}, data_type: "category<string;a-b>"`, 'data_type', /"a-b"/],
  ['a category of addresses', `${PLAIN}, data_type: "category<ipv4;a>"`, 'data_type', /"ipv4".*type of a category/],
  ['a category value that is no integer', `${PLAIN}, data_type: "category<int;a>"`, 'data_type', /an integer/],
  ['text behind a data type', `${PLAIN}, data_type: "int foo"`, 'data_type', /end of the definition/],
  ['a data type of 20,000 characters', `${PLAIN}, data_type: "${'a'.repeat(20_000)}"`, 'data_type', /aaa\.\.\./],
  ['a link to an unknown entity', `${PLAIN}, data_type: "link<host>"`, 'data_type', /"host".*target of a link: \w/],
  ['a list of links to an unknown entity', `${PLAIN}, data_type: "set<link<host>>"`, 'data_type', /"host"/],
  ['a link within a link to an unknown one', `${PLAIN}, data_type: "link<asn,link<host>>"`, 'data_type', /"host"/],
  ['a link to __proto__', `${PLAIN}, data_type: "link<__proto__>"`, 'data_type', /"__proto__"/],
  ['an unknown option of a link', `${PLAIN}, data_type: "link<asn;miror=a>"`, 'data_type', /"miror"/],
  ['a mirror without name', `${PLAIN}, data_type: "link<asn;mirror=>"`, 'data_type', /name of an attribute/],
  [
    'a mirror that is no attribute id',
    `${PLAIN}, data_type: "link<asn;mirror=1a>"`,
    'data_type',
    /"1a" is no attribute id/,
  ],
  ['a mirror that exists already', `${PLAIN}, data_type: "link<asn;mirror=size>"`, 'data_type', /asn\.size.*already/],
  ['an editable that is no boolean', `${PLAIN}, data_type: int, editable: 2`, 'editable', /true or false/],
  ['confidence of a plain attribute', `${PLAIN}, data_type: int, confidence: true`, 'confidence', /not known/],
  ['a mistyped key of an attribute', `${PLAIN}, data_typ: int`, 'data_typ', /Did you mean "data_type"/],
  ['a negative ttl', `${PLAIN}, data_type: int, ttl: -5`, 'ttl', /not negative/],
  ['a list as ttl', `${PLAIN}, data_type: int, ttl: [1]`, 'ttl', /duration/],
  [
    'history_params that are a list',
    'name: X, type: observations, data_type: int, history_params: []',
    'history_params',
    /dictionary/,
  ],
  [
    'max_items of 0',
    'name: X, type: observations, data_type: int, history_params: { max_items: 0 }',
    'history_params.max_items',
    /above 0/,
  ],
  [
    'a max_age that is no duration',
    'name: X, type: observations, data_type: int, history_params: { max_age: 7 days ago }',
    'history_params.max_age',
    /"7 days ago"/,
  ],
  [
    'an expire_time that is no duration',
    'name: X, type: observations, data_type: int, history_params: { expire_time: infinite }',
    'history_params.expire_time',
    /"infinite"/,
  ],
  ['a time series without kind', `${TIMESERIES}, timeseries_params: {}`, 'timeseries_type', /required/],
  [
    'an unknown kind of time series',
    `${TIMESERIES}, timeseries_type: odd, timeseries_params: {}`,
    'timeseries_type',
    /irregular/,
  ],
  [
    'a regular time series without parameters',
    `${TIMESERIES}, timeseries_type: regular, series: { a: { data_type: int } }`,
    'timeseries_params.time_step',
    /above 0/,
  ],
  [
    'a data type of a time series',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, data_type: int`,
    'data_type',
    /not known/,
  ],
  [
    'a regular time series without step',
    `${TIMESERIES}, timeseries_type: regular, timeseries_params: {}, series: { a: { data_type: int } }`,
    'timeseries_params.time_step',
    /above 0/,
  ],
  [
    'a regular time series with a step of 0',
    `${TIMESERIES}, timeseries_type: regular, timeseries_params: { time_step: 0 }, series: { a: { data_type: int } }`,
    'timeseries_params.time_step',
    /above 0/,
  ],
  [
    'a series of strings',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: { a: { data_type: string } }`,
    'series.a.data_type',
    /int, int64, float, time/,
  ],
  [
    'a series of type special',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: { a: { data_type: special } }`,
    'series.a.data_type',
    /int, int64, float, time/,
  ],
  [
    'a series without data type',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: { a: {} }`,
    'series.a.data_type',
    /required/,
  ],
  [
    'a series that is no dictionary',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: { a: int }`,
    'series.a',
    /dictionary/,
  ],
  [
    'series that are a list',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: [a]`,
    'series',
    /dictionary/,
  ],
  [
    'a series id that starts with a digit',
    `${TIMESERIES}, timeseries_type: irregular, timeseries_params: {}, series: { 1a: { data_type: int } }`,
    'series',
    /"1a"/,
  ],
];

const ASN = entityText('asn', 'int', 'size: { name: S, type: plain, data_type: int }');

describe('a model with an error', () => {
  it.each(ENTITY_CASES)('refuses %s', (_, settings, key, sentence) => {
    const { spec, problems } = loadTexts({ ip: `entity: { ${settings} }\nattribs: {}` });
    expect(spec).toBeNull();
    expect(problems).toContainEqual({
      severity: 'error',
      file: 'db_entities/ip.yml',
      key,
      sentence: expect.stringMatching(sentence),
    });
  });

  it.each(ATTRIBUTE_CASES)('refuses %s', (_, settings, key, sentence) => {
    const ip = `entity: { ${ENTITY} }\nattribs:\n  x: { ${settings} }`;
    const { spec, problems } = loadTexts({ ip, asn: ASN });
    expect(spec).toBeNull();
    expect(problems).toContainEqual({
      severity: 'error',
      file: 'db_entities/ip.yml',
      key: `attribs.x.${key}`,
      sentence: expect.stringMatching(sentence),
    });
  });

  it.each([
    ['a text', 'just text', '', /dictionary/],
    ['a list', '- a', '', /dictionary/],
    ['no entity section', 'attribs: {}', 'entity', /required/],
    ['no attribs section', `entity: { ${ENTITY} }`, 'attribs', /required/],
    ['attribs with nothing under it', `entity: { ${ENTITY} }\nattribs:`, 'attribs', /\{\} for none/],
    [
      'an unknown section',
      `entity: { ${ENTITY} }\nattribs: {}\nattributes: {}`,
      'attributes',
      /Did you mean "attribs"/,
    ],
    [
      'an attribute id with a blank',
      `entity: { ${ENTITY} }\nattribs: { "a b": { ${PLAIN}, data_type: int } }`,
      'attribs.a b',
      /"a b"/,
    ],
    [
      'an attribute id that starts with a digit',
      `entity: { ${ENTITY} }\nattribs: { 1a: { ${PLAIN}, data_type: int } }`,
      'attribs.1a',
      /"1a"/,
    ],
    [
      'an attribute id that is a number',
      `entity: { ${ENTITY} }\nattribs: { 5: { ${PLAIN}, data_type: int } }`,
      'attribs.5',
      /5 is not allowed/,
    ],
    [
      'an attribute id that is too long',
      `entity: { ${ENTITY} }\nattribs: { ${LONG}: { ${PLAIN}, data_type: int } }`,
      `attribs.${LONG}`,
      /255/,
    ],
    ['an attribute that is null', `entity: { ${ENTITY} }\nattribs: { x: }`, 'attribs.x', /dictionary/],
  ])('refuses a file with %s', (_, text, key, sentence) => {
    const { spec, problems } = loadTexts({ ip: text });
    expect(spec).toBeNull();
    expect(problems).toContainEqual({
      severity: 'error',
      file: 'db_entities/ip.yml',
      key,
      sentence: expect.stringMatching(sentence),
    });
  });

  it('refuses an entity type that two files define', () => {
    const { spec, problems } = loadSpec(
      ['a/ip.yml', 'b/ip.yml'].map((file) => ({
        file,
        document: new Map<string, unknown>([
          ['entity', new Map(Object.entries({ id: 'ip', name: 'IP', snapshot: true }))],
          ['attribs', new Map()],
        ]),
      })),
    );
    expect(spec).toBeNull();
    expect(problems).toEqual([expect.objectContaining({ file: 'b/ip.yml', key: 'entity.id' })]);
  });

  it('refuses two links that mirror as the same attribute', () => {
    const link = (id: string): string => `${id}: { name: L, type: plain, data_type: "link<asn;mirror=ips>" }`;
    const { spec, problems } = loadTexts({ ip: entityText('ip', 'ipv4', link('a'), link('b')), asn: ASN });
    expect(spec).toBeNull();
    expect(problems).toEqual([
      expect.objectContaining({ key: 'attribs.b.data_type', sentence: expect.stringContaining('it mirrors ip.a') }),
    ]);
  });

  it('refuses entity types whose entities would share keys', () => {
    const { spec, problems } = loadTexts({ 'a:b': entityText('"a:b"', 'string'), a: entityText('a', 'string') });
    expect(spec).toBeNull();
    expect(problems).toEqual([
      expect.objectContaining({ key: 'entity.id', sentence: expect.stringContaining('share keys') }),
    ]);
  });

  it('reports all problems of all files in one run', () => {
    const { problems } = loadTexts({
      ip: `entity: { id: ip, snapshot: maybe }\nattribs:\n  x: { type: plain, data_type: foo, ttl: x }\n  y: {}`,
      asn: 'entity: {}\nattribs: {}',
    });
    expect(problems.map(({ file, key }) => `${file} ${key}`)).toEqual([
      'db_entities/ip.yml entity.name',
      'db_entities/ip.yml entity.snapshot',
      'db_entities/asn.yml entity.id',
      'db_entities/asn.yml entity.name',
      'db_entities/asn.yml entity.snapshot',
      'db_entities/ip.yml attribs.x.name',
      'db_entities/ip.yml attribs.x.ttl',
      'db_entities/ip.yml attribs.x.data_type',
      'db_entities/ip.yml attribs.y.type',
    ]);
  });

  it('does not call a link unknown because its target has errors of its own', () => {
    const { problems } = loadTexts({
      ip: entityText('ip', 'ipv4', 'x: { name: X, type: plain, data_type: link<asn> }'),
      asn: 'entity: { id: asn }\nattribs: {}',
    });
    expect(problems.map(({ key }) => key)).toEqual(['entity.name', 'entity.snapshot']);
  });
});
