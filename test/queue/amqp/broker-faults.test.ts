/** Faults of the whole broker, on a node of its own: what is persistent survives its crash, and an alarm stops nobody from acknowledging. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import { NO_TLS_FILES } from '../../../lib/config/tls-files.js';
import { AmqpConnection } from '../../../lib/queue/amqp/connection.js';
import { queueNames } from '../../../lib/queue/names.js';
import { type PrivateRabbitMq, startPrivateRabbitMq } from '../../../services/rabbitmq-node.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { AmqpBed, APP, brokerAt } from '../../support/amqp-bed.js';
import { AmqpConsumer, compileAmqpProcess } from '../../support/amqp-consumer.js';
import { makeCertificate } from '../../support/certificates.js';
import type { CompiledProgram } from '../../support/compiled.js';
import { CountingPath, numberedTasks } from '../../support/counting-path.js';
import { capturingLogger, silentLogger } from '../../support/logger.js';
import { RawQueue } from '../../support/raw-queue.js';
import { busApplication, busPoints, interrupted, Sending } from '../../support/sending.js';
import { Taken } from '../../support/taken.js';

/** How many messages of that size wait: more than the worker may hold (npm run chaos:broker: 2,000). */
const MEBIBYTES = Number(process.env['MEBIBYTES'] ?? 700);

let broker: PrivateRabbitMq;
let program: CompiledProgram;
beforeAll(async () => {
  program = compileAmqpProcess();
  broker = await startPrivateRabbitMq();
}, 120_000);
afterAll(async () => {
  program.remove();
  await broker.stop();
});

async function bed(
  given: Partial<BrokerConfiguration> = {},
  log = silentLogger,
): Promise<AmqpBed & { readonly host: TestVirtualHost }> {
  const host = await broker.virtualHost();
  const bounded = { maxLength: 100_000, ...given };
  const made = new AmqpBed({ address: host, numProcesses: 1, log, broker: bounded, brokerCrashes: true });
  onTestFinished(async () => {
    await made.close();
    await host.remove();
  });
  return Object.assign(made, { host });
}

it.each([
  { total: 20_000, queueType: 'classic' },
  { total: 10_000, queueType: 'quorum' },
] as const)(
  'a crash of the broker in the middle of $total persistent tasks in $queueType queues loses, doubles and reorders none',
  async ({ total, queueType }) => {
    const made = await bed({ queueType, heartbeatMs: 1_000 });
    const writer = await made.writer();
    for (let n = 0; n < total / 2; n += 2_500) await writer.send(numberedTasks(n, n + 2_500));
    const path = new CountingPath({ events: made.events });
    await path.start(await made.reader(0, { tasks: 4_000 }));
    const sending = (async () => {
      for (let n = total / 2; n < total; n += 2_500) await writer.send(numberedTasks(n, n + 2_500));
    })();
    await path.untilDone(2_500);
    await broker.kill();
    await broker.resume();
    await sending;
    await path.untilDone(total);
    await path.stop();
    expect(path.wrong).toEqual([]);
    expect(path.done).toBe(total);
  },
);

it('an alarm that blocks publishing lets tasks be processed and acknowledged', async () => {
  const made = await bed();
  const writer = await made.writer();
  await writer.send(numberedTasks(0, 3_000));
  await broker.alarm(true);
  onTestFinished(() => broker.alarm(false));
  const late = writer.send(numberedTasks(3_000, 3_100));
  const path = new CountingPath({ events: made.events });
  const reader = await made.reader(0);
  await path.start(reader);
  await path.untilDone(3_000);
  await expect.poll(() => reader.window.tasks, { timeout: 5_000 }).toBe(0);
  await expect.poll(() => reader.depth(), { timeout: 5_000 }).toEqual({ normal: 0, priority: 0 });
  await broker.alarm(false);
  await late;
  await path.untilDone(3_100);
  await path.stop();
  expect(path.wrong).toEqual([]);
});

it('an alarm is named by a send that waits for its end, and ends with what came of it when it is interrupted', async () => {
  const host = await broker.virtualHost();
  onTestFinished(() => host.remove());
  const application = busApplication(host, 100);
  await broker.alarm(true);
  onTestFinished(() => broker.alarm(false));
  const sending = new Sending(application, ['-']);
  sending.write(busPoints(0, 20));
  await sending.says('the broker takes no messages (low on memory), waiting for the end of its alarm; Ctrl-C ends');
  const { code, summary, told } = await interrupted(sending);
  expect([code, summary?.['interrupted']]).toEqual([1, true]);
  expect(Number(summary?.['tasks']) + Number(summary?.['unconfirmed'])).toBe(20);
  expect(told).not.toMatch(/a queue is full|goes on|takes messages again/);
});

it('derived tasks that wait for a broker that is gone are told of once, and again when they are out', async () => {
  const log = capturingLogger('info');
  const made = await bed({}, log);
  const keys = 8;
  const writer = await made.writer();
  let failures = 0;
  made.events.on('outbox-failed', () => failures++);
  let [started, allStarted, run] = [0, () => {}, () => {}];
  const allRun = new Promise<void>((resolve) => (allStarted = resolve));
  const goOn = new Promise<void>((resolve) => (run = resolve));
  const hook = ({ eid }: { readonly eid: string }) => {
    if (eid.startsWith('derived')) return undefined;
    if (++started === keys) allStarted();
    return goOn;
  };
  const path = new CountingPath({ events: made.events, log, threads: keys, derives: { every: 1, writer }, hook });
  onTestFinished(() => path.stop());
  await writer.send(numberedTasks(0, keys, { keys }));
  await path.start(await made.reader(0));
  await allRun;
  await broker.kill();
  run();
  const waits = await log.line('derived tasks cannot be published; they wait in the outbox');
  expect(waits).toMatchObject({ level: 'warn', fields: { tasks: keys, ageMs: 0, why: expect.any(String) } });
  expect(failures).toBeGreaterThan(0);
  await broker.resume();
  const { level, fields } = await log.line('derived tasks are out again');
  expect([level, fields['tasks']]).toEqual(['info', keys]);
  await path.untilDone(2 * keys);
  expect(path.wrong).toEqual([]);
  expect(log.lines.filter(({ message }) => message.startsWith('derived tasks'))).toHaveLength(2);
});

/** Lets the process that leads a quorum queue stand still: the broker answers for it, but knows nothing of it. */
async function suspendLeader(virtualHost: string, queue: string): Promise<() => Promise<void>> {
  const find = `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${virtualHost}">>, queue, <<"${queue}">>)), {Name, _} = amqqueue:get_pid(Q)`;
  await broker.ctl('eval', `${find}, sys:suspend(Name).`);
  return async () => void (await broker.ctl('eval', `${find}, sys:resume(Name).`));
}

describe('a quorum queue whose leader does not answer', () => {
  const given = { queueType: 'quorum', prefetch: 2 } as const;
  const { normal, priority } = queueNames(APP, 0);

  it('is not taken for empty: nothing counts as settled for good that still waits in it', async () => {
    const made = await bed(given);
    await (await made.writer()).send(numberedTasks(0, 10));
    const taken = new Taken();
    const reader = await made.reader(0);
    await taken.consume(reader);
    const first = await taken.take(2);
    expect(await reader.redeliveryHorizon()).toBe(null);
    const resume = await suspendLeader(made.host.virtualHost, normal);
    await reader.redeliveryHorizon();
    for (const delivery of first) delivery.settle();
    for (let looks = 0; looks < 2; looks++) expect(await reader.redeliveryHorizon()).toBe(null);
    await resume();
    for (let n = 2; n < 10; n++) (await taken.take(1))[0]!.settle();
    await expect.poll(() => reader.redeliveryHorizon(), { timeout: 5_000 }).not.toBe(null);
  });

  it('is not taken for one that nobody consumes: a second process stands by', async () => {
    const made = await bed(given);
    const owner = new Taken();
    await owner.consume(await made.reader(0));
    const second = await made.reader(0);
    const leaders = [];
    for (const name of [priority, normal]) {
      const queue = await RawQueue.of(made.host.url, name);
      leaders.push({ queue, resume: await suspendLeader(made.host.virtualHost, name) });
    }
    const taken = new Taken();
    const consuming = taken.consume(second).then(() => 'consumes');
    for (const { queue, resume } of leaders) {
      // By then the second process was told of no consumer: it asked before this.
      for (let answers = 0; answers < 4; answers++) expect(await queue.depth()).toBe(0);
      await resume();
    }
    const standing = taken.until(() => taken.told.includes('standby')).then(() => 'stands by');
    expect(await Promise.race([consuming, standing])).toBe('stands by');
    const stopped = expect(consuming).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await second.stop();
    await stopped;
    await (await made.writer()).send(numberedTasks(0, 10).map((task) => ({ ...task, priority: true })));
    expect((await owner.take(2)).map(({ id }) => id)).toEqual(['task 0', 'task 1']);
    expect(owner.told).toEqual([]);
  });
});

const TYPES = ['classic', 'quorum'] as const;

/** Numbers of the only entity, from the first on. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

it('what a broker would take back after its time-out is returned in order before that, once what runs is acknowledged', async () => {
  const timeouts = (ms: number, lookMs: number) =>
    broker.ctl(
      'eval',
      `application:set_env(rabbit, consumer_timeout, ${ms}), application:set_env(rabbit, channel_tick_interval, ${lookMs}).`,
    );
  await timeouts(6_000, 200);
  onTestFinished(async () => void (await timeouts(1_800_000, 60_000)));
  const returned = async (queueType: (typeof TYPES)[number]) => {
    const log = capturingLogger();
    const made = await bed({ queueType, consumerTimeoutMs: 5_000 }, log);
    await (await made.writer()).send(numberedTasks(0, 300, { keys: 1 }));
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const path = new CountingPath({ events: made.events, hook: (_, number) => (number === 3 ? released : undefined) });
    made.events.on('reader-lost', () => release());
    await path.start(await made.reader(0));
    await path.untilDone(300);
    await path.stop();
    expect(path.wrong).toEqual([]);
    const reasons = log.lines
      .filter(({ message }) => message.includes('consumed anew'))
      .map(({ fields }) => fields['why']);
    expect(reasons).toEqual([expect.stringMatching(/^a task is unacknowledged for \d s$/)]);
    // What ran was acknowledged before its channel closed: nothing came that the store had already.
    expect(path.executed.map(({ number }) => number)).toEqual(numbers(300));
    expect(path.store.ends.get('done-before')).toBe(undefined);
  };
  await Promise.all(TYPES.map(returned));
});

it('a broker that stands still and goes on loses, doubles and reorders nothing', async () => {
  const paths = TYPES.map(async (queueType) => {
    const made = await bed({ queueType, heartbeatMs: 1_000 });
    const writer = await made.writer();
    const path = new CountingPath({ events: made.events });
    await path.start(await made.reader(0));
    const lost = new Promise<void>((resolve) => made.events.on('reader-lost', () => resolve()));
    await writer.send(numberedTasks(0, 2_000));
    return { path, lost, sending: () => writer.send(numberedTasks(2_000, 4_000)) };
  });
  const places = await Promise.all(paths);
  broker.freeze(true);
  const sends = places.map(({ sending }) => sending());
  await Promise.all(places.map(({ lost }) => lost));
  broker.freeze(false);
  await Promise.all(sends);
  for (const { path } of places) {
    await path.untilDone(4_000);
    await path.stop();
    expect(path.wrong).toEqual([]);
    expect(path.done).toBe(4_000);
  }
});

it('waiting messages of a mebibyte each, more than memory may take, are processed in less than 512 MiB', async () => {
  const total = MEBIBYTES;
  const host = await broker.virtualHost();
  onTestFinished(() => host.remove());
  const made = new AmqpBed({ address: host, numProcesses: 1 });
  onTestFinished(() => made.close());
  const writer = await made.writer();
  for (let n = 0; n < total; n += 100) await writer.send(numberedTasks(n, n + 100, { padding: 2 ** 20 }));
  const consumer = new AmqpConsumer(program, { address: host, runtimeDir: made.runtimeDir });
  await consumer.until(({ done }) => done === total);
  expect(consumer.last.wrong).toEqual([]);
  expect(consumer.last.mostBytes).toBeLessThan(512 * 2 ** 20);
});

it('where one side speaks TLS and the other does not, or a certificate is not accepted, the key is named', async () => {
  const [certificate, other] = [makeCertificate(), makeCertificate()];
  onTestFinished(() => {
    for (const { folder } of [certificate, other]) rmSync(folder, { recursive: true });
  });
  const listen = async (given: string): Promise<number> => {
    const files = `{certfile,"${certificate.cert}"},{keyfile,"${certificate.key}"},{cacertfile,"${certificate.cert}"}`;
    const port = await freePort();
    await broker.ctl('eval', `rabbit_networking:start_ssl_listener({"127.0.0.1",${port}}, [${files},${given}], 1).`);
    return port;
  };
  const [open, strict] = [
    await listen('{verify,verify_none}'),
    await listen('{verify,verify_peer},{fail_if_no_peer_cert,true}'),
  ];
  const ca = { ...NO_TLS_FILES, ca: certificate.cert };
  const tls = { tls: true, tlsFiles: ca, tlsServerName: 'localhost' };
  const start = async (given: Partial<BrokerConfiguration>) => {
    const options = { broker: brokerAt({ ...broker.address, virtualHost: '/' }, given), app: APP, log: silentLogger };
    const connection = new AmqpConnection({ ...options, purpose: 'setting up', tries: 1 });
    onTestFinished(() => connection.stop());
    await connection.start();
  };
  await start({ ...tls, port: open });
  const refused: readonly (readonly [Partial<BrokerConfiguration>, RegExp])[] = [
    [{ tls: true }, /does not speak TLS on this port, and msg_broker\.tls is true: .*msg_broker\.port/],
    [{ tls: false, port: open }, /speaks TLS on this port, and msg_broker\.tls is false: set it to true/],
    [{ tls: false, port: strict }, /speaks TLS on this port, and msg_broker\.tls is false: set it to true/],
    [{ tls: true, port: open }, /certificate that is not accepted: .*SELF_SIGNED.*msg_broker\.tls_ca_file/],
    [{ tls: true, port: open, tlsFiles: ca }, /not accepted: .*ERR_TLS_CERT_ALTNAME.*msg_broker\.tls_server_name/],
    [{ ...tls, port: strict }, /refuses our certificate \(msg_broker\.tls_cert_file, not given\)/],
    [
      { ...tls, port: strict, tlsFiles: { ...ca, cert: other.cert, key: other.key } },
      /refuses our certificate \(msg_broker\.tls_cert_file, .*cert\.pem\)/,
    ],
    [{ ...tls, port: open, tlsFiles: { ...ca, ca: '/no/ca' } }, /msg_broker\.tls_ca_file: there is no file \/no\/ca/],
  ];
  for (const [given, sentence] of refused) {
    const refusal = { code: 'QUEUE_REFUSED', message: expect.stringMatching(sentence) };
    await expect(start(given), JSON.stringify(given)).rejects.toMatchObject(refusal);
  }
});

/** A port that nobody listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
