import amqp, { type Channel } from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { ServerBackend } from '../../../lib/backend/server.js';
import type { BrokerConfiguration, Configuration } from '../../../lib/config/configuration.js';
import { AmqpConnection } from '../../../lib/queue/amqp/connection.js';
import { ensureTopology } from '../../../lib/queue/amqp/topology.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { brokerAt } from '../../support/amqp-bed.js';
import { manualClock } from '../../support/clock.js';
import { capturingLogger } from '../../support/logger.js';
import { freshVirtualHost } from '../../support/rabbitmq.js';

const NORMAL = { 'x-max-length': 10_000, 'x-overflow': 'reject-publish' };

/** A host, and what `ensureTopology` does on it. */
async function place(given: Partial<BrokerConfiguration> = {}) {
  const host = await freshVirtualHost();
  const broker = brokerAt(host, given);
  const log = capturingLogger();
  const clock = manualClock();
  const connection = new AmqpConnection({ broker, purpose: 'setting up', app: 'test', log, clock });
  await connection.start();
  onTestFinished(() => connection.stop());
  const ensure = async (changed: Partial<BrokerConfiguration> = {}, indexes = [0, 1]) => {
    const options = { app: 'test', indexes, broker: { ...broker, ...changed }, log };
    const { types, remarks } = await ensureTopology(connection, options);
    for (const remark of remarks) remark(log);
    return types;
  };
  return { host, broker, connection, log, clock, ensure };
}

/** Declares by hand; each on a channel of its own, since a refusal takes the channel along. */
async function byHand(host: TestVirtualHost, declare: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await amqp.connect(host.url);
  try {
    await declare(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

/** As DP3's script declares for two workers. */
async function asDp3(host: TestVirtualHost): Promise<void> {
  await byHand(host, async (channel) => {
    for (const [kind, suffix] of [['main', ''] as const, ['priority', '-pri'] as const]) {
      await channel.assertExchange(`test-${kind}-task-exchange`, 'direct', { durable: true });
      for (const index of ['0', '1']) {
        const queue = `test-worker-${index}${suffix}`;
        await channel.assertQueue(queue, { durable: true, arguments: suffix === '' ? NORMAL : {} });
        await channel.bindQueue(queue, `test-${kind}-task-exchange`, index);
      }
    }
  });
}

interface Shown {
  readonly name: string;
  readonly durable: boolean;
  readonly arguments: Record<string, unknown>;
}

async function queuesOf(host: TestVirtualHost): Promise<Shown[]> {
  const queues = (await host.manage('GET', '/queues/%v')) as Shown[];
  return queues
    .map(({ name, durable, arguments: args }) => ({ name, durable, arguments: args }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

async function bindingsOf(host: TestVirtualHost): Promise<string[]> {
  const bindings = (await host.manage('GET', '/bindings/%v')) as Record<string, string>[];
  return bindings
    .filter(({ source }) => source !== '')
    .map(({ source, routing_key: key, destination }) => `${source} ${key} ${destination}`)
    .sort();
}

test('declares what DP3 declares, and nothing a second time', async () => {
  const { host, ensure, log } = await place();
  await ensure();
  const declared = { queues: await queuesOf(host), bindings: await bindingsOf(host) };
  expect(declared).toEqual({
    queues: [
      { name: 'test-worker-0', durable: true, arguments: NORMAL },
      { name: 'test-worker-0-pri', durable: true, arguments: {} },
      { name: 'test-worker-1', durable: true, arguments: NORMAL },
      { name: 'test-worker-1-pri', durable: true, arguments: {} },
    ],
    bindings: [
      'test-main-task-exchange 0 test-worker-0',
      'test-main-task-exchange 1 test-worker-1',
      'test-priority-task-exchange 0 test-worker-0-pri',
      'test-priority-task-exchange 1 test-worker-1-pri',
    ],
  });
  const exchanges = (await host.manage('GET', '/exchanges/%v')) as Record<string, unknown>[];
  expect(exchanges.filter(({ name }) => String(name).startsWith('test-'))).toMatchObject([
    { type: 'direct', durable: true },
    { type: 'direct', durable: true },
  ]);
  await ensure();
  expect({ queues: await queuesOf(host), bindings: await bindingsOf(host) }).toEqual(declared);
  expect(log.lines.filter(({ message }) => message.includes('otherwise'))).toEqual([]);
  // DP3's own script finds nothing in its way either.
  await asDp3(host);
});

test('takes what DP3 has declared as its own', async () => {
  const { host, ensure, log } = await place();
  await asDp3(host);
  const before = await queuesOf(host);
  await ensure();
  expect(await queuesOf(host)).toEqual(before);
  expect(log.lines.filter(({ message }) => message.includes('otherwise'))).toEqual([]);
});

test('uses the queues of DP3 where it would declare safe ones, and says what they lose and what to do', async () => {
  const { host, ensure, log } = await place({ queueType: 'quorum' });
  await asDp3(host);
  const before = await queuesOf(host);
  const types = await ensure();
  expect(await queuesOf(host)).toEqual(before);
  expect([...types.values()]).toEqual(['classic', 'classic', 'classic', 'classic']);
  const warnings = log.lines.filter(({ level }) => level === 'warn');
  expect(warnings.map(({ fields }) => fields)).toEqual([
    {
      queues: ['test-worker-0', 'test-worker-1'],
      why: expect.stringMatching(
        /classic and bounded \(x-max-length 10000\): when the broker restarts, it drops its oldest tasks.*npx dp3-cluster setup --repair/,
      ),
    },
  ]);
});

test.for([
  ['may declare them', '.*', ['classic', 'classic']],
  ['may not', '^$', []],
] as const)(
  'finds out the types of queues that it is not to declare where its user %s',
  async ([, configure, types]) => {
    const { host, ensure } = await place({ queueType: 'quorum', declare: false });
    await asDp3(host);
    await host.manage('PUT', `/permissions/%v/${host.username}`, { configure, write: '.*', read: '.*' });
    expect([...(await ensure({}, [0])).values()]).toEqual(types);
  },
);

test('declares quorum queues with a single active consumer, and uses them once they are saved', async () => {
  const { host, ensure, clock, log } = await place({ queueType: 'quorum', maxLength: 500 });
  const declaring = ensure({}, [0]);
  await log.line('quorum queues were declared');
  clock.pass(1_499);
  expect(await Promise.race([declaring.then(() => 'used'), host.manage('GET', '/overview').then(() => 'waits')])).toBe(
    'waits',
  );
  clock.pass(1);
  await declaring;
  const quorum = { 'x-queue-type': 'quorum', 'x-single-active-consumer': true };
  expect(await queuesOf(host)).toEqual([
    { name: 'test-worker-0', durable: true, arguments: { ...quorum, ...NORMAL, 'x-max-length': 500 } },
    { name: 'test-worker-0-pri', durable: true, arguments: quorum },
  ]);
  const said = log.lines.length;
  await ensure({}, [0]);
  expect(log.lines.length).toBe(said);
});

test('uses a queue with another bound as it is, and says so', async () => {
  const { host, ensure, log } = await place();
  await byHand(host, (channel) =>
    channel.assertQueue('test-worker-0', { arguments: { ...NORMAL, 'x-max-length': 77, 'x-queue-mode': 'lazy' } }),
  );
  await ensure();
  const line = await log.line('declared otherwise');
  expect(line).toMatchObject({
    level: 'info',
    fields: {
      queue: 'test-worker-0',
      found: { ...NORMAL, 'x-max-length': 77, 'x-queue-mode': 'lazy' },
      wanted: NORMAL,
    },
  });
  expect(await bindingsOf(host)).toContain('test-main-task-exchange 0 test-worker-0');
});

test('warns of a quorum queue that two processes may read', async () => {
  const { host, ensure, log, clock } = await place({ queueType: 'quorum' });
  const args = { 'x-queue-type': 'quorum' };
  await byHand(host, (channel) => channel.assertQueue('test-worker-0-pri', { arguments: args }));
  const declaring = ensure({}, [0]);
  await log.line('quorum queues were declared');
  clock.pass(1_500);
  await declaring;
  const warnings = log.lines.filter(({ level }) => level === 'warn');
  expect(warnings.map(({ fields }) => fields)).toEqual([
    { queues: ['test-worker-0-pri'], why: expect.stringContaining('no single active consumer') },
  ]);
});

test.for([
  ['is not durable', { durable: false, autoDelete: false, arguments: {} }, 'not durable'],
  ['is deleted with its last consumer', { autoDelete: true, arguments: {} }, 'deleted with its last consumer'],
  ['drops its oldest tasks when full', { arguments: { 'x-max-length': 5 } }, 'drops its oldest tasks when it is full'],
  ['drops tasks that wait too long', { arguments: { ...NORMAL, 'x-message-ttl': 60_000 } }, 'x-message-ttl'],
  [
    'is of the other type',
    { arguments: { 'x-queue-type': 'quorum' } },
    'of type quorum, and msg_broker.queue_type is classic',
  ],
  ['is deleted when nobody uses it', { arguments: { ...NORMAL, 'x-expires': 60_000 } }, 'x-expires 60000'],
  [
    'drops what came back too often',
    { arguments: { ...NORMAL, 'x-queue-type': 'quorum', 'x-delivery-limit': 20 } },
    'more than 20 times',
  ],
  ['reorders by priority', { arguments: { ...NORMAL, 'x-max-priority': 5 } }, 'x-max-priority'],
  ['has several faults', { durable: false, arguments: { 'x-expires': 60_000, 'x-message-ttl': 9 } }, 'durable'],
] as const)('refuses a queue that %s, and names it', async ([, options, why]) => {
  const { host, ensure, broker } = await place();
  await byHand(host, (channel) => channel.assertQueue('test-worker-1', options));
  await expect(ensure()).rejects.toMatchObject({
    code: 'QUEUE_REFUSED',
    message: expect.stringMatching(
      new RegExp(`^the queue "test-worker-1" at amqp://${broker.host}.* ${'cannot be used'}.*`),
    ),
  });
  await expect(ensure()).rejects.toThrow(why);
});

test('refuses an exchange of another type', async () => {
  const { host, ensure } = await place();
  await byHand(host, (channel) => channel.assertExchange('test-priority-task-exchange', 'fanout'));
  await expect(ensure()).rejects.toMatchObject({
    code: 'QUEUE_REFUSED',
    message: expect.stringContaining('the exchange "test-priority-task-exchange"'),
  });
});

test('without declaring, it waits for what is missing with the pauses of DP3', async () => {
  const { host, ensure, log, clock } = await place({ declare: false });
  await asDp3(host);
  await byHand(host, (channel) => channel.deleteQueue('test-worker-1'));
  const checking = ensure();
  const pauses = () =>
    log.lines.filter(({ message }) => message.includes('looked for again')).map(({ fields }) => fields['pauseMs']);
  const expected: number[] = [];
  for (const pauseMs of [1_000, 2_000, 5_000]) {
    expected.push(pauseMs);
    await expect.poll(pauses, { interval: 2 }).toEqual(expected);
    clock.pass(pauseMs);
  }
  await expect.poll(pauses, { interval: 2 }).toEqual([...expected, 10_000]);
  await asDp3(host);
  clock.pass(10_000);
  await checking;
});

test('without declaring, it ends with the name of what is missing and the command that makes it', async () => {
  const { host, ensure, log, clock } = await place({ declare: false });
  const looks = () => log.lines.filter(({ message }) => message.includes('looked for again')).length;
  let ended = false;
  const checking = expect(ensure()).rejects.toMatchObject({
    code: 'QUEUE_MISSING',
    message: expect.stringMatching(
      /^the exchange "test-main-task-exchange" and 5 more is missing at .*npx dp3-cluster setup/,
    ),
  });
  void checking.then(() => {
    ended = true;
  });
  for (let tries = 0; tries < 5; tries++) {
    await expect.poll(looks, { interval: 2 }).toBe(tries + 1);
    expect(ended).toBe(false);
    clock.pass(30_000);
  }
  await checking;
  expect(await queuesOf(host)).toEqual([]);
});

test('a user without the right to declare is told so', async () => {
  const { host, broker } = await place();
  const user = `dp3-${host.virtualHost.slice(-12)}`;
  await host.manage('PUT', `/users/${user}`, { password: 'x', tags: '' });
  onTestFinished(async () => void (await host.manage('DELETE', `/users/${user}`)));
  await host.manage('PUT', `/permissions/%v/${user}`, { configure: '^$', write: '.*', read: '.*' });
  const log = capturingLogger();
  const theirs = { ...broker, username: user, password: 'x' };
  const connection = new AmqpConnection({ broker: theirs, purpose: 'setting up', app: 'test', log });
  await connection.start();
  onTestFinished(() => connection.stop());
  await expect(ensureTopology(connection, { app: 'test', indexes: [0], broker: theirs, log })).rejects.toMatchObject({
    code: 'QUEUE_REFUSED',
    message: expect.stringContaining(`the user "${user}" has no right to`),
  });
});

test('setup makes everything once, also where start does not declare', async () => {
  const { host, broker } = await place();
  const notes: string[] = [];
  const configuration = { app: 'test', numProcesses: 2, broker: { ...broker, declare: false } };
  const backend = new ServerBackend(configuration as Configuration);
  const setUp = () => backend.setUpQueues({ repair: false, note: (note) => notes.push(note) });
  expect(await setUp()).toMatchObject([{ made: true, sentence: expect.stringContaining('6 were missing') }]);
  expect(await queuesOf(host)).toHaveLength(4);
  expect(await setUp()).toMatchObject([{ made: false, sentence: expect.stringContaining('are there already') }]);
  expect(notes.filter((note) => note.includes('otherwise'))).toEqual([]);
});
