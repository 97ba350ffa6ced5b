/** Behind a PgBouncer that lends its connections nothing is made and nothing runs: `setup` and `start` say why. */
import { expect, it, onTestFinished } from 'vitest';
import { startPgBouncer } from '../../services/pgbouncer.js';
import { runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

const BUS = `
entity: { id: bus, name: Bus, snapshot: false }
attribs:
  line: { name: Line, type: plain, data_type: string }
`;

it('setup and start refuse transaction pooling with exit code 2, and say what to do', async () => {
  const [broker, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  const pooler = await startPgBouncer(database.url, { pool_mode: 'transaction' });
  onTestFinished(() => pooler.stop());
  const { host, port, virtualHost: virtual_host, username, password } = broker;
  const processing_core = {
    worker_processes: 2,
    msg_broker: { kind: 'rabbitmq', host, port, virtual_host, username, password },
    store: { kind: 'postgres', url: pooler.url },
  };
  const settings = JSON.stringify({ app: 'pooled', processing_core, logging: { format: 'json' } });
  const application = new Application({ settings, entities: { bus: BUS } });
  onTestFinished(() => application.dispose());
  const why = /pool_mode = transaction or statement.*set pool_mode = session/;
  const setup = await runInside(application, ['setup']);
  expect([setup.code, setup.stderr]).toEqual([2, expect.stringMatching(why)]);
  const program = application.start();
  expect(await program.exited).toEqual({ code: 2, signal: null });
  const line = program.lines.find(({ message }) => message === 'the worker did not start');
  expect(JSON.stringify(line)).toMatch(why);
});
