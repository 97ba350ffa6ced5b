/** Export and import of an application on PostgreSQL, through the commands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { postgresAt, type TestDatabase } from '../../services/postgres.js';
import { makeVirtualHost, type TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { idle, runInside } from '../cli/inside.js';
import { Application } from '../support/application.js';
import { BUS_MODEL, exportOfBuses, textOfLines } from '../support/export-file.js';

let broker: TestVirtualHost;
let database: TestDatabase;
let application: Application;
const run = (args: readonly string[], input?: string) => runInside(application, args, input);

beforeAll(async () => {
  broker = await makeVirtualHost(inject('rabbitMq'));
  database = await postgresAt(inject('postgres')).database();
  const { host, port, virtualHost, username, password } = broker;
  const settings = {
    app: 'buses',
    processing_core: {
      worker_processes: 2,
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host: virtualHost, username, password },
      store: { kind: 'postgres', url: database.url },
    },
    logging: { format: 'json' },
  };
  application = new Application({ settings: JSON.stringify(settings), entities: { bus: BUS_MODEL } });
}, 60_000);

afterAll(async () => {
  await application.dispose();
  await database.drop();
  await broker.remove();
});

it('import goes on where it was killed, and the export is the same text, also while the program runs', async () => {
  const buses = 2_000;
  const text = textOfLines(exportOfBuses(buses, 2_500));
  const path = join(application.folder, 'buses.jsonl');
  writeFileSync(path, text);
  expect((await run(['setup'])).code).toBe(0);
  const count = async () => Number((await run(['list', 'bus', '--count'])).stdout);
  for (let kills = 0; kills < 2; kills++) {
    const before = await count();
    const importing = application.start(['import', path]);
    // Told by what it has committed: it is in the middle.
    while ((await count()) === before) await new Promise((resolve) => setImmediate(resolve));
    importing.signal('SIGKILL');
    await importing.exited;
    expect(await count()).toBeLessThan(buses);
  }
  expect(application.run(['import', path]).code).toBe(0);
  expect((await run(['export'])).stdout).toBe(text);

  const program = application.start();
  await program.line('worker ready', 2);
  await idle(application);
  expect((await run(['export'])).stdout).toBe(text);
  expect((await run(['get', 'bus', 'b0', '--history', '--last', '1'])).stdout).toMatch(/2499 rows of before not shown/);
  expect((await run(['stop'])).code).toBe(0);
  await program.exited;
});
