/** examples/honeypot: what its converter makes of records, and what its module makes of that. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openApplication } from '../../lib/testing/application.js';
import { dp3, ROOT } from '../cli/program.js';
import { makeFolder } from '../support/folder.js';

const EXAMPLE = join(ROOT, 'examples', 'honeypot');
const REQUEST = { timestamp: '2025-02-12T04:18:58.326432', src_ip: '192.0.2.7', payload_printable: '"GET /" 200 -' };
const LOGIN = { timestamp: '2025-02-11 01:18:13.286635', source_ip: '192.0.2.9', protocol: 'pop3s', auth_attempts: [] };
const CONNECTION = { timestamp: '2025-02-11T16:29:06.5', src_ip: '198.51.100.1', dst_port: 3306, connection: {} };
const FILES = {
  'asa.jsonl': `${JSON.stringify(REQUEST)}\n\n`,
  'heralding.jsonl.gz': gzipSync(`${JSON.stringify(LOGIN)}\n`),
  'dionaea.jsonl': `${JSON.stringify({ ...CONNECTION, src_ip: '' })}\n${JSON.stringify(CONNECTION)}\n`,
};

const convert = (folder: string, files: readonly string[]) =>
  promisify(execFile)(process.execPath, [join(EXAMPLE, 'convert.mjs'), ...files], { cwd: folder });

it('makes a data-point of each record, in UTC, and profiles of the addresses and their networks', async () => {
  const { stdout } = await convert(makeFolder(FILES), Object.keys(FILES));
  const points = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(points).toEqual([
    {
      type: 'ip',
      id: '192.0.2.7',
      attr: 'request',
      v: '"GET /" 200 -',
      t1: '2025-02-12T04:18:58.326432Z',
      src: 'asa.jsonl',
    },
    {
      type: 'ip',
      id: '192.0.2.9',
      attr: 'login',
      v: 'pop3s',
      t1: '2025-02-11T01:18:13.286635Z',
      src: 'heralding.jsonl.gz',
    },
    { type: 'ip', id: '', attr: 'connection', v: 3306, t1: '2025-02-11T16:29:06.5Z', src: 'dionaea.jsonl' },
    { type: 'ip', id: '198.51.100.1', attr: 'connection', v: 3306, t1: '2025-02-11T16:29:06.5Z', src: 'dionaea.jsonl' },
  ]);

  const app = await openApplication({ config: join(EXAMPLE, 'config') });
  for (const { type, id, ...point } of points.filter(({ id }) => id !== '')) {
    await app.process(app.task(type, id, [point]));
  }
  expect(app.record('ip', '198.51.100.1')?.observations['connection']?.count).toBe(1);
  const hosts = (network: string) => app.record('network', network)?.observations['hosts']?.count;
  expect([hosts('192.0.2.0/24'), hosts('198.51.100.0/24')]).toEqual([2, 1]);

  const scan = (port: number, second: number) => ({ attr: 'connection', v: port, t1: `2025-02-11T17:00:0${second}Z` });
  await app.process(app.task('ip', '198.51.100.1', [scan(22, 1), scan(22, 2), scan(80, 3), scan(443, 4)]));
  expect(app.record('ip', '198.51.100.1')?.plain['port_changes']?.v).toBe(3);
  await app.close();
});

it('gives send a record without an address to refuse, and only that', async () => {
  const folder = makeFolder({ 'dionaea.jsonl': FILES['dionaea.jsonl'] });
  const { stdout } = await convert(folder, ['dionaea.jsonl']);
  const environment = { DP3_PROCESSING_CORE_STORE_PATH: join(folder, 'data') };
  const config = ['--config', join(EXAMPLE, 'config')];
  const sent = await dp3(['send', '-', ...config], { cwd: folder, input: stdout, environment });
  expect(sent).toMatchObject({ code: 1, stderr: expect.stringMatching(/^line 1: .*id/) });
  expect(sent.stdout).toMatch(/^1 data-point sent in 1 task, 1 rejected, they are in rejected\.jsonl /);
});

it('names a record that is of none of the honeypots', async () => {
  const folder = makeFolder({ 'other.jsonl': '{"a":1}\n' });
  await expect(convert(folder, ['other.jsonl'])).rejects.toThrow(
    /a record of other\.jsonl is of no honeypot .*\{"a":1\}/,
  );
});
