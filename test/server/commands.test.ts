/** Commands that read and change what PostgreSQL holds, with a program that runs on RabbitMQ and PostgreSQL. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { postgresAt, type TestDatabase } from '../../services/postgres.js';
import { makeVirtualHost, type TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { idle, runInside } from '../cli/inside.js';
import { Application, type RunningProgram } from '../support/application.js';

const BUS = `
entity: { id: bus, name: Bus, snapshot: true }
attribs:
  line: { name: Line, type: plain, data_type: string }
  stop: { name: Stop, type: observations, data_type: int, history_params: { post_validity: 365000d } }
`;
const T1 = '2026-01-01T00:00:00.000000Z';

let broker: TestVirtualHost;
let database: TestDatabase;
let application: Application;
let program: RunningProgram;

const run = (args: readonly string[], input?: string) => runInside(application, args, input);
const lines = (text: string) => text.split('\n').filter((line) => line !== '');
const point = (id: string, attr: string, v: unknown) => JSON.stringify({ type: 'bus', id, attr, v, t1: T1 });
const setModel = (text: string) => writeFileSync(join(application.configDir, 'db_entities', 'bus.yml'), text);

beforeAll(async () => {
  broker = await makeVirtualHost(inject('rabbitMq'));
  database = await postgresAt(inject('postgres')).database();
  const { host, port, virtualHost, username, password } = broker;
  const management_port = Number(new URL(broker.managementUrl).port);
  const settings = {
    app: 'buses',
    processing_core: {
      worker_processes: 2,
      msg_broker: { kind: 'rabbitmq', host, port, management_port, virtual_host: virtualHost, username, password },
      store: { kind: 'postgres', url: database.url },
    },
    logging: { format: 'json' },
  };
  application = new Application({ settings: JSON.stringify(settings), entities: { bus: BUS } });
}, 60_000);

afterAll(async () => {
  await application.dispose();
  await database.drop();
  await broker.remove();
});

it('setup makes the tables once, and never for other settings', async () => {
  expect(await run(['list', 'bus'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no data in/) });
  const first = await run(['setup']);
  expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/dp3_buses/)]);
  const second = await run(['setup', '--json']);
  expect([second.code, JSON.parse(lines(second.stdout).at(-1) ?? '')]).toEqual([
    0,
    expect.objectContaining({ made: false }),
  ]);
  const other = await run(['setup', '--processes', '3']);
  expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/num_processes 2, configured is 3/)]);
  expect(await run(['list', 'bus', '--json'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await run(['get', 'bus', '1'])).toMatchObject({ code: 1, stderr: 'dp3-cluster: no record of bus 1\n' });
});

it('check, setup and start refuse a broker that loses tasks by a policy, and name it', async () => {
  expect(await run(['check'])).toMatchObject({ code: 0, stderr: '0 errors, 0 warnings\n' });
  const definition = { 'message-ttl': 60_000 };
  await broker.manage('PUT', '/policies/%v/site-wide', { pattern: '', definition, 'apply-to': 'queues' });
  const sentence =
    'queue buses-worker-0, buses-worker-0-pri, buses-worker-1, buses-worker-1-pri: Cannot be used: the broker drops tasks that wait too long (message-ttl 60000 of the policy "site-wide"); change the policy "site-wide", or let it not match.';
  for (const command of ['check', 'setup', 'start']) {
    const { code, stderr } = await run([command]);
    expect([command, code]).toEqual([command, 2]);
    expect(stderr).toContain(sentence);
  }
  const { code, stderr } = await run(['worker', '1']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('queue buses-worker-1, buses-worker-1-pri: Cannot')]);
  await broker.manage('DELETE', '/policies/%v/site-wide');
  expect(await run(['check'])).toMatchObject({ code: 0 });
});

it('get, list and status show what the workers have stored', async () => {
  program = application.start();
  await program.line('worker ready', 2);
  const input = [point('1', 'line', 'S1'), point('1', 'stop', 5), point('1', 'stop', 6), point('2', 'stop', 7)];
  expect(await run(['send', '-'], input.join('\n'))).toMatchObject({ code: 0 });
  await idle(application);
  expect((await run(['get', 'bus', '1'])).stdout).toMatch(/^line {7}plain {9}S1 /m);
  const document = JSON.parse((await run(['get', 'bus', '1', '--json', '--history'])).stdout);
  expect(document).toMatchObject({
    etype: 'bus',
    eid: '1',
    attributes: {
      line: { v: 'S1' },
      stop: {
        count: 2,
        current: 6,
        history: [
          { t1: T1, t2: T1, v: 5, c: 1 },
          { t1: T1, t2: T1, v: 6, c: 1 },
        ],
      },
    },
  });
  const none = await run(['get', 'bus', '1', '--json', '--history', '--from', '2026-01-02']);
  expect(JSON.parse(none.stdout).attributes.stop.history).toEqual([]);
  const rows = (await run(['get', 'bus', '1', '--history', '--limit', '1'])).stdout;
  expect(rows.match(/^2026-01-01T.* 1\.00 {2}\d$/gm)).toHaveLength(1);
  const listed = lines((await run(['list', 'bus', '--json'])).stdout).map((text) => JSON.parse(text));
  expect(listed.map(({ eid }) => eid)).toEqual(['1', '2']);
  expect((await run(['list', 'bus', '--after', '1'])).stdout).toMatch(/^20\S+Z {2}2\n$/);
  expect((await run(['status'])).stdout).toMatch(/^store: 2 records, 0 tasks in quarantine$/m);
});

it('quarantine lists, shows, drops and retries tasks', async () => {
  // The program does not know the attribute yet.
  setModel(`${BUS}  colour: { name: Colour, type: plain, data_type: string }\n`);
  const input = ['1', '2', '3'].map((id) => point(id, 'colour', 'red'));
  expect((await run(['send', '-'], input.join('\n'))).code).toBe(0);
  await idle(application);
  const tasks = lines((await run(['quarantine', 'list', '--json'])).stdout).map((text) => JSON.parse(text));
  expect(tasks.map(({ eid, code }) => `${eid} ${code}`).sort()).toEqual(
    ['1', '2', '3'].map((eid) => `${eid} MESSAGE_INVALID`),
  );
  const idOf = (eid: string) => String(tasks.find((task) => task.eid === eid)?.id);
  const shown = JSON.parse((await run(['quarantine', 'show', idOf('1'), '--json'])).stdout);
  expect(JSON.parse(shown.body)).toMatchObject({ etype: 'bus', data_points: [{ attr: 'colour', v: 'red' }] });
  expect(await run(['quarantine', 'drop', idOf('1')])).toMatchObject({ code: 0, stdout: `dropped ${idOf('1')}\n` });
  expect(await run(['quarantine', 'drop', idOf('1')])).toMatchObject({ code: 1 });
  expect((await run(['status'])).stdout).toMatch(/^store: 2 records, 2 tasks in quarantine$/m);

  expect((await run(['reload'])).code).toBe(0);
  expect((await run(['quarantine', 'retry', idOf('2')])).stdout).toMatch(/^1 retried/);
  expect((await run(['quarantine', 'retry', '--all', '--json'])).stdout).toBe('{"retried":1,"left":0}\n');
  const status = async () => (await run(['status'])).stdout;
  await expect.poll(status, { timeout: 20_000 }).toMatch(/^store: 3 records, 0 tasks in quarantine$/m);
  const colour = async (eid: string) =>
    JSON.parse((await run(['get', 'bus', eid, '--json', '--attr', 'colour'])).stdout).attributes.colour?.v;
  await expect
    .poll(() => Promise.all(['1', '2', '3'].map(colour)), { timeout: 20_000 })
    .toEqual([undefined, 'red', 'red']);
  expect((await run(['stop'])).code).toBe(0);
  await program.exited;
});
