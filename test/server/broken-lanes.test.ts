/** Tasks that break their lanes, with RabbitMQ and PostgreSQL: attempts outlive the worker, whatever ends it. */
import { expect, it, onTestFinished } from 'vitest';
import { runInside } from '../cli/inside.js';
import {
  attemptsTold,
  breakingApplication,
  expectAside,
  killAfter,
  mixed,
  send,
  startBreaking,
} from '../support/breaking-lanes.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

const BREAKING = 8;

/** The breaks after which the worker is killed. What is acknowledged before it runs is lost by that, as at-most-once promises. */
const MODES = [
  { delivery: 'effectively-once', kills: [5] },
  { delivery: 'at-least-once', kills: [5] },
  { delivery: 'at-most-once', kills: [] },
];

it.each(MODES)(
  'go to quarantine whenever their worker is killed, and nothing else does ($delivery)',
  async ({ delivery, kills }) => {
    const [broker, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
    const { host, port, virtualHost: virtual_host, username, password } = broker;
    const application = breakingApplication({
      delivery,
      worker_threads: 8,
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host, username, password },
      store: { kind: 'postgres', url: database.url, path: '../data' },
    });
    onTestFinished(() => application.dispose());
    expect(await runInside(application, ['setup'])).toMatchObject({ code: 0 });
    await send(application, mixed(BREAKING));
    const program = startBreaking(application);
    await killAfter(program, kills);
    await expectAside(application, BREAKING);
    for (const attempts of attemptsTold(program).values()) {
      // One that ran when it was killed counts that, too, and breaks its lane once less.
      expect([1, 2, 3].filter((attempt) => attempts.includes(attempt))).toEqual(attempts);
    }
    const good = mixed(BREAKING).filter((id) => id.startsWith('good'));
    const recorded = async () => {
      const { stdout } = await runInside(application, ['list', 'item', '--json']);
      return stdout.match(/good-\d+[ab]/g)?.sort();
    };
    await expect.poll(recorded, { timeout: 30_000 }).toEqual(good.sort());
  },
);
