/** Messages that end the process which reads or commits them, with RabbitMQ and PostgreSQL. */
import { expect, it, onTestFinished } from 'vitest';
import { runInside } from '../cli/inside.js';
import { breakingApplication } from '../support/breaking-lanes.js';
import { expectDeadlyAside, sendDeadly, startDeadly, TIMEOUT_MS } from '../support/deadly.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

it(
  'go to quarantine after three attempts each, and nothing else does',
  async () => {
    const [broker, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
    const { host, port, virtualHost: virtual_host, username, password } = broker;
    const application = breakingApplication({
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host, username, password },
      store: { kind: 'postgres', url: database.url, path: '../data' },
    });
    onTestFinished(() => application.dispose());
    expect(await runInside(application, ['setup'])).toMatchObject({ code: 0 });
    await sendDeadly(application);
    const program = startDeadly(application);
    await expectDeadlyAside(application);
    program.signal('SIGTERM');
    expect((await program.exited).code).toBe(0);
  },
  TIMEOUT_MS,
);
