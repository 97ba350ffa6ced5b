import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../support/folder.js';
import { dp3, ROOT } from './program.js';

interface Vector {
  readonly etype: string;
  readonly id_data_type: string;
  readonly eid: unknown;
  readonly canonical: string;
  readonly routing_key: string;
  readonly hash: number;
  readonly process: Readonly<Record<string, number>>;
}

const VECTORS: readonly Vector[] = JSON.parse(readFileSync(join(ROOT, 'test', 'vectors', 'routing.json'), 'utf8'));

const entity = (id: string, type: string) =>
  `entity: {id: ${id}, name: ${id}, snapshot: true, id_data_type: ${type}}\nattribs: {}\n`;

const folder = () =>
  makeFolder({
    'db_entities/ip.yml': entity('ip', 'ipv4'),
    'db_entities/ip6.yml': entity('ip6', 'ipv6'),
    'db_entities/mac.yml': entity('mac', 'mac'),
    'db_entities/bus.yml': entity('bus', 'int'),
    'db_entities/name.yml': entity('name', 'string'),
  });

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

describe('route', () => {
  it('prints canonical id, routing key, hash and process of one entity', async () => {
    const args = ['route', 'ip6', '2001:DB8:0::1', '--config', folder(), '--processes', '4'];
    const json = await dp3([...args, '--json']);
    expect([json.code, json.stderr]).toEqual([0, '']);
    const route = JSON.parse(json.stdout);
    expect(route).toEqual({
      etype: 'ip6',
      eid: '2001:db8::1',
      routing_key: 'ip6:2001:db8::1',
      hash: expect.any(Number),
      process: route.hash % 4,
    });
    const table = await dp3(args);
    expect(lines(table.stdout)).toHaveLength(2);
    expect(table.stdout).toMatch(/^ip6\s+2001:db8::1\s+ip6:2001:db8::1\s+\d+\s+\d$/m);
  });

  it.each([1, 7, 16])('routes as DP3 does, over %s processes', async (processes) => {
    const types = new Map(VECTORS.map(({ etype, id_data_type }) => [etype, id_data_type]));
    const dir = makeFolder(
      Object.fromEntries([...types].map(([id, type]) => [`db_entities/${id}.yml`, entity(id, type)])),
    );
    const input = VECTORS.map(({ etype, eid }) => JSON.stringify({ etype, eid })).join('\n');
    const args = ['route', '-', '--json', '--config', dir, '--processes', String(processes)];
    const { code, stdout, stderr } = await dp3(args, { input });
    expect([code, stderr]).toEqual([0, '']);
    expect(lines(stdout).map((line) => JSON.parse(line))).toEqual(
      VECTORS.map(({ etype, canonical, routing_key, hash, process }) => {
        return { etype, eid: canonical, routing_key, hash, process: process[String(processes)] };
      }),
    );
  });

  it('reads JSON lines, keeps their order, and refuses bad ones by number while the others go on', async () => {
    const input = [
      '{"etype":"bus","eid":123456789012345678901234567890}',
      '',
      'nonsense',
      '{"etype":"bus","eid":"7"}\r',
      '{"etype":"__proto__","eid":1}',
      '[1]',
      '{"eid":1}',
      '{"etype":"ip","eid":"1.2.3"}',
      '{"etype":"name","eid":"a\\u0000b"}',
      '{"etype":"name","eid":"__proto__","more":[1]}',
    ].join('\n');
    const { code, stdout, stderr } = await dp3(['route', '-', '--json', '--config', folder(), '--processes', '2'], {
      input,
    });
    expect(code).toBe(1);
    expect(lines(stdout).map((line) => JSON.parse(line).routing_key)).toEqual([
      'bus:123456789012345678901234567890',
      'bus:7',
      'name:__proto__',
    ]);
    expect(lines(stderr).map((line) => /^line (\d+): /.exec(line)?.[1])).toEqual(['3', '5', '6', '7', '8', '9']);
    expect(stderr).toMatch(/^line 8: eid: given was "1\.2\.3", allowed is an IPv4 address/m);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('refuses broken UTF-8 and goes on', async () => {
    const input = Buffer.concat([
      Buffer.from('{"etype":"name","eid":"'),
      Buffer.from([0xff]),
      Buffer.from('"}\n{"etype":"name","eid":"ü"}'),
    ]);
    const { code, stdout, stderr } = await dp3(['route', '-', '--config', folder(), '--processes', '1'], { input });
    expect([code, stdout.split('\t').slice(0, 3)]).toEqual([1, ['name', 'ü', 'name:ü']]);
    expect(stderr).toMatch(/^line 1: .*UTF-8/);
  });

  it('escapes what could move the cursor of a terminal', async () => {
    const { stdout } = await dp3(['route', 'name', 'a\u001b[2Jb', '--config', folder()]);
    expect(stdout).toContain('a\\u001b[2Jb');
    expect(stdout).not.toContain('\u001b');
  });

  it.each<[string[], RegExp]>([
    [['route', 'bus'], /route needs ETYPE and EID, or - alone/],
    [['route', '-', '5'], /route needs ETYPE and EID, or - alone/],
    [['route', 'buss', '5'], /etype: given was "buss", allowed is an entity type: .* Did you mean "bus"\?/],
    [['route', 'bus', 'five'], /eid: given was "five"/],
    [
      ['route', 'bus', '5', '--processes', '0'],
      /processing_core\.worker_processes: Given was "0", allowed is a whole number from 1 to 65536/,
    ],
  ])('refuses %j with exit code 2', async (args, sentence) => {
    const { code, stdout, stderr } = await dp3([...args, '--config', folder()]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(sentence);
  });

  it('ends quietly when its reader goes away', async () => {
    const input = '{"etype":"bus","eid":5}\n'.repeat(200_000);
    const program = join(ROOT, 'dist', 'bin', 'dp3-cluster.js');
    const child = spawn(process.execPath, [program, 'route', '-', '--json', '--config', folder()]);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });
});
