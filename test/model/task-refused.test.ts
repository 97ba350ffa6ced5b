import { describe, expect, test } from 'vitest';
import { parseTask } from '../../lib/model/task-parse.js';
import { TaskRefused } from '../../lib/model/task-refused.js';
import { loadTestModel } from '../support/model.js';

const spec = loadTestModel();
const T1 = '2026-11-24T15:00:00Z';
const T2 = '2026-11-24T15:20:00Z';
const EARLIER = '2026-11-24T14:00:00Z';

/** A task with one data-point of an entity. */
function one(etype: string, eid: unknown, fields: object): string {
  return JSON.stringify({ etype, eid, data_points: [{ etype, eid, ...fields }] });
}
const bus = (attr: string, fields: object) => one('bus', '17', { attr, ...fields });
const ip = (attr: string, fields: object) => one('ip', '192.0.2.1', { attr, ...fields });
/** With a value that JSON.stringify cannot write. */
const raw = (attr: string, v: string, rest = `"t1":"${T1}"`) =>
  `{"etype":"bus","eid":"17","data_points":[{"etype":"bus","eid":"17","attr":"${attr}","v":${v},${rest}}]}`;
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const inTask = 'Task of "bus:17", data_points[0]';

type Bad = readonly [what: string, body: string | Buffer, sentence: string | RegExp];

const UNREADABLE: readonly Bad[] = [
  ['no bytes at all', '', 'Message: The text is empty'],
  ['a byte order mark', `\ufeff${bus('int', { v: 1, t1: T1 })}`, 'starts with a byte order mark'],
  ['UTF-16', Buffer.from(bus('int', { v: 1, t1: T1 }), 'utf16le'), 'encoded in UTF-16'],
  ['Latin-1', Buffer.from('{"etype":"bus","eid":"Košice"}'.replace('š', 'é'), 'latin1'), 'not valid UTF-8'],
  ['half of a message', bus('int', { v: 1, t1: T1 }).slice(0, 40), 'The text is not JSON'],
  ['two messages', `${bus('tag', { v: true })}\r\n${bus('tag', { v: true })}`, 'The text is not JSON'],
  ['Python instead of JSON', "{'etype': 'bus', 'eid': None}", 'The text is not JSON'],
  ['a tab inside text', '{"etype":"bus","eid":"a\tb"}', 'The text is not JSON'],
  ['NaN as a value', raw('float', 'NaN'), 'NaN is no JSON number'],
  ['Infinity as a value', raw('float', '-Infinity'), '-Infinity is no JSON number'],
  ['10,000 levels', raw('special', nested(10_000), '"src":null'), 'deeper than the 200 levels'],
  ['17 MiB', raw('text', JSON.stringify('x'.repeat(17 << 20)), '"src":null'), 'allowed are at most 16777216'],
  ['an integer of 5,000 digits', raw('int', '1'.repeat(5000)), 'An integer of 5000 digits is too long'],
];

const NO_ENTITY: readonly Bad[] = [
  ['a list', '[]', 'Message: given [], allowed is an object with etype and eid.'],
  ['null', 'null', 'Message: given null, allowed is an object'],
  ['text', '"task"', 'Message: given "task", allowed is an object'],
  ['no etype', '{"eid":"17"}', 'Message, etype: given nothing, allowed is the name of an entity type.'],
  ['etype null', '{"etype":null,"eid":"17"}', 'Message, etype: given null, allowed is'],
  ['a list as etype', '{"etype":["bus"],"eid":"17"}', 'Message, etype: given ["bus"], allowed is'],
  ['a mistyped etype', '{"etype":"buss","eid":"17"}', '"buss" is no entity type of the model. Did you mean "bus"?'],
  ['an etype far from all', '{"etype":"elephant","eid":"17"}', /"elephant" is no entity type of the model\.$/],
  ['__proto__ as etype', '{"etype":"__proto__","eid":"17"}', '"__proto__" is no entity type'],
  ['constructor as etype', '{"etype":"constructor","eid":"17"}', '"constructor" is no entity type'],
  [
    'no eid',
    '{"etype":"bus","delete":true}',
    'Task of bus, eid: given nothing, allowed is the id of an entity (string).',
  ],
  [
    'eid null',
    '{"etype":"bus","eid":null,"delete":true}',
    'Task of bus, eid: given null, allowed is a string or an integer.',
  ],
  ['eid true', '{"etype":"bus","eid":true,"delete":true}', 'Task of bus, eid: given true'],
  ['eid a list', '{"etype":"bus","eid":["17"],"delete":true}', 'Task of bus, eid: given ["17"]'],
  ['eid 5.5 for text', '{"etype":"bus","eid":5.5,"delete":true}', 'Task of bus, eid: given 5.5'],
  ['NUL in an eid', '{"etype":"bus","eid":"a\\u0000b","delete":true}', 'without NUL'],
  ['half a surrogate pair in an eid', '{"etype":"bus","eid":"a\\ud800b","delete":true}', 'without lone surrogates'],
  [
    'an eid of a megabyte',
    `{"etype":"bus","eid":"${'x'.repeat(1 << 20)}","delete":true}`,
    'an id of at most 1024 bytes',
  ],
  [
    'a host name as IPv4',
    '{"etype":"ip","eid":"example.org","delete":true}',
    'Task of ip, eid: given "example.org", allowed is an IPv4',
  ],
  ['an empty IPv4', '{"etype":"ip","eid":"","delete":true}', 'Task of ip, eid: given "", allowed is an IPv4'],
  ['leading zeros', '{"etype":"ip","eid":"192.0.2.001","delete":true}', 'Task of ip, eid: given "192.0.2.001"'],
  ['IPv4 for IPv6', '{"etype":"host6","eid":"192.0.2.1","delete":true}', 'Task of host6, eid: given "192.0.2.1"'],
  ['a MAC with dots', '{"etype":"device","eid":"0011.2233.4455","delete":true}', 'Task of device, eid:'],
  [
    'text as int',
    '{"etype":"asn","eid":"AS64500","delete":true}',
    'Task of asn, eid: given "AS64500", allowed is an integer',
  ],
];

const TASK_FIELDS: readonly Bad[] = [
  [
    'nothing to do',
    '{"etype":"bus","eid":"17"}',
    'Task of "bus:17": given nothing, allowed is a task that has a data-point, a TTL token or delete.',
  ],
  [
    'empty lists alone',
    '{"etype":"bus","eid":"17","data_points":[],"ttl_tokens":{},"delete":false}',
    'a task that has a data-point',
  ],
  [
    'data_points null',
    '{"etype":"bus","eid":"17","data_points":null}',
    'Task of "bus:17", data_points: given null, allowed is a list',
  ],
  ['data_points an object', '{"etype":"bus","eid":"17","data_points":{}}', 'data_points: given {}, allowed is a list'],
  [
    'a number among data_points',
    '{"etype":"bus","eid":"17","data_points":[5]}',
    `${inTask}: given 5, allowed is an object`,
  ],
  [
    'text among data_points',
    '{"etype":"bus","eid":"17","data_points":["etype attr"]}',
    `${inTask}: given "etype attr"`,
  ],
  [
    'tags null',
    '{"etype":"bus","eid":"17","tags":null,"delete":true}',
    'Task of "bus:17", tags: given null, allowed is a list.',
  ],
  ['NUL in a tag', '{"etype":"bus","eid":"17","tags":["a",{"b":"\\u0000"}],"delete":true}', 'tags[1].b: given'],
  ['a number too large in a tag', '{"etype":"bus","eid":"17","tags":[1e400],"delete":true}', 'tags[0]: given Infinity'],
  [
    'delete null',
    '{"etype":"bus","eid":"17","delete":null}',
    'Task of "bus:17", delete: given null, allowed is true or false',
  ],
  ['delete 2', '{"etype":"bus","eid":"17","delete":2}', 'delete: given 2'],
  ['ttl_tokens a list', '{"etype":"bus","eid":"17","ttl_tokens":[]}', 'ttl_tokens: given [], allowed is an object'],
  [
    'a token without a time',
    '{"etype":"bus","eid":"17","ttl_tokens":{"a":null}}',
    'ttl_tokens.a: given null, allowed is a time',
  ],
  [
    'a token of the year 10000',
    '{"etype":"bus","eid":"17","ttl_tokens":{"a":"+10000-01-01"}}',
    'ttl_tokens.a: given "+10000-01-01"',
  ],
  ['NUL in the name of a token', '{"etype":"bus","eid":"17","ttl_tokens":{"a\\u0000":0}}', 'without NUL'],
];

const POINT_FIELDS: readonly Bad[] = [
  [
    'a point of another type',
    '{"etype":"bus","eid":"17","data_points":[{"etype":"ip","eid":"17","attr":"tag","v":1}]}',
    `${inTask}, attribute tag, etype: given "ip", allowed is "bus"`,
  ],
  [
    'a point without etype',
    '{"etype":"bus","eid":"17","data_points":[{"eid":"17","attr":"tag","v":1}]}',
    'etype: given nothing, allowed is "bus"',
  ],
  [
    'a point without eid',
    '{"etype":"bus","eid":"17","data_points":[{"etype":"bus","attr":"tag","v":1}]}',
    'eid: given nothing, allowed is the id of the task',
  ],
  [
    'a point of another entity',
    '{"etype":"bus","eid":"17","data_points":[{"etype":"bus","eid":"18","attr":"tag","v":1}]}',
    'eid: given "18", allowed is 17, the id of the task',
  ],
  ['a number as text id of a point', one('bus', 17, { attr: 'tag', v: true }), 'eid: given 17, allowed is a string'],
  [
    'the second point of another entity',
    JSON.stringify({
      etype: 'ip',
      eid: 3221225985,
      data_points: [
        { etype: 'ip', eid: '192.0.2.1', attr: 'hostname', v: 'a' },
        { etype: 'ip', eid: 3221225986, attr: 'hostname', v: 'a' },
      ],
    }),
    'Task of "ip:192.0.2.1", data_points[1], attribute hostname, eid: given 3221225986, allowed is 192.0.2.1',
  ],
  [
    'no attr',
    bus('tag', { v: true }).replace('"attr"', '"attribute"'),
    `${inTask}: given nothing, allowed is the name of an attribute of bus`,
  ],
  [
    'attr a list',
    bus('tag', { v: true }).replace('"tag"', '["tag"]'),
    'given ["tag"], allowed is the name of an attribute of bus',
  ],
  [
    'a mistyped attr',
    ip('open_port', { v: [1], t1: T1 }),
    '"open_port" is no attribute of ip of the model. Did you mean "open_ports"?',
  ],
  ['toString as attr', bus('toString', { v: 1, t1: T1 }), '"toString" is no attribute of bus'],
  ['an attr of a megabyte', bus('x'.repeat(1 << 20), { v: 1 }), /data_points\[0\]: "x{90,100}\.\.\. is no attribute/],
  ['a mirror', ip('devices', { v: [{ eid: '00:11:22:33:44:55' }] }), 'attribute devices'],
  ['no v', bus('tag', {}), `${inTask}, attribute tag, v: given nothing, allowed is a value.`],
  ['src a number', bus('tag', { v: true, src: 5 }), 'attribute tag, src: given 5, allowed is a string or null'],
  ['NUL in src', bus('tag', { v: true, src: 'a\0' }), 'src: given "a\\u0000"'],
  [
    't2 at a plain attribute',
    bus('tag', { v: true, t2: T1 }),
    'attribute tag, t2: given "2026-11-24T15:00:00Z", allowed is no t2',
  ],
  ['an observation without t1', bus('int', { v: 1 }), 'attribute int, t1: given nothing, allowed is a time'],
  ['t1 null', bus('int', { v: 1, t1: null }), 't1: given null, allowed is a time'],
  ['t1 on the 30th of February', bus('int', { v: 1, t1: '2026-02-30T00:00:00Z' }), 't1: given "2026-02-30T00:00:00Z"'],
  ['t1 in the year 0', bus('int', { v: 1, t1: '0000-01-01T00:00:00Z' }), 't1: given "0000-01-01T00:00:00Z"'],
  [
    't2 before t1',
    bus('int', { v: 1, t1: T1, t2: EARLIER }),
    't2: given "2026-11-24T14:00:00Z", allowed is a time not before t1 (2026-11-24T15:00:00.000000Z)',
  ],
  ['t2 before t1 by zone', bus('int', { v: 1, t1: T1, t2: '2026-11-24T15:30:00+01:00' }), 'a time not before t1'],
  ['c = 1.5', bus('int', { v: 1, t1: T1, c: 1.5 }), 'attribute int, c: given 1.5, allowed is a number from 0 to 1.'],
  ['c below 0', bus('int', { v: 1, t1: T1, c: -0.1 }), 'c: given -0.1'],
  ['c null', bus('int', { v: 1, t1: T1, c: null }), 'c: given null'],
  ['c as NaN in text', bus('int', { v: 1, t1: T1, c: 'nan' }), 'c: given "nan"'],
];

const VALUES: readonly Bad[] = [
  ['text for an int', bus('int', { v: 'five', t1: T1 }), 'attribute int, v: given "five", allowed is an integer.'],
  ['a fraction for an int', bus('int', { v: 5.5, t1: T1 }), 'v: given 5.5, allowed is an integer'],
  ['1e400 for a float', raw('float', '1e400'), 'v: given Infinity, allowed is a finite number'],
  ['NaN as text for a float', bus('float', { v: 'NaN', t1: T1 }), 'v: given "NaN", allowed is a finite number'],
  ['Infinity as text', bus('float', { v: 'Infinity', t1: T1 }), 'v: given "Infinity"'],
  ['maybe for a tag', bus('tag', { v: 'maybe' }), 'v: given "maybe", allowed is true or false'],
  ['a number for text', bus('text', { v: 5 }), 'v: given 5, allowed is a string'],
  [
    'a number in a list of text',
    bus('stops', { v: ['a', 'b', 3], t1: T1 }),
    'attribute stops, v[2]: given 3, allowed is a string',
  ],
  [
    'text in a list of int',
    ip('open_ports', { v: [22, 80, 443, 'ssh'], t1: T1 }),
    'Task of "ip:192.0.2.1", data_points[0], attribute open_ports, v[3]: given "ssh", allowed is an integer.',
  ],
  ['an object for a list', ip('open_ports', { v: { 0: 22 }, t1: T1 }), 'v: given {"0":22}, allowed is a list'],
  [
    '10 MiB of text for an int, cut',
    bus('int', { v: 'x'.repeat(10 << 20), t1: T1 }),
    /v: given "x{95,99}\.\.\., allowed is an integer of at most 4300 characters\.$/,
  ],
  [
    'a key missing in a dict',
    bus('place', { v: { lat: 1 }, t1: T1 }),
    'attribute place, v: key "lon" (float) is missing.',
  ],
  [
    'a wrong value in a dict',
    bus('place', { v: { lat: 1, lon: [] }, t1: T1 }),
    'v.lon: given [], allowed is a finite number',
  ],
  [
    'a link without eid',
    one('host6', '::1', { attr: 'neighbours', v: [{ id: '::2' }], t1: T1 }),
    'attribute neighbours, v[0]: key "eid" (id of an entity host6) is missing.',
  ],
  [
    'a link with a wrong id',
    one('host6', '::1', { attr: 'neighbours', v: [{ eid: '::2' }, { eid: 'x' }], t1: T1 }),
    'v[1].eid: given "x", allowed is an IPv6',
  ],
  [
    'a link with a key too many',
    one('host6', '::1', { attr: 'neighbours', v: [{ eid: '::2', data: 1 }], t1: T1 }),
    'v[0]: given',
  ],
  [
    'a category that is not listed',
    one('asn', 5, { attr: 'country', v: 'FR' }),
    'v: given "FR", allowed is one of CZ, DE, US',
  ],
  [
    'text that is no JSON',
    bus('json', { v: 'x' }),
    'attribute json, v: given "x", allowed is a list, an object, or text that holds JSON',
  ],
  ['NUL deep in JSON', bus('json', { v: { a: [{ b: '\0' }] } }), 'v.a[0].b: given'],
  [
    'a wrong value under a key of a megabyte',
    bus('special', { v: { ['k'.repeat(1 << 20)]: '\0' } }),
    /v\.k{90,}\.\.\.: given/,
  ],
  ['a wrong value under a key with line ends', bus('special', { v: { 'a\nb': '\0' } }), 'v.a\\nb: given'],
  ['a lone surrogate as a key', bus('special', { v: { '\ud800': 1 } }), 'without lone surrogates'],
];

const SERIES: readonly Bad[] = [
  ['series of unequal length', ip('flows', { v: { bytes: [1, 2], rate: [1] }, t1: T1 }), 'attribute flows, v'],
  [
    'a series that is missing',
    ip('flows', { v: { bytes: [1, 2] }, t1: T1 }),
    'attribute flows, v: key "rate" (list of float) is missing.',
  ],
  ['empty series', ip('flows', { v: { bytes: [], rate: [] }, t1: T1 }), 'attribute flows, v'],
  ['a list for the series', ip('flows', { v: [1, 2], t1: T1 }), 'attribute flows, v: given [1,2]'],
  [
    'a wrong item',
    ip('flows', { v: { bytes: [1, 2, 'x'], rate: [1, 2, 3] }, t1: T1 }),
    'v.bytes[2]: given "x", allowed is an integer',
  ],
  ['no t1', ip('flows', { v: { bytes: [1], rate: [1] } }), 'attribute flows, t1: given nothing'],
  [
    'a t2 that does not fit',
    ip('flows', { v: { bytes: [1], rate: [1] }, t1: T1, t2: T2 }),
    't2: given "2026-11-24T15:20:00Z", allowed is t1 + number of items x time_step, which is 2026-11-24T15:10:00.000000Z',
  ],
  [
    'an end beyond year 9999',
    ip('flows', { v: { bytes: [1], rate: [1] }, t1: '9999-12-31T23:59:59Z' }),
    'in the years 0001 to 9999',
  ],
  [
    'a time before t1',
    bus('jam', { v: { speed: [1], time: [EARLIER] }, t1: T1 }),
    'attribute jam, v.time[0]: given "2026-11-24T14:00:00.000000Z", allowed is a time not before t1',
  ],
  ['times out of order', bus('jam', { v: { speed: [1, 2], time: [T2, T1] }, t1: T1 }), 'v.time[1]: given'],
  [
    't2 before the last time',
    bus('jam', { v: { speed: [1, 2], time: [T1, T2] }, t1: T1, t2: T1 }),
    't2: given "2026-11-24T15:00:00Z", allowed is a time not before the end of the series',
  ],
  [
    'an interval that ends before it starts',
    bus('trips', { v: { seats: [1, 2], time_first: [T1, T2], time_last: [T1, T1] }, t1: T1 }),
    'v.time_last[1]: given',
  ],
  [
    'an interval before t1',
    bus('trips', { v: { seats: [1], time_first: [EARLIER], time_last: [T1] }, t1: T1 }),
    'v.time_first[0]: given',
  ],
  [
    't2 before the last interval ends',
    bus('trips', { v: { seats: [1], time_first: [T1], time_last: [T2] }, t1: T1, t2: T1 }),
    't2: given',
  ],
];

describe.each([
  ['a message that cannot be read', UNREADABLE],
  ['a message without a known entity', NO_ENTITY],
  ['a task', TASK_FIELDS],
  ['a data-point', POINT_FIELDS],
  ['a value', VALUES],
  ['a time series', SERIES],
])('%s is refused', (_, table) => {
  test.each(table)('for %s', (_what, body, sentence) => {
    const refused = refusalOf(Buffer.from(body as string));
    expect(refused).toBeInstanceOf(TaskRefused);
    expect(refused.code).toBe('MESSAGE_INVALID');
    expect(refused.follows).toBe('quarantine');
    if (typeof sentence === 'string') expect(refused.message).toContain(sentence);
    else expect(refused.message).toMatch(sentence);
    expect(refused.message.length).toBeLessThan(600);
    expect(refused.message).not.toMatch(/undefined|\[object/);
    expect([...refused.message].every((character) => character >= ' ')).toBe(true);
  });
});

function refusalOf(body: Buffer): TaskRefused {
  try {
    parseTask(body, spec);
  } catch (error) {
    return error as TaskRefused;
  }
  throw new Error('the message was accepted');
}

test('a refusal names the entity as far as it could be read', () => {
  expect(refusalOf(Buffer.from('{}'))).toMatchObject({ etype: null, eid: null });
  expect(refusalOf(Buffer.from('{"etype":"ip","eid":"x"}'))).toMatchObject({ etype: 'ip', eid: null });
  expect(refusalOf(Buffer.from('{"etype":"ip","eid":3221225985}'))).toMatchObject({ etype: 'ip', eid: '192.0.2.1' });
});

test('bad messages leave every prototype as it was', () => {
  const body =
    '{"__proto__":{"polluted":1},"etype":"bus","eid":"17","delete":true,"constructor":{"prototype":{"polluted":1}}}';
  expect(parseTask(Buffer.from(body), spec)).toMatchObject({ key: 'bus:17', delete: true });
  expect('polluted' in {}).toBe(false);
  expect('polluted' in Object).toBe(false);
});
