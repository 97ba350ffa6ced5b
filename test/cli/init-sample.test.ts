import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { propose } from '../../lib/cli/init/proposal.js';
import { entityFile } from '../../lib/cli/init/proposed.js';
import { parseJson } from '../../lib/model/json.js';
import { readProducerPoint } from '../../lib/model/producer.js';
import { loadSpec } from '../../lib/model/spec.js';
import { makeFolder } from '../support/folder.js';
import { dp3 } from './program.js';

type Records = readonly Readonly<Record<string, unknown>>[];

/** Attribute and what it was proposed to be. */
function proposed(records: Records, naming: { type?: string; id?: string } = {}) {
  const { entities, mapping } = propose({ records, remarks: [] }, { file: 'data.jsonl', ...naming });
  const of = entities.map(({ id, idType, attributes }) => {
    const types = attributes.map(({ id: attr, type, settings }) => {
      const shown = settings.filter(([key]) => key !== 'history_params').map(([, yaml]) => yaml);
      return [attr, [type, ...shown].join(' ')];
    });
    return [`${id} ${idType}`, Object.fromEntries(types)];
  });
  return { ...Object.fromEntries(of), time: mapping?.time };
}

/** The values of one key as records of an entity each. */
const values = (key: string, ...given: unknown[]): Records => given.map((v, at) => ({ id: at, [key]: v }));
const T = '2026-11-24T15:00:00Z';

describe('the proposal for a sample', () => {
  it.each<[string, string, unknown[], string]>([
    ['booleans', 'up', [true, false], 'binary'],
    ['integers', 'n', [1, -5, 12345678901234567890n], 'int'],
    ['numbers with fractions among integers', 'n', [1, 0.5], 'float'],
    ['IPv4 addresses', 'peer', ['192.0.2.1', '192.0.2.2'], 'ipv4'],
    ['IPv6 addresses', 'peer', ['2001:db8::1', '::'], 'ipv6'],
    ['addresses of both kinds', 'peer', ['192.0.2.1', '::1'], 'string'],
    ['MAC addresses', 'card', ['00:1b:44:11:3a:b7'], 'mac'],
    ['digits in text', 'code', ['007', '12'], 'string'],
    ['zeros and ones', 'tsunami', [0, 1], 'int'],
    ['the same numbers under another name', 'bytes', [1_800_000_000], 'int'],
    ['numbers and text', 'mix', [1, 'a'], 'special'],
    ['nulls alone', 'nothing', [null, null], 'special'],
    ['lists of integers, one empty', 'ports', [[22, 80], []], 'array<int>'],
    ['empty lists', 'ports', [[], []], 'json'],
    ['lists of objects', 'rows', [[{ a: 1 }]], 'json'],
    ['lists of lists', 'rows', [[[1]]], 'json'],
    [
      'objects',
      'pos',
      [
        { lat: 1, lon: 2.5 },
        { lat: 0.5, lon: 1, note: null },
      ],
      '"dict<lat:float,lon:float,note?:special>"',
    ],
    ['objects in objects', 'deep', [{ a: { b: 1 } }], 'dict<a:json>'],
    ['objects with keys that no dict has', 'odd', [{ 'a b': 1 }], 'json'],
    ['objects without keys', 'odd', [{}], 'json'],
    ['objects and lists', 'odd', [{}, []], 'special'],
  ])('takes %s', (_, key, given, type) => {
    const { 'data int': attributes } = proposed(values(key, ...given)) as { 'data int': object };
    expect(attributes).toEqual({ [key]: expect.stringContaining(type) });
    expect(Object.values(attributes)[0]).toMatch(/^plain \S+$/);
  });

  it('names the entity by the key that means a thing and comes again, and takes the others for what it has', () => {
    const records = [1, 2, 3, 4].map((n) => ({ uuid: `u${n}`, host: n % 2 ? 'a' : 'b', at: T, load: n, os: 'linux' }));
    expect(proposed([...records, ...records])).toEqual({
      'host string': { uuid: 'observations string', load: 'observations int', os: 'plain string' },
      time: 'at',
    });
    expect(proposed(records, { id: 'uuid', type: 'boot' })).toMatchObject({
      'boot string': { host: 'observations string' },
    });
  });

  it('says what it guessed, and what else it could be', () => {
    const records = [{ ip: '::1', mac: '00:1b:44:11:3a:b7', n: 1 }];
    const { entities } = propose({ records, remarks: [] }, { file: 'data.jsonl' });
    expect(entities[0]?.why[0]).toBe(
      'The key "ip" names the entity (guessed; it could also be mac; --id names another).',
    );
  });

  it('takes numbers for times where the name of their key says so', () => {
    const records = [1.8e9, 1.8e9 + 0.5, 1.8e9 + 1].map((updated) => ({ id: 1, at: T, updated, bytes: updated }));
    expect(proposed(records)).toEqual({
      'data int': { updated: 'observations time', bytes: 'observations float' },
      time: 'at',
    });
  });

  it('asks what names the entity where it cannot be told', () => {
    expect(() => proposed([{ a: 1, b: 2 }])).toThrow(
      'it cannot be guessed which key names the entity; say --id KEY (a, b)',
    );
    expect(() => proposed([{ a: 1 }], { id: 'x' })).toThrow('--id: given was x, allowed is a key of the sample: a');
    expect(() => proposed([{ ip: '::1' }], { type: 'a/b' })).toThrow('--type: given was a/b');
  });

  it('makes names of attributes of any keys', () => {
    expect(proposed([{ id: 1, 'a b': 1, 'a.b': 2, '1st': 3, ä: 4, __proto__x: 5 }])).toMatchObject({
      'data int': { a_b: 'plain int', a_b_2: 'plain int', _1st: 'plain int', _: 'plain int', __proto__x: 'plain int' },
    });
  });

  it('tells kinds of attributes by the data-points', () => {
    const of = (attr: string, ...points: object[]) =>
      points.map((point) => ({ type: 'host', id: '192.0.2.1', attr, ...point }));
    const step = { t1: T, t2: '2026-11-24T15:20:00Z' };
    const records = [
      ...of('name', { v: 'a' }),
      ...of('login', { v: 'root', t1: T, c: 0.5 }, { v: 'admin', t1: T }),
      ...of('ports', { v: [22], t1: T }),
      ...of('partly', { v: 1, t1: T }, { v: 2 }),
      ...of('flow', { v: { bytes: [1, 2], load: [0.5, 1] }, ...step }),
      ...of('trip', { v: { time: [T], n: [1] }, t1: T }),
      ...of('span', { v: { time_first: [T], time_last: [T], n: [1] }, t1: T }),
      ...of('lists', { v: { bytes: [1, 2] }, t1: T }),
      ...of('null', { v: null }, { v: 1 }),
    ];
    expect(proposed(records)).toEqual({
      'host ipv4': {
        name: 'plain string',
        login: 'observations string true true',
        ports: 'observations array<int>',
        partly: 'plain int',
        flow: 'timeseries regular { time_step: 10m } { bytes: { data_type: int }, load: { data_type: float } }',
        trip: 'timeseries irregular {} { n: { data_type: int } }',
        span: 'timeseries irregular_intervals {} { n: { data_type: int } }',
        lists: 'observations "dict<bytes:json>"',
        null: 'plain special',
      },
      time: undefined,
    });
  });

  it('fits every sample it is made for, whatever that holds', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.ipV4(),
      fc.ipV6(),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString()),
    );
    const record = fc
      .dictionary(fc.constantFrom('a', 'b c', 'time', 'ip', 'x'), value)
      .map((keys) => ({ ...keys, device: 'd' }));
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (drawn) => {
        // As a file holds them.
        const records = drawn.map((each) => parseJson(JSON.stringify(each)) as Records[number]);
        const { entities, mapping } = propose({ records, remarks: [] }, { file: 'x.jsonl', id: 'device' });
        const files = entities.map((entity) => ({
          file: `${entity.id}.yml`,
          document: parse(entityFile(entity, 'x'), { mapAsMap: true }),
        }));
        const { spec, problems } = loadSpec(files);
        expect(problems).toEqual([]);
        let points = 0;
        for (const each of records) {
          for (const { key, attr, history } of mapping?.attributes ?? []) {
            const v = each[key];
            if (v === undefined || v === null) continue;
            const time = history && mapping?.time ? { t1: each[mapping.time] } : {};
            readProducerPoint({ type: mapping?.type, id: each['device'], attr, v, ...time }, spec!);
            points++;
          }
        }
        expect(points).toBeLessThanOrEqual(records.length * 5);
      }),
      { numRuns: 300 },
    );
  });
});

const READINGS = [
  { sensor: 's1', ts: T, temp: 21.5, pos: { lat: 50.1, lon: 14.4 }, tags: ['a'], mac: '00-1B-44-11-3A-B7', err: null },
  { sensor: 's2', ts: T, temp: 19, pos: { lat: 1, lon: 2, alt: 3 }, tags: [], mac: '00-1B-44-11-3A-B8', err: null },
  { sensor: 's1', ts: T, temp: 21, pos: null, tags: ['no', 'NAME', 'TODAY'], mac: '00-1B-44-11-3A-B7', mix: 5 },
  { sensor: 's1', ts: T, mix: 'MAPPING $& "', big: 1 },
];
const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('');
const POINTS = [
  { type: 'no', id: 5, attr: 'null', v: null },
  { type: 'no', id: 6, attr: 'null', v: 1 },
  { type: 'host', id: '192.0.2.1', attr: 'login', v: 'root', t1: T, src: 'sshd' },
  { type: 'host', id: 'fe80::1', attr: 'login', v: 'x\u0000', t1: T },
];

/** Sample, further arguments, data-points that can be sent, sentences beside. */
const SAMPLES: readonly [string, string | Buffer, readonly string[], number, readonly RegExp[]][] = [
  ['lines', lines(READINGS), [], 14, []],
  [
    'an array, packed',
    gzipSync(JSON.stringify(READINGS, null, 1)),
    ['--id', 'mac', '--type', 'card'],
    12,
    [/^1 object left out: no key "mac"/],
  ],
  ['data-points', lines(POINTS), [], 3, [/1 data-point of the sample left out, .*NUL/]],
  [
    'lines, some of them broken',
    `5\n{"a"\n${lines([{ ip: '192.0.2.1', n: 1 }])}`,
    [],
    1,
    [/2 of the values are no JSON objects .*line 1: no object/],
  ],
];

describe('init --from', () => {
  it.each(SAMPLES)(
    'makes an application of %s, which passes check and takes the sample',
    async (_, text, more, count, remarks) => {
      const parent = makeFolder();
      writeFileSync(join(parent, 'sample.jsonl'), text);
      const made = await dp3(['init', 'app', '--from', 'sample.jsonl', '--json', ...more], { cwd: parent });
      expect([made.code, made.stderr]).toEqual([0, '']);
      const told: string[] = JSON.parse(made.stdout).remarks;
      for (const remark of remarks) expect(told).toContainEqual(expect.stringMatching(remark));
      expect(told).toContain(`${count} data-point${count === 1 ? '' : 's'} of the sample can be sent.`);
      const app = join(parent, 'app');
      expect((await dp3(['check'], { cwd: app })).stderr).toBe('0 errors, 0 warnings\n');
      const sent = await dp3(['send', 'points.jsonl', '--strict', '--json'], { cwd: app });
      expect([sent.code, JSON.parse(sent.stdout)]).toEqual([0, expect.objectContaining({ sent: count, rejected: 0 })]);
    },
  );

  it('refuses what it cannot use, and makes nothing then', async () => {
    const parent = makeFolder();
    writeFileSync(join(parent, 'numbers.jsonl'), '1\n2\n');
    mkdirSync(join(parent, 'folder'));
    for (const [args, message] of [
      [['--from', 'none.jsonl'], /the input cannot be read: .*none\.jsonl/],
      [['--from', 'folder'], /is a folder/],
      [['--from', 'numbers.jsonl'], /numbers\.jsonl holds no JSON object \(line 1: no object\)/],
      [['--type', 'x'], /--type says something of a sample: name one with --from/],
    ] as const) {
      expect(await dp3(['init', 'app', ...args], { cwd: parent })).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(message),
      });
    }
    expect(() => readFileSync(join(parent, 'app'))).toThrow('ENOENT');
  });
});
