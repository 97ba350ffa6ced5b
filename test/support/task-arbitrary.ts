/** Random messages of the test model, in forms that producers write: what each must become is not said here. */
import fc from 'fast-check';
import { parse } from 'yaml';
import { MODEL_YAML } from './model.js';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !value.includes('\0') && value.isWellFormed()),
  fc.constantFrom('', '__proto__', 'constructor', 'Číslo 17', '12345678901234567890', '\u2028', '"\\'),
);
const bytes = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const ipv4 = bytes(4).map((parts) => parts.join('.'));
const ipv6 = fc.ipV6();
const mac = fc.tuple(bytes(6), fc.constantFrom(':', '-'), fc.boolean()).map(([parts, joint, upper]) => {
  const hex = [...parts].map((part) => part.toString(16).padStart(2, '0')).join(joint);
  return upper ? hex.toUpperCase() : hex;
});
const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  fc.integer().map(String),
  fc.bigInt().map(String),
);
const float = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  fc.integer(),
  fc.constantFrom('1e3', ' 2.5 ', '-7'),
);
const boolean = fc.constantFrom(true, false, 0, 1, 'yes', 'No', 'TRUE', 'off', 't', 'n');
const micros = fc.integer({ min: 0, max: 999_999 }).map((value) => String(value).padStart(6, '0'));
/** Seconds since 1970, in a range that leaves room for whole series. */
const seconds = fc.integer({ min: -2_000_000_000, max: 19_000_000_000 });
const iso = (at: number, rest: string) => new Date(at * 1000).toISOString().replace('000Z', rest);
const time = fc.oneof(
  fc.tuple(seconds, micros).map(([at, fraction]) => iso(at, `${fraction}Z`)),
  seconds.map((at) => iso(at, '000+00:00')),
  seconds.map((at) => iso(at, '5')),
  seconds.map((at) => iso(at, '000-01:30')),
  seconds,
  seconds.map(String),
);
const json = fc
  .jsonValue({ maxDepth: 3, stringUnit: 'grapheme' })
  .map((value) => JSON.stringify(value))
  .filter((written) => !/\\u0000|\\ud[89a-f]/.test(written))
  .map((written) => JSON.parse(written) as unknown);
const special = fc.oneof(json, fc.bigInt(), fc.array(fc.bigInt(), { maxLength: 3 }));
const jsonText = fc.oneof(
  json.filter((value) => typeof value === 'object' && value !== null),
  json.map((value) => JSON.stringify(value)),
);
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 5 });

/** Values by the definition of their type, as it stands in the test model. */
const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  tag: boolean,
  binary: boolean,
  string: text,
  int: integer,
  int64: integer,
  float,
  time,
  ipv4,
  ipv6,
  mac,
  json: jsonText,
  special,
  'array<int>': list(integer),
  'array<string>': list(text),
  'array<json>': list(jsonText),
  'set<int>': list(integer),
  'set<link<host6>>': list(ipv6.map((eid) => ({ eid }))),
  'array<link<asn>>': list(integer.map((eid) => ({ eid }))),
  'link<ip, int; mirror=devices>': fc.record({ eid: ipv4, data: integer }),
  'category<string;CZ,DE,US>': fc.constantFrom('CZ', 'DE', 'US'),
  'category<int;1,2,3>': fc.constantFrom(1, 2, 3),
  'dict<lat:float,lon:float,note?:string>': fc.oneof(
    fc.record({ lat: float, lon: float, note: text }),
    fc.record({ lat: float, lon: float, note: fc.constant(null), other: fc.constant(1) }),
    fc.record({ lat: float, lon: float }),
  ),
};

const IDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ip: ipv4,
  host6: ipv6,
  device: mac,
  asn: integer,
  bus: text.filter((id) => id !== ''),
};
const confidence = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((c) => c + 0),
  fc.constantFrom(0, 1, '0.5'),
);
const source = fc.option(text);

interface Attribute {
  readonly type: string;
  readonly data_type?: string;
  readonly timeseries_type?: string;
  readonly series?: Readonly<Record<string, { readonly data_type: string }>>;
}

function valuesOf(definition: string | undefined): fc.Arbitrary<unknown> {
  const found = definition === undefined ? undefined : VALUES[definition];
  if (found === undefined) throw new Error(`no values for ${definition}`);
  return found;
}

function point(id: string, attribute: Attribute): fc.Arbitrary<object> {
  const attr = fc.constant(id);
  if (attribute.type === 'plain') {
    return fc.record(
      { attr, v: valuesOf(attribute.data_type), src: source, t1: time },
      { requiredKeys: ['attr', 'v'] },
    );
  }
  if (attribute.type === 'observations') {
    const times = fc.tuple(seconds, micros, fc.nat(100_000));
    return fc
      .tuple(
        fc.record(
          { attr, v: valuesOf(attribute.data_type), src: source, c: confidence },
          { requiredKeys: ['attr', 'v'] },
        ),
        times,
        fc.boolean(),
      )
      .map(([rest, [at, fraction, length], ends]) => ({
        ...rest,
        t1: iso(at, `${fraction}Z`),
        ...(ends && { t2: iso(at + length, `${fraction}Z`) }),
      }));
  }
  return seriesPoint(id, attribute);
}

/** Of the length that comes with it; t2 where it is asked for. */
function seriesPoint(attr: string, { timeseries_type: type, series = {} }: Attribute): fc.Arbitrary<object> {
  const declared = Object.entries(series);
  return fc.tuple(fc.integer({ min: 1, max: 5 }), seconds, fc.boolean()).chain(([length, at, ends]) => {
    const exactly = { minLength: length, maxLength: length };
    const items = declared.map(([, { data_type }]) => fc.array(valuesOf(data_type), exactly));
    const times = Array.from({ length }, (_, i) => iso(at + i * 7, '000Z'));
    const implicit =
      type === 'irregular'
        ? { time: times }
        : type === 'irregular_intervals'
          ? { time_first: times, time_last: times }
          : {};
    const end = type === 'regular' ? at + length * 600 : at + length * 7;
    return fc.tuple(...items).map((values) => ({
      attr,
      v: { ...Object.fromEntries(declared.map(([id], i) => [id, values[i]])), ...implicit, undeclared: [1] },
      t1: iso(at, '000Z'),
      ...(ends && { t2: iso(end, '000Z') }),
    }));
  });
}

function messageOf(etype: string): fc.Arbitrary<object> {
  const document = parse(MODEL_YAML[etype] ?? '', { mapAsMap: true }) as Map<string, Map<string, unknown>>;
  const attributes = [...(document.get('attribs') ?? new Map<string, unknown>())].map(([id, settings]) =>
    point(
      id,
      JSON.parse(JSON.stringify(settings, (_, value) => (value instanceof Map ? Object.fromEntries(value) : value))),
    ),
  );
  const rest = fc.record(
    {
      tags: fc.array(special, { maxLength: 2 }),
      ttl_tokens: fc.dictionary(text, time, { maxKeys: 3 }),
      delete: fc.constant(false),
      unknown: json,
    },
    { requiredKeys: [] },
  );
  return fc
    .tuple(IDS[etype] ?? text, fc.array(fc.oneof(...attributes), { minLength: 1, maxLength: 5 }), rest)
    .map(([eid, points, others]) => ({
      ...others,
      etype,
      eid,
      data_points: points.map((fields) => ({ etype, eid, ...fields })),
    }));
}

function expiryOf(etype: string): fc.Arbitrary<object> {
  return fc.record({ etype: fc.constant(etype), eid: IDS[etype] ?? text, expire_at: time });
}

/** A valid message of any entity type, as an object; write it with stringifyJson. */
export const anyMessage: fc.Arbitrary<object> = fc.oneof(
  { weight: 9, arbitrary: fc.oneof(...Object.keys(MODEL_YAML).map(messageOf)) },
  { weight: 1, arbitrary: fc.oneof(...Object.keys(MODEL_YAML).map(expiryOf)) },
);
