import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import { makeKeys } from '../../../lib/config/keys.js';
import { AmqpConnection, type AmqpConnectionOptions } from '../../../lib/queue/amqp/connection.js';
import { steps } from '../../../lib/runtime/backoff.js';
import { brokerAt } from '../../support/amqp-bed.js';
import { makeCertificate } from '../../support/certificates.js';
import { manualClock } from '../../support/clock.js';
import { capturingLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

/** A connection to the broker, or to what is given of it; stopped after the test. */
function connectionTo(given: Partial<BrokerConfiguration>, options: Partial<AmqpConnectionOptions> = {}) {
  const log = capturingLogger();
  const broker = brokerAt({ ...inject('rabbitMq'), virtualHost: '/' }, given);
  const connection = new AmqpConnection({ broker, purpose: 'publishing', app: 'test', log, ...options });
  onTestFinished(() => connection.stop());
  const downs: string[] = [];
  connection.onDown((why) => downs.push(why));
  const up = () => new Promise<void>((resolve) => connection.onUp(resolve));
  const down = () => new Promise<string>((resolve) => connection.onDown(resolve));
  return { connection, log, broker, downs, up, down };
}

async function proxied(given: Partial<BrokerConfiguration> = {}, options: Partial<AmqpConnectionOptions> = {}) {
  const { virtualHost } = await freshVirtualHost();
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  const quick = { backoff: steps([50]), ...options };
  return { proxy, ...connectionTo({ host: '127.0.0.1', port: proxy.port, virtualHost, ...given }, quick) };
}

/** Lines that tell of a change of state. */
const told = (log: ReturnType<typeof capturingLogger>) => log.lines.map(({ level, message }) => `${level} ${message}`);

test('a wrong password ends the start at once, says what is wrong and shows no password', async () => {
  const { connection, log, broker } = connectionTo({ username: 'nobody', password: 'a-secret-word' });
  const error = await connection.start().catch((error) => error);
  expect(error).toMatchObject({ code: 'QUEUE_REFUSED', follows: 'exit-2' });
  expect(error.message).toBe(
    `the broker at ${broker.host}:${broker.port} refuses the user "nobody": name or password is wrong (msg_broker.username, msg_broker.password)`,
  );
  expect(JSON.stringify([error, error.stack, error.cause?.message, log.lines])).not.toContain('a-secret-word');
});

test('a virtual host that does not exist ends the start at once', async () => {
  const { connection } = connectionTo({ virtualHost: 'no-such-host' });
  await expect(connection.start()).rejects.toMatchObject({
    code: 'QUEUE_REFUSED',
    message: expect.stringContaining('refuses the virtual host "no-such-host"'),
  });
});

test('a broker whose name is not known is told of at once with the key, and waited for', async () => {
  const { connection, log } = connectionTo({ host: 'no-such-host.invalid' });
  const started = connection.start();
  const { level, fields } = await log.line('the broker cannot be reached; it is tried again');
  const why = expect.stringMatching(/^no-such-host\.invalid: .*\((?:ENOTFOUND|EAI_AGAIN)\); check msg_broker\.host$/);
  expect([level, fields['why'], connection.trouble]).toEqual(['warn', why, why]);
  await connection.stop();
  await expect(started).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
});

test('a broker that takes the connection and says nothing is told of before its time is over', async () => {
  const clock = manualClock();
  const { proxy, connection, log } = await proxied({}, { clock });
  proxy.stall(true);
  const started = connection.start();
  clock.pass(2_000);
  const why = `no answer from amqp://127.0.0.1:${proxy.port}/`;
  expect([connection.trouble, log.lines.at(-1)?.fields['why']]).toEqual([
    expect.stringContaining(why),
    expect.stringContaining(why),
  ]);
  await connection.stop();
  await expect(started).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
});

test('a broker that does not answer is waited for, told once, until it does', async () => {
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  proxy.refuse(true);
  const { connection, log } = connectionTo({ host: '127.0.0.1', port: proxy.port }, { backoff: steps([20]) });
  const starting = connection.start();
  await log.line('the broker cannot be reached');
  await vi.waitFor(() => expect(proxy.refused).toBeGreaterThan(3), { interval: 10, timeout: 5_000 });
  proxy.refuse(false);
  await starting;
  expect(connection.isUp).toBe(true);
  expect(told(log)).toEqual(['warn the broker cannot be reached; it is tried again', 'info connected to the broker']);
});

test('a limited number of tries ends with what is wrong', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const address = closed.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await new Promise((resolve) => closed.close(resolve));
  const { connection } = connectionTo({ host: '127.0.0.1', port }, { backoff: steps([10]), tries: 2 });
  await expect(connection.start()).rejects.toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
    message: expect.stringMatching(/amqp:\/\/127\.0\.0\.1:\d+\/ cannot be reached: connect ECONNREFUSED/),
  });
});

test('a stop ends the waiting for a broker', async () => {
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  proxy.refuse(true);
  const { connection, log } = connectionTo({ host: '127.0.0.1', port: proxy.port });
  const starting = expect(connection.start()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await log.line('the broker cannot be reached');
  await connection.stop();
  await starting;
});

test('a stop ends a handshake with a server that says nothing', async () => {
  const proxy = await TcpProxy.to(inject('rabbitMq'));
  proxy.stall(true);
  const { connection } = connectionTo({ host: '127.0.0.1', port: proxy.port });
  const starting = expect(connection.start()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await vi.waitFor(() => expect(proxy.connections).toBe(1), { interval: 5 });
  await connection.stop();
  await starting;
});

test('a cut connection is made again, with one line for each change of state', async () => {
  const { proxy, connection, log, up, down, downs } = await proxied();
  await connection.start();
  for (let round = 1; round <= 3; round++) {
    const [lost, restored] = [down(), up()];
    const channel = await connection.openChannel();
    const closed = new Promise((resolve) => channel.on('close', resolve));
    proxy.cut();
    await lost;
    expect(connection.isUp).toBe(false);
    await closed;
    await expect(connection.openChannel()).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    await restored;
    expect(connection.isUp).toBe(true);
    expect(downs).toHaveLength(round);
  }
  expect(told(log)).toEqual([
    'info connected to the broker',
    ...Array(3).fill(['warn the connection to the broker is lost', 'info connected to the broker again']).flat(),
  ]);
  await (await connection.openChannel()).close();
});

test('a half-open connection is noticed by its heartbeat and given up with its socket', async () => {
  const { proxy, connection, up, down } = await proxied({ heartbeatMs: 1_000 }, { backoff: steps([300]) });
  await connection.start();
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const before = sockets();
  const [lost, restored] = [down(), up()];
  proxy.stall(true);
  expect(await lost).toBe('Heartbeat timeout');
  // Half-closed it would stay until the kernel gives up, for a quarter of an hour.
  // The proxy's own ends may be gone as well by then.
  await vi.waitFor(() => expect(sockets()).toBeLessThan(before), { interval: 10, timeout: 200 });
  proxy.stall(false);
  await restored;
});

test('a process that was busy says so of the connection it lost, and one with the default heartbeat bears more', async () => {
  const { virtualHost } = await freshVirtualHost();
  const heartbeatMs = Number(makeKeys().settings.get('processing_core.msg_broker.heartbeat')?.default);
  const usual = connectionTo({ virtualHost, heartbeatMs });
  const short = connectionTo({ virtualHost, heartbeatMs: 1_000 });
  await Promise.all([usual, short].map(({ connection }) => connection.start()));
  const lost = short.down();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6_500);
  await lost;
  const { fields } = await short.log.line('the connection to the broker is lost');
  expect(fields['busy']).toMatch(/^this process was held up for [56]\.\d s; its heartbeat is due every 1 s$/);
  await (await usual.connection.openChannel()).close();
  expect(usual.downs).toEqual([]);
  // RabbitMQ and amqplib give up at the third look, one heartbeat apart, that finds nothing.
  expect(3 * heartbeatMs).toBeLessThan(30_000);
});

test("a connection that is lost by no one's lateness is not said to be", async () => {
  const { proxy, connection, log, down } = await proxied({ heartbeatMs: 60_000 });
  await connection.start();
  const lost = down();
  proxy.cut();
  await lost;
  expect((await log.line('the connection to the broker is lost')).fields).not.toHaveProperty('busy');
});

test('a connection that is dropped on purpose is told as lost and made again', async () => {
  const { connection, up, down, log } = await proxied();
  await connection.start();
  const [lost, restored] = [down(), up()];
  connection.drop('no progress');
  expect(await lost).toBe('no progress');
  await restored;
  expect(log.lines.find(({ message }) => message.includes('lost'))?.fields).toMatchObject({ why: 'no progress' });
});

test('an error of one channel closes that channel alone', async () => {
  const { connection, log } = await proxied();
  await connection.start();
  const other = await connection.openChannel();
  const heard = new Promise<string>((resolve) => {
    void connection.openChannel(resolve).then((channel) => channel.checkQueue('no-such-queue').catch(() => {}));
  });
  expect(await heard).toContain("no queue 'no-such-queue'");
  const unheard = await connection.openChannel();
  await unheard.checkQueue('no-such-queue').catch(() => {});
  expect(log.lines.filter(({ message }) => message === 'the broker closed a channel')).toHaveLength(1);
  await other.assertQueue('a-queue', { durable: false, autoDelete: true });
});

test('an encrypted connection works, is made again after a cut, acknowledges, and refuses an unknown certificate', async () => {
  const { folder, cert, pem } = makeCertificate();
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { virtualHost } = await freshVirtualHost();
  const proxy = await TcpProxy.to(inject('rabbitMq'), pem);
  const given = { host: 'localhost', port: proxy.port, virtualHost, tls: true };
  const unknown = connectionTo(given, { tries: 1 });
  await expect(unknown.connection.start()).rejects.toMatchObject({
    code: 'QUEUE_REFUSED',
    message: expect.stringMatching(/self-signed certificate .*msg_broker\.tls_ca_file/),
  });
  const program = join(import.meta.dirname, '../../support/connect-once.ts');
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
  const run = promisify(execFile)(process.execPath, ['--import', 'tsx', program, JSON.stringify(unknown.broker)], {
    env,
  });
  expect((await run).stdout).toBe('no progress\nconnected again\n2, 0 behind it\n');
});
