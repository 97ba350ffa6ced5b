/** What docs/model.md says of each key and type of entity files; model-page.ts makes the tables of it, and asks the program for the rest. */
import { ATTRIBUTE_KEYS, HISTORY_KEYS, SERIES_KEYS, TIMESERIES_PARAMS_KEYS } from '../lib/model/attribute-settings.js';
import type { Definition } from '../lib/model/definition.js';
import { ENTITY_KEYS, LIFETIME_KEYS } from '../lib/model/entity.js';
import type { IdDataType } from '../lib/model/entity-id.js';
import type { PrimitiveName } from '../lib/model/primitive.js';

export interface KeyRow {
  readonly key: string;
  /** YAML that means the same as leaving the key out, and words for it where those say more; absent for a key that is required. */
  readonly default?: string;
  readonly defaultWords?: string;
  readonly doc: string;
  /** YAML. */
  readonly example: string;
  readonly refused: string;
}

export interface KeyTable {
  /** Every key that the program knows here. */
  readonly keys: readonly string[];
  /** The keys that are there beside the one of a row, as YAML. */
  readonly beside: Readonly<Record<string, string>>;
  /** The file around the section. */
  readonly file: (section: string) => string;
  readonly rows: readonly KeyRow[];
}

const inEntity = (attribute: string) =>
  `entity: { id: host, name: Host, snapshot: true }\nattribs: { x: ${attribute} }`;
const DURATION = 'a [duration](#durations)';
const NO_EFFECT = 'Read for DP3; it has no effect here';
const BASE_KEYS: readonly KeyRow[] = [
  { key: 'name', doc: 'Name for people', example: 'Host name', refused: '5' },
  { key: 'type', doc: '`plain`, `observations` or `timeseries`', example: 'KIND', refused: 'list' },
  { key: 'description', default: '""', doc: 'Text for people', example: 'What the host calls itself', refused: '[a]' },
  {
    key: 'id',
    default: 'x',
    defaultWords: 'the key of the attribute',
    doc: 'Ignored, with a warning where it differs from the key of the attribute',
    example: 'x',
    refused: '',
  },
  {
    key: 'ttl',
    default: '0',
    doc: `How long a data-point keeps an entity of [lifetime](#the-lifetime-of-an-entity) \`ttl\` alive: ${DURATION}, counted from its \`t2\` (plain: from now)`,
    example: '7d',
    refused: 'soon',
  },
];

const base = (kind: string) => BASE_KEYS.map((row) => (row.key === 'type' ? { ...row, example: kind } : row));
const DATA_TYPE: KeyRow = {
  key: 'data_type',
  doc: 'A [data type](#data-types)',
  example: 'array<int>',
  refused: 'integer',
};
const EDITABLE: KeyRow = { key: 'editable', default: 'false', doc: NO_EFFECT, example: 'true', refused: 'maybe' };

export const KEY_TABLES: Readonly<Record<string, KeyTable>> = {
  entity: {
    keys: ENTITY_KEYS,
    beside: { id: 'host', name: 'Host', snapshot: 'true' },
    file: (section) => `entity: ${section}\nattribs: {}`,
    rows: [
      { key: 'id', doc: 'The entity type: the name of the file without `.yml`', example: 'host', refused: 'hosts' },
      { key: 'name', doc: 'Name for people', example: 'Host', refused: '[Host]' },
      {
        key: 'snapshot',
        doc: `Whether DP3 makes snapshots of it. ${NO_EFFECT}, but the key is required`,
        example: 'true',
        refused: 'daily',
      },
      {
        key: 'id_data_type',
        default: 'string',
        doc: 'A [type of ids](#ids): what ids look like, and when two are the same',
        example: 'ipv4',
        refused: 'ip',
      },
      {
        key: 'lifetime',
        default: '{ type: immortal }',
        doc: '[When an entity is deleted](#the-lifetime-of-an-entity)',
        example: '{ type: ttl, on_create: 30d }',
        refused: 'immortal',
      },
      { key: 'description', default: '""', doc: 'Text for people', example: 'A machine', refused: '5' },
    ],
  },
  lifetime: {
    keys: [...new Set([...LIFETIME_KEYS.values()].flat())],
    beside: { type: 'ttl', on_create: '30d' },
    file: (section) => `entity: { id: host, name: Host, snapshot: true, lifetime: ${section} }\nattribs: {}`,
    rows: [
      {
        key: 'type',
        doc: '`immortal`: never. `ttl`: when all its TTL tokens have passed. `weak`: as `immortal`, with a warning; what refers to an entity is not tracked yet',
        example: 'ttl',
        refused: 'short',
      },
      {
        key: 'on_create',
        doc: `\`ttl\` only: how long an entity lives from its creation on, ${DURATION}`,
        example: '30d',
        refused: '-1d',
      },
      {
        key: 'mirror_data',
        default: 'true',
        doc: '`ttl` only: whether a data-point keeps the entity alive for the `max_age` of its attribute, where that is longer than the `ttl` of the attribute',
        example: 'false',
        refused: '2',
      },
    ],
  },
  plain: {
    keys: ATTRIBUTE_KEYS.plain,
    beside: { name: 'X', type: 'plain', data_type: 'int' },
    file: inEntity,
    rows: [...base('plain'), DATA_TYPE, EDITABLE],
  },
  observations: {
    keys: ATTRIBUTE_KEYS.observations,
    beside: { name: 'X', type: 'observations', data_type: 'int' },
    file: inEntity,
    rows: [
      ...base('observations'),
      DATA_TYPE,
      {
        key: 'multi_value',
        default: 'false',
        doc: 'Whether several values may count at one time: the value now is a list then',
        example: 'true',
        refused: 'many',
      },
      {
        key: 'confidence',
        default: 'false',
        doc: 'Whether `c` of data-points means something. Without it, a `c` other than 1 is counted as ignored by `send`, and refused by `send --strict`',
        example: 'true',
        refused: '0.5',
      },
      {
        key: 'history_params',
        default: '{}',
        doc: '[How long a value counts and is kept](#history_params)',
        example: '{ max_age: 30d }',
        refused: '30d',
      },
      EDITABLE,
      { key: 'history_force_graph', default: 'false', doc: NO_EFFECT, example: 'true', refused: 'maybe' },
    ],
  },
  history_params: {
    keys: HISTORY_KEYS,
    beside: {},
    file: (section) => inEntity(`{ name: X, type: observations, data_type: int, history_params: ${section} }`),
    rows: [
      {
        key: 'max_age',
        default: 'null',
        defaultWords: 'forever',
        doc: `How long a value is kept, from its \`t2\` on: ${DURATION}`,
        example: '30d',
        refused: '1 month',
      },
      {
        key: 'pre_validity',
        default: '0',
        doc: `How long before its \`t1\` a value begins to count: ${DURATION}`,
        example: '10m',
        refused: '-10m',
      },
      {
        key: 'post_validity',
        default: '0',
        doc: `How long behind its \`t2\` a value goes on counting: ${DURATION}`,
        example: '1h',
        refused: '1 hour',
      },
      {
        key: 'max_items',
        default: 'null',
        defaultWords: 'no limit',
        doc: `Values that are kept. ${NO_EFFECT}`,
        example: '100',
        refused: '0',
      },
      {
        key: 'expire_time',
        default: 'null',
        defaultWords: '`inf`',
        doc: `How long DP3 takes a value for current: ${DURATION}, or \`inf\`. ${NO_EFFECT}`,
        example: '2d',
        refused: 'never',
      },
      {
        key: 'aggregate',
        default: 'true',
        doc: `Whether DP3 merges equal values that follow each other. ${NO_EFFECT}: each data-point is one row`,
        example: 'false',
        refused: 'sum',
      },
    ],
  },
  timeseries: {
    keys: ATTRIBUTE_KEYS.timeseries,
    beside: {
      name: 'X',
      type: 'timeseries',
      timeseries_type: 'irregular',
      series: '{ bytes: { data_type: int } }',
    },
    file: inEntity,
    rows: [
      ...base('timeseries'),
      {
        key: 'timeseries_type',
        doc: '[`regular`, `irregular` or `irregular_intervals`](#time-series)',
        example: 'irregular_intervals',
        refused: 'daily',
      },
      {
        key: 'series',
        default: '{}',
        doc: 'Each series by name, with its [data type](#series). Names are like those of attributes',
        example: '{ bytes: { data_type: int }, load: { data_type: float } }',
        refused: '[bytes]',
      },
      {
        key: 'timeseries_params',
        default: '{}',
        doc: '[How long values are kept, and the step](#timeseries_params). DP3 wants the key, `{}` for none',
        example: '{ max_age: 14d }',
        refused: '10m',
      },
    ],
  },
  timeseries_params: {
    keys: TIMESERIES_PARAMS_KEYS,
    beside: {},
    file: (section) =>
      inEntity(
        `{ name: X, type: timeseries, timeseries_type: irregular, series: { bytes: { data_type: int } }, timeseries_params: ${section} }`,
      ),
    rows: [
      {
        key: 'max_age',
        default: 'null',
        defaultWords: 'forever',
        doc: `How long a value is kept, from its \`t2\` on: ${DURATION}`,
        example: '14d',
        refused: 'P1X',
      },
      {
        key: 'time_step',
        default: 'null',
        defaultWords: 'none',
        doc: `The time from one item of a \`regular\` series to the next, above 0; required there: ${DURATION}`,
        example: '10m',
        refused: 'ten minutes',
      },
    ],
  },
  series: {
    keys: SERIES_KEYS,
    beside: {},
    file: (section) =>
      inEntity(`{ name: X, type: timeseries, timeseries_type: irregular, series: { bytes: ${section} } }`),
    rows: [{ key: 'data_type', doc: '`int`, `int64`, `float` or `time`', example: 'float', refused: 'string' }],
  },
};

export interface TypeRow {
  /** As it is written in a file. */
  readonly example: string;
  readonly doc: string;
  /** Values as JSON: some that are allowed, and one that is not. */
  readonly given: readonly string[];
  readonly refused: string;
}

const BOOLEAN = 'true and false, 1 and 0, and the words yes, no, on, off, t, f, y, n';
const INTEGER = 'An integer of any size, kept exactly; text that spells one';
const ADDRESS = 'text, or the number of the address';

export const PRIMITIVE_ROWS: Readonly<Record<PrimitiveName, TypeRow>> = {
  tag: { example: 'tag', doc: `The same as \`binary\``, given: ['true', '"no"'], refused: '"often"' },
  binary: { example: 'binary', doc: BOOLEAN, given: ['true', '0', '"Yes"'], refused: '2' },
  string: { example: 'string', doc: 'Text, without NUL and lone surrogates', given: ['"root"', '""'], refused: '5' },
  int: { example: 'int', doc: INTEGER, given: ['5', '5.0', '" 5 "', '12345678901234567890'], refused: '5.5' },
  int64: { example: 'int64', doc: 'The same as `int`', given: ['-5'], refused: '"five"' },
  float: { example: 'float', doc: 'A finite number; text that spells one', given: ['0.5', '"1e3"'], refused: '"NaN"' },
  ipv4: {
    example: 'ipv4',
    doc: `An IPv4 address: ${ADDRESS}`,
    given: ['"192.0.2.1"', '3221225985'],
    refused: '"192.0.2"',
  },
  ipv6: {
    example: 'ipv6',
    doc: `An IPv6 address: ${ADDRESS}`,
    given: ['"2001:DB8:0::1"', '1'],
    refused: '"192.0.2.1"',
  },
  mac: {
    example: 'mac',
    doc: 'A MAC address of 17 characters, separated by `:` or `-`',
    given: ['"00-1B-44-11-3A-B7"'],
    refused: '"001b44113ab7"',
  },
  time: {
    example: 'time',
    doc: 'ISO 8601 date or date-time (UTC where it names no zone), or seconds since 1970 (milliseconds above 2e10); kept to the microsecond',
    given: ['"2026-11-24T15:25:31+01:00"', '"2026-11-24"', '1800000000', '1800000000123'],
    refused: '"24.11.2026"',
  },
  special: { example: 'special', doc: 'Anything', given: ['null', '{"a":[1,"b"]}'], refused: '"\\u0000"' },
  json: {
    example: 'json',
    doc: 'A list, an object, or text that holds any JSON',
    given: ['{"a":[1]}', '"[1, 2]"'],
    refused: '5',
  },
};

export const COMPOSITE_ROWS: Readonly<Record<Exclude<Definition['kind'], 'primitive'>, TypeRow>> = {
  array: {
    example: 'array<int>',
    doc: 'A list of a primitive type or of links',
    given: ['[22,"80"]', '[]'],
    refused: '[22,"ssh"]',
  },
  set: {
    example: 'set<string>',
    doc: 'The same, where order and repeats mean nothing; they are kept as they came',
    given: ['["b","a","b"]'],
    refused: '"a"',
  },
  dict: {
    example: 'dict<lat:float,lon:float,note?:string>',
    doc: 'An object with these keys, each of a primitive type; one with `?` may be missing or null. Other keys are dropped',
    given: ['{"lat":50.1,"lon":14.4,"source":"gps"}'],
    refused: '{"lat":50.1}',
  },
  category: {
    example: 'category<string;low,high>',
    doc: 'One of the listed values, each of letters, digits and _, of the type in front of them',
    given: ['"low"'],
    refused: '"medium"',
  },
  link: {
    example: 'link<user,int>',
    doc: 'An entity of another type, `{"eid": id}`, and with a second type what the link carries, `{"eid": id, "data": value}`. With `;mirror=hosts` the entities of that type get a read-only attribute `hosts`, which data-points cannot set and which nothing fills yet',
    given: ['{"eid":"alice","data":3}'],
    refused: '{"eid":"alice"}',
  },
};

export const ID_ROWS: Readonly<Record<IdDataType, TypeRow>> = {
  string: { example: 'string', doc: 'Text that is not empty', given: ['"gate"', '"Gate"'], refused: '""' },
  int: { example: 'int', doc: 'An integer', given: ['5', '"5.0"'], refused: '"a5"' },
  ipv4: { example: 'ipv4', doc: 'An IPv4 address', given: ['"192.0.2.1"'], refused: '"2001:db8::1"' },
  ipv6: { example: 'ipv6', doc: 'An IPv6 address', given: ['"2001:DB8::0:1"'], refused: '"192.0.2.1"' },
  mac: { example: 'mac', doc: 'A MAC address', given: ['"00-1B-44-11-3A-B7"'], refused: '"00:1b"' },
};

/** Definitions that are refused, beside wrong values. */
export const REFUSED_DEFINITIONS: readonly string[] = [
  'integer',
  'array<array<int>>',
  'dict<a:array<int>>',
  'category<time;monday>',
  'category<string;a-b>',
  'link<printer>',
];

/** Durations, and one that is none. */
export const DURATIONS: readonly (readonly [written: string, what: string])[] = [
  ['30s', 'seconds'],
  ['10m', 'minutes'],
  ['2h', 'hours'],
  ['7d', 'days'],
  ['90', 'seconds, without a unit'],
  ['0.5', 'half a second'],
  ['P1DT12H', 'ISO 8601; a month has 30 days there, a year 365'],
  ['"1 day, 02:30:00"', 'days and a time of day'],
];
