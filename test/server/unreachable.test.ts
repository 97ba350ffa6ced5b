/** Servers that do not answer, or refuse us: what waits says so at once, in the log and in `status`; what cannot pass ends with its key. */
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { PostgresStore } from '../../lib/store/postgres/store.js';
import { StoreStart } from '../../lib/worker/store-start.js';
import { postgresAt, type TestDatabase } from '../../services/postgres.js';
import { makeVirtualHost, type TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { runInside } from '../cli/inside.js';
import { Application, type RunningProgram } from '../support/application.js';
import { manualClock } from '../support/clock.js';
import { capturingLogger } from '../support/logger.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const THING = 'entity: { id: thing, name: Thing, snapshot: true }\nattribs: {}\n';
/** A library that warns. */
const NOISY = `import { defineModule } from 'PACKAGE';
export default defineModule({ start() { process.emitWarning('old', 'DeprecationWarning'); } });
`;
const PASSWORD = 'geheim';

let broker: TestVirtualHost;
let database: TestDatabase;
beforeAll(async () => {
  broker = await makeVirtualHost(inject('rabbitMq'));
  database = await postgresAt(inject('postgres')).database();
});
afterAll(async () => {
  await database.drop();
  await broker.remove();
});

interface Given {
  readonly broker?: Readonly<Record<string, unknown>>;
  readonly url?: string;
}

function application({ broker: given = {}, url = database.url }: Given): Application {
  const { host, port, virtualHost, username, password } = broker;
  const settings = {
    app: 'things',
    processing_core: {
      worker_processes: 1,
      enabled_modules: ['noisy'],
      msg_broker: { kind: 'rabbitmq', host, port, virtual_host: virtualHost, username, password, ...given },
      store: { kind: 'postgres', url },
    },
    logging: { format: 'json' },
  };
  const made = new Application({
    settings: JSON.stringify(settings),
    entities: { thing: THING },
    modules: { noisy: NOISY },
  });
  onTestFinished(() => made.dispose());
  return made;
}

function changed(change: (url: URL) => void): string {
  const url = new URL(database.url);
  change(url);
  return url.href;
}

/** As a supervisor stops it; its exit code. */
async function stopped(program: RunningProgram): Promise<number | null> {
  program.signal('SIGTERM');
  return (await program.exited).code;
}

it('a start waits for a database that cannot be reached, names it in the log and in `status`, and goes on when it can', async () => {
  const { hostname, port } = new URL(database.url);
  const proxy = await TcpProxy.to({ host: hostname, port: Number(port) });
  proxy.refuse(true);
  const url = changed((each) => {
    each.host = `127.0.0.1:${proxy.port}`;
  });
  const things = application({ url });
  const program = things.start();
  const where = `PostgreSQL at 127.0.0.1:${proxy.port}, database ${new URL(url).pathname.slice(1)}, cannot be reached`;
  const line = await program.line('the store cannot be reached; it is tried again');
  expect(line).toMatchObject({ level: 'warn', index: 0, why: expect.stringContaining(where) });
  const status = await runInside(things, ['status']);
  expect(status.stdout).toMatch(/^0 +waiting /m);
  expect(status.stdout).toContain(`index 0 waits for ${where}`);
  expect(status.stderr).toContain(`store: ${where}`);
  const { slots, storeTrouble } = JSON.parse((await runInside(things, ['status', '--json'])).stdout);
  expect([slots[0].state, storeTrouble]).toEqual(['waiting', expect.stringContaining(where)]);
  for (const args of [['setup'], ['list', 'thing'], ['get', 'thing', 'x'], ['quarantine', 'list']]) {
    expect(await runInside(things, args)).toMatchObject({ code: 1, stderr: expect.stringContaining(where) });
  }
  proxy.refuse(false);
  await program.line('the store can be reached now');
  await program.line('worker ready');
  expect(await program.line('a warning of Node.js')).toMatchObject({ index: 0, why: 'DeprecationWarning: old' });
  expect(await stopped(program)).toBe(0);
  expect(program.lines.filter(({ level }) => level === 'raw')).toEqual([]);
});

it('a start that waits for a database that swallows everything says so before its time is over, and can be stopped', async () => {
  const { hostname, port } = new URL(database.url);
  const proxy = await TcpProxy.to({ host: hostname, port: Number(port) });
  proxy.stall(true);
  const url = changed((each) => {
    each.host = `127.0.0.1:${proxy.port}`;
  });
  const [clock, log] = [manualClock(), capturingLogger()];
  const settings = { app: 'things', numProcesses: 1, delivery: 'effectively-once', inboxRetentionMs: 1_000 };
  const store = new PostgresStore({ ...settings, url, redeliveryHorizon: async () => null });
  const start = new StoreStart(store, clock, log);
  const running = start.run();
  clock.pass(2_000);
  const why = expect.stringContaining(`no answer from PostgreSQL at 127.0.0.1:${proxy.port}, database `);
  expect([start.trouble, log.lines.at(-1)?.fields]).toEqual([why, { why }]);
  start.stop();
  await expect(running).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

it('what a database refuses ends the start with exit code 2 and the key, in lines of JSON alone', async () => {
  const url = changed((each) => {
    each.password = PASSWORD;
    each.search = 'sslmode=prefer';
  });
  const program = application({ url }).start();
  expect((await program.exited).code).toBe(2);
  expect(program.lines.filter(({ level }) => level === 'raw')).toEqual([]);
  const log = JSON.stringify(program.lines);
  expect(log).toMatch(/PostgreSQL at .* refuses user .*processing_core\.store\.url/);
  expect(log).not.toContain(PASSWORD);
});

it('a command for a broker that cannot be reached says so and ends', async () => {
  const things = application({ broker: { host: 'localhost', port: 1 } });
  const where =
    /the broker at amqp:\/\/localhost:1\/\S* cannot be reached: .*ECONNREFUSED.* \(msg_broker\.host, msg_broker\.port\)/;
  expect(await runInside(things, ['setup'])).toMatchObject({ code: 1, stderr: expect.stringMatching(where) });
  const sent = await runInside(things, ['send', '-'], '');
  expect(sent).toMatchObject({ code: 1, stderr: expect.stringMatching(where) });
});
