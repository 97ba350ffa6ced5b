/** A purged queue, as the people see it who run a worker: the program itself, its log and `status`. */
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import { queueNames } from '../../lib/queue/names.js';
import { runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { RawQueue } from '../support/raw-queue.js';
import { busPoints, interrupted, Sending } from '../support/sending.js';

const BUS = `
entity: { id: bus, name: Bus, snapshot: false }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;
/** A worker looks once a minute. */
const SHORT_LOOKS = fileURLToPath(new URL('../support/short-looks.mjs', import.meta.url));

it('tasks of a purged queue stand in the log and in status, with the stream that send prints', async () => {
  const [host, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  const { host: name, port, virtualHost: virtual_host, username, password } = host;
  const processing_core = {
    worker_processes: 1,
    msg_broker: { kind: 'rabbitmq', host: name, port, virtual_host, username, password },
    store: { kind: 'postgres', url: database.url },
  };
  const settings = JSON.stringify({ app: 'buses', processing_core, logging: { format: 'json' } });
  const application = new Application({ settings, entities: { bus: BUS } });
  onTestFinished(() => application.dispose());
  expect(await runInside(application, ['setup'])).toMatchObject({ code: 0 });
  const { normal } = queueNames('buses', 0);
  const queue = await RawQueue.of(host.url, normal);
  const waiting = (tasks: number) => expect.poll(() => queue.depth(), { timeout: 20_000 }).toBe(tasks);

  const sending = new Sending(application, ['-']);
  sending.write(busPoints(0, 10));
  await waiting(10);
  const worker = application.start(['worker', '0'], ['--import', SHORT_LOOKS]);
  const lost = async () => {
    const { code, stdout } = await runInside(application, ['status', '--json']);
    if (code !== 0 && stdout === '') return null;
    return (JSON.parse(stdout) as ProgramStatus).slots[0]?.worker?.lost ?? null;
  };
  await expect.poll(lost, { timeout: 30_000 }).toEqual([]);
  await waiting(0);
  worker.child.kill('SIGTERM');
  expect(await worker.exited).toMatchObject({ code: 0 });
  sending.write(busPoints(10, 20));
  await waiting(10);
  await host.manage('DELETE', `/queues/%v/${normal}/contents`);
  sending.write(busPoints(20, 25));
  await waiting(5);
  const { summary } = await interrupted(sending);
  expect(summary).toMatchObject({ sent: 25, streams: { 0: expect.any(String) } });
  const [stream] = Object.values(summary?.['streams'] ?? {});

  const next = application.start(['worker', '0'], ['--import', SHORT_LOOKS]);
  const told = { stream, tasks: 10, from: 11, to: 20 };
  await expect.poll(lost, { timeout: 30_000 }).toEqual([told]);
  const lines = next.lines.filter(({ message }) => message.startsWith('tasks never arrived'));
  expect(lines).toMatchObject([told]);
  const { stdout } = await runInside(application, ['status']);
  expect(stdout).toContain(`10 tasks of stream ${stream} never arrived: 11 to 20`);
});
