/** What the management API of a real broker tells, and what is said where it does not. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import amqp from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import type { BrokerConfiguration } from '../../../lib/config/configuration.js';
import { NO_TLS_FILES } from '../../../lib/config/tls-files.js';
import { inspectBroker } from '../../../lib/queue/amqp/inspect.js';
import { viewOf } from '../../../lib/queue/amqp/management.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { brokerAt } from '../../support/amqp-bed.js';
import { makeCertificate } from '../../support/certificates.js';
import { manualClock } from '../../support/clock.js';
import { capturingLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';

function brokerOf(host: TestVirtualHost, given: Partial<BrokerConfiguration> = {}): BrokerConfiguration {
  const managementPort = Number(new URL(host.managementUrl).port);
  return brokerAt(host, { queueType: 'quorum', managementPort, ...given });
}

/** Severity, key and sentence of each problem of the queues of index 0. */
async function problemsAt(broker: BrokerConfiguration, byAmqp = false): Promise<string[]> {
  const how = { indexes: [0], byAmqp, asWanted: false, log: capturingLogger() };
  const problems = await inspectBroker({ app: 'test.app', broker, ...how });
  return problems.map(({ severity, file, key, sentence }) => {
    expect(file).toBe(`amqp${broker.tls ? 's' : ''}://${broker.host}:${broker.port}/${broker.virtualHost}`);
    return `${severity} ${key}: ${sentence}`;
  });
}

async function declare(host: TestVirtualHost, queue: string, options: amqp.Options.AssertQueue): Promise<void> {
  const connection = await amqp.connect(host.url);
  await (await connection.createChannel()).assertQueue(queue, options);
  await connection.close();
}

test('policies of both kinds are found, for queues that are there and for those that will be', async () => {
  const host = await freshVirtualHost();
  const broker = brokerOf(host);
  expect(await problemsAt(broker)).toEqual([]);
  // A queue of this broker without any policy, beside one that is still to be declared.
  await declare(host, 'test.app-worker-0', { arguments: { 'x-max-length': 10_000, 'x-overflow': 'reject-publish' } });
  const put = (kind: string, name: string, pattern: string, definition: object) =>
    host.manage('PUT', `/${kind}/%v/${name}`, { pattern, definition, 'apply-to': 'queues', priority: 1 });
  await put('policies', 'short', '-pri$', { expires: 100_000 });
  await put('operator-policies', 'small', 'worker', { 'max-length': 5 });
  expect(await problemsAt(broker)).toEqual([
    expect.stringMatching(
      /^warning queue test\.app-worker-0: .*classic and bounded \(max-length 5 of the operator policy "small"\)/,
    ),
    expect.stringMatching(/^error queue test\.app-worker-0-pri: .*\(expires 100000 of the policy "short"\)/),
    expect.stringMatching(/^error queue test\.app-worker-0-pri: .*\(max-length 5 of the operator policy "small"\)/),
  ]);
});

test('arguments of queues of others are found, by the management API and by AMQP', async () => {
  const host = await freshVirtualHost();
  await declare(host, 'test.app-worker-0', { arguments: { 'x-max-length': 10, 'x-message-ttl': 60_000 } });
  const expected = [
    expect.stringMatching(/^error queue test\.app-worker-0: Cannot be used: .*\(x-message-ttl 60000\)/),
    expect.stringMatching(/^error queue test\.app-worker-0: Cannot be used: .*oldest tasks.*\(x-max-length 10\)/),
  ];
  expect(await problemsAt(brokerOf(host))).toEqual(expected);
  const unknown = expect.stringMatching(/^warning .*management_port: Policies .* not known.*: no port is given\.$/);
  expect(await problemsAt(brokerOf(host, { managementPort: null }), true)).toEqual([unknown, ...expected]);
  expect(await problemsAt(brokerOf(host, { managementPort: null }))).toEqual([unknown]);
  const queues = (await host.manage('GET', '/queues/%v')) as object[];
  expect(queues).toHaveLength(1);
});

test('a user who may not ask is told what is missing', async () => {
  const host = await freshVirtualHost();
  const user = `dp3-${host.virtualHost.slice(-12)}`;
  await host.manage('PUT', `/users/${user}`, { password: 'geheim', tags: '' });
  onTestFinished(async () => void (await host.manage('DELETE', `/users/${user}`)));
  await host.manage('PUT', `/permissions/%v/${user}`, { configure: '^$', write: '.*', read: '.*' });
  await declare(host, 'test.app-worker-0', {});
  const broker = brokerOf(host, { username: user, password: 'geheim' });
  expect(await problemsAt(broker, true)).toEqual([
    expect.stringContaining(`the user "${user}" may not ask it: give it the tag management`),
    expect.stringMatching(/^warning .*How the queues were declared is not known: the user .* has no right/),
  ]);
  await host.manage('PUT', `/users/${user}`, { password: 'geheim', tags: 'management' });
  expect(await problemsAt(broker)).toEqual([]);
});

test('a broker that cannot be reached is told, and one that refuses the user is an error', async () => {
  const host = await freshVirtualHost();
  expect(await problemsAt(brokerOf(host, { port: 1, managementPort: 1 }), true)).toEqual([
    expect.stringMatching(/^warning .*management_port: .*http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/),
    expect.stringMatching(/^warning processing_core\.msg_broker: The queues were not looked at: .*cannot be reached/),
  ]);
  const wrong = brokerOf(host, { password: 'wrong', managementPort: null });
  expect((await problemsAt(wrong, true))[1]).toMatch(/^error processing_core\.msg_broker: .*name or password is wrong/);
});

/** A server that answers in this way where the management API should be. */
async function inItsPlace(listener: RequestListener): Promise<BrokerConfiguration> {
  const managementPort = await portOf(createServer(listener));
  return brokerOf(await freshVirtualHost(), { managementPort, password: 'geheim' });
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test.for([
  ['is another program', (_, answer) => answer.end('<html>'), 'is no management API of RabbitMQ'],
  ['knows no such path', (_, answer) => answer.writeHead(404).end(), 'knows no virtual host'],
  ['fails', (_, answer) => answer.writeHead(500).end('geheim'), 'answers with status 500'],
  ['answers without end', (_, answer) => answer.end(Buffer.alloc(9 * 2 ** 20, ' ')), 'longer than 8 MiB'],
  ['breaks off', (_, answer) => void answer.write('{', () => answer.destroy()), 'aborted'],
] as const satisfies readonly (readonly [string, RequestListener, string])[])(
  'a server that %s is named without the password, and nothing of it is believed',
  async ([, listener, why]) => {
    const broker = await inItsPlace(listener);
    const [problem, ...others] = await problemsAt(broker);
    expect(problem).toContain(why);
    expect(problem).not.toContain('geheim');
    expect(others).toEqual([]);
  },
);

test('a server that never answers is given up', async () => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const broker = await inItsPlace(() => asked());
  const clock = manualClock();
  const view = viewOf(broker, 'test.app', clock);
  await isAsked;
  clock.pass(5_000);
  await expect(view).rejects.toThrow('does not answer within 5 s');
});

test('where the connection to the broker is encrypted, the password is never sent in plain', async () => {
  const heard: string[] = [];
  const broker = await inItsPlace(({ headers }) => heard.push(JSON.stringify(headers)));
  const [problem] = await problemsAt({ ...broker, tls: true });
  expect(problem).toContain(`https://127.0.0.1:${broker.managementPort}`);
  expect(heard).toEqual([]);
});

test('over TLS it is asked with the authority, the certificate and the name of the configuration, as AMQP is', async () => {
  const host = await freshVirtualHost();
  const [theirs, ours] = [makeCertificate(), makeCertificate('geheim')];
  onTestFinished(() => {
    for (const { folder } of [theirs, ours]) rmSync(folder, { recursive: true });
  });
  const forward: RequestListener = async ({ url, headers: { authorization = '' } }, answer) => {
    const from = await fetch(new URL(url ?? '', host.managementUrl), { headers: { authorization } });
    answer.writeHead(from.status).end(await from.text());
  };
  const server = createTlsServer({ ...theirs.pem, ca: ours.pem.cert, requestCert: true }, forward);
  const files = { ca: theirs.cert, cert: ours.cert, key: ours.key, passphrase: 'geheim' };
  const broker = brokerOf(host, {
    managementPort: await portOf(server),
    tls: true,
    tlsFiles: files,
    tlsServerName: 'localhost',
  });
  expect(await problemsAt(broker)).toEqual([]);
  const refused: readonly (readonly [Partial<BrokerConfiguration>, RegExp])[] = [
    [{ tlsFiles: { ...files, ca: null } }, /self-signed certificate/],
    [{ tlsFiles: { ...NO_TLS_FILES, ca: theirs.cert } }, /certificate required|socket hang up|ECONNRESET/],
    [{ tlsServerName: null }, /does not match certificate's altnames/],
    [{ tlsFiles: { ...files, ca: '/no/ca' } }, /there is no file \/no\/ca/],
  ];
  for (const [given, sentence] of refused) {
    expect(await problemsAt({ ...broker, ...given })).toEqual([expect.stringMatching(sentence)]);
  }
});
