/** What `send` says of input that is taken and ignored, and of data-points from the future. */
import { expect, it } from 'vitest';
import { dp3 } from '../cli/program.js';
import { makeFolder } from '../support/folder.js';

const FILES = {
  'config/default.yml': 'app: heed\nprocessing_core: { worker_processes: 1, datapoint: { max_future: 1h } }\n',
  'config/db_entities/ip.yml': `
entity: { id: ip, id_data_type: ipv4, name: IP, snapshot: false }
attribs:
  place: { name: Place, type: plain, data_type: "dict<city:string>" }
  port: { name: Port, type: observations, data_type: int, history_params: {} }
`,
};
const IP = { type: 'ip', id: '192.0.2.1' };
const POINTS = [
  { ...IP, attr: 'place', v: { city: 'Brno', zip: '60200' }, t1: '2026-01-01' },
  { ...IP, attr: 'place', v: { city: 'Brno' } },
  { ...IP, attr: 'port', v: 22, t1: '2026-01-01', sorce: 'sshd' },
  { ...IP, attr: 'port', v: 22, t1: '2099-01-01', src: 'sensor 7' },
];
const input = POINTS.map((point) => `${JSON.stringify(point)}\n`).join('');

it('counts what is ignored, names the first of each kind, and refuses what lies behind the limit', async () => {
  const sent = await dp3(['send', '-'], { cwd: makeFolder(FILES), input });
  expect(sent.code).toBe(1);
  expect(sent.stderr).toContain('unknown keys of values are ignored, as DP3 does (the first: "zip" of ip.place)');
  expect(sent.stderr).toContain('unknown keys of data-points are ignored, as DP3 does (the first: "sorce" of ip.port)');
  expect(sent.stderr).toMatch(
    /^line 4: Data-point of "ip:192.0.2.1", attribute port: given t1 2099-.* \(datapoint.max_future\)\.$/m,
  );
  expect(sent.stdout).toMatch(
    /^3 data-points sent in 1 task, 1 rejected, they are in rejected\.jsonl, 1 t1 of plain attributes ignored, 1 unknown keys of values ignored, 1 unknown keys of data-points ignored, 1 data-point from the future /,
  );
});

it('refuses with --strict what would be ignored', async () => {
  const folder = makeFolder(FILES);
  const sent = await dp3(['send', '-', '--strict', '--json'], { cwd: folder, input });
  expect(JSON.parse(sent.stdout)).toMatchObject({ sent: 1, rejected: 3, ignored: {}, future: { 'sensor 7': 1 } });
  expect(sent.stderr).toMatch(
    /^line 1: .*given "t1", allowed is nothing that would be ignored \(t1 of plain attributes; --strict\)/m,
  );
  expect(sent.stderr).toMatch(/^line 3: .*given "sorce"/m);
});
