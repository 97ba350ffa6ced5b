/** Two programs as two hosts on RabbitMQ and PostgreSQL, whatever is killed at whatever moment. */
import { afterEach, expect, inject, it, onTestFinished } from 'vitest';
import { postgresAt, type TestDatabase } from '../../services/postgres.js';

import { killQuietly, type RunningProgram } from '../support/application.js';
import { contentIn, expectedContent } from '../support/content.js';
import { APP, CountingApplication } from '../support/counters.js';
import { freshVirtualHost } from '../support/rabbitmq.js';

/** `STORM_SECONDS=300` for the long storm: npm run chaos:server. */
const STORM_MS = Number(process.env['STORM_SECONDS'] ?? 12) * 1_000;
const COUNTERS = Array.from({ length: 200 }, (_, n) => `c${n}`);
const HOSTS = ['0-1', '2-3'];

let counting: CountingApplication;
let database: TestDatabase;
afterEach(async () => {
  await counting.application.dispose();
  await database.drop();
});

async function makeApplication(): Promise<void> {
  const { host, port, virtualHost, username, password } = await freshVirtualHost();
  const postgres = postgresAt(inject('postgres'));
  onTestFinished(() => postgres.stop());
  database = await postgres.database();
  const broker = { kind: 'rabbitmq', host, port, virtual_host: virtualHost, username, password };
  const store = { kind: 'postgres', url: database.url, path: '../data' };
  const backend = `  msg_broker: ${JSON.stringify(broker)}\n  store: ${JSON.stringify(store)}`;
  counting = new CountingApplication('', 4, backend);
}

async function startHost(indexes: string): Promise<RunningProgram> {
  const program = counting.application.start(['start', '--indexes', indexes]);
  await program.line('worker ready', 2);
  return program;
}

const content = () => contentIn({ kind: 'postgres', url: database.url, app: APP });

/** Rows that were ever written as raw data-points: two for each number, one for each counter in its group. */
async function rawRows(): Promise<number> {
  const [row] = await database.query(`select count(*) as count from dp3_${APP}.raw`);
  return Number(Object.values(row ?? {})[0]);
}

it(
  'loses, doubles and reorders nothing on two hosts, whatever is killed at whatever moment',
  async () => {
    await makeApplication();
    const { application } = counting;
    const hosts = await Promise.all(HOSTS.map(startHost));
    const endsAt = performance.now() + STORM_MS;
    let kills = 0;
    for (; performance.now() < endsAt; kills++) {
      const file = counting.nextFile(COUNTERS, 3);
      const sending = application.start(['send', file]);
      await pauseAtRandom();
      // What dies: a worker, both of a host, a host with its primary, or the sender, whose file is sent again.
      const victim = kills % 4;
      const at = Math.floor(Math.random() * HOSTS.length);
      const host = hosts[at]!;
      const workers = [...host.workers().values()];
      if (victim === 3) sending.signal('SIGKILL');
      else for (const pid of victim === 0 ? workers.slice(0, 1) : workers) killQuietly(pid);
      if (victim === 2) {
        await host.kill();
        hosts[at] = await startHost(HOSTS[at]!);
      }
      const { code } = await sending.exited;
      if (code !== 0) application.succeed(['send', file]);
    }

    const expected = expectedContent(counting.sent);
    await expect.poll(content, { timeout: 60_000, interval: 500 }).toEqual(expected);
    application.succeed(['stop']);
    for (const host of hosts) expect((await host.exited).code).toBe(0);
    expect(await content()).toEqual(expected);
    const numbers = [...counting.sent.values()].reduce((sum, count) => sum + count, 0);
    expect(await rawRows()).toBe(2 * numbers + COUNTERS.length);
    console.info(`${kills} kills, ${numbers} numbers of ${COUNTERS.length} counters`);
  },
  STORM_MS + 120_000,
);

it('a program that stands by takes over when its owner is killed, and ends at once when it is stopped', async () => {
  await makeApplication();
  const owner = counting.application.start(['start', '--indexes', '0']);
  await owner.line('worker ready');
  const [second, third] = ['0', '0'].map((indexes) => counting.application.start(['start', '--indexes', indexes]));
  await Promise.all([second!.line('worker stands by'), third!.line('worker stands by')]);
  third!.signal('SIGTERM');
  expect((await third!.exited).code).toBe(0);
  const killedAt = performance.now();
  await owner.kill();
  await second!.line('worker ready');
  expect(performance.now() - killedAt).toBeLessThan(3_000);
  second!.signal('SIGTERM');
  expect((await second!.exited).code).toBe(0);
});

/** Any moment of the work; nothing depends on how much it is. */
function pauseAtRandom(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * 2_000));
}
