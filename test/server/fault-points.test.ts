/**
 * kill -9 of a worker, and cuts of its connections to the broker, at every point between a commit and what follows from it. Programs
 * and servers are the real ones; a proxy between them reads what they say to each other and holds the message that marks the point.
 */
import { expect, it, onTestFinished } from 'vitest';
import type { OutgoingTask } from '../../lib/model/task.js';
import type { TaskWriter } from '../../lib/queue/queue.js';
import type { TestDatabase } from '../../services/postgres.js';
import type { TestVirtualHost } from '../../services/rabbitmq-virtual-host.js';
import { AmqpBed } from '../support/amqp-bed.js';
import { killQuietly, type RunningProgram } from '../support/application.js';
import {
  ACK,
  amqpLength,
  boundStatement,
  HoldingProxy,
  isMethod,
  isReady,
  PUBLISH,
  postgresLength,
  type Watch,
} from '../support/holding-proxy.js';
import { indexOf } from '../support/index-of.js';
import { freshDatabase } from '../support/postgres.js';
import { freshVirtualHost } from '../support/rabbitmq.js';
import { expectSameRows } from '../support/stored-rows.js';
import {
  APP,
  derivedOf,
  eventsOf,
  type StreamEvent,
  type StreamServers,
  streamApplication,
  timeOf,
} from '../support/stream-application.js';
import { countsOf, rowsOf, type Settled, settled } from '../support/stream-run.js';

/** Of each fault at each point: `FAULT_ROUNDS=50` for many (npm run chaos:points). */
const ROUNDS = Number(process.env['FAULT_ROUNDS'] ?? 1);
const NUM_PROCESSES = 2;
const INDEXES = [0, 1];
const EVENTS_OF_A_ROUND = 48;
/** Few tasks in a commit: others follow the one that is held. */
const COMMIT_TASKS = 8;

/** As many addresses of each index. */
const ADDRESSES = INDEXES.flatMap((index) =>
  Array.from({ length: 256 }, (_, host) => `192.0.2.${host}`)
    .filter((eid) => indexOf(`ip:${eid}`, NUM_PROCESSES) === index)
    .slice(0, 6),
);

interface Point {
  readonly name: string;
  /** Whose connections are watched, and for what. */
  readonly through: 'store' | 'broker';
  readonly watch: () => Watch;
  /** It is looked for once a commit is stored: what comes before may belong to a task that is delivered again. */
  readonly onceStored?: boolean;
  /** What must be stored when it is reached, `before` it and `at` it: tells that the point is what its name says. */
  readonly holds: (before: Settled, at: Settled) => boolean;
}

const commits: Watch = (direction, message) => direction === 'up' && !!boundStatement(message)?.startsWith('commit ');

/** The answer to a statement of this connection. */
function answered(): Watch {
  let asked = false;
  return (direction, message) => {
    asked ||= commits(direction, message);
    return asked && direction === 'down' && isReady(message);
  };
}

const POINTS: readonly Point[] = [
  {
    name: 'before the commit',
    through: 'store',
    watch: () => commits,
    holds: (before, at) => at.inbox === before.inbox,
  },
  {
    name: 'after the commit, of which the worker does not know',
    through: 'store',
    watch: answered,
    holds: (before, at) => at.inbox > before.inbox,
  },
  {
    name: 'between the commit and its acknowledgement',
    through: 'broker',
    watch: () => (direction, message) => direction === 'up' && isMethod(message, ACK),
    onceStored: true,
    holds: (before, at) => at.inbox > before.inbox,
  },
  {
    name: 'between the commit and the publication of its derived tasks',
    through: 'broker',
    watch: () => (direction, message) => direction === 'up' && isMethod(message, PUBLISH),
    holds: (before, at) => at.inbox > before.inbox && at.outbox > 0,
  },
  {
    name: 'between the publication and its confirmation',
    through: 'broker',
    watch: () => (direction, message) => direction === 'down' && isMethod(message, ACK),
    holds: (before, at) => at.inbox > before.inbox && at.outbox > 0,
  },
  {
    name: 'between the confirmation and the deletion from the outbox',
    through: 'store',
    watch: () => (direction, message) => direction === 'up' && boundStatement(message) === 'outbox published',
    holds: (before, at) => at.inbox > before.inbox && at.outbox > 0,
  },
];

/** A program with one worker, behind proxies of its own. */
class Host {
  private ready = 1;

  private constructor(
    readonly index: number,
    private readonly program: RunningProgram,
    readonly store: HoldingProxy,
    readonly broker: HoldingProxy,
  ) {}

  static async start(index: number, { broker: at, storeUrl }: StreamServers): Promise<Host> {
    const url = new URL(storeUrl);
    const store = await HoldingProxy.to({ host: url.hostname, port: Number(url.port) }, postgresLength);
    const broker = await HoldingProxy.to(at, amqpLength);
    url.hostname = '127.0.0.1';
    url.port = String(store.port);
    const application = streamApplication({
      broker: { ...at, host: '127.0.0.1', port: broker.port },
      storeUrl: url.href,
      numProcesses: NUM_PROCESSES,
      settings: `  commit: { tasks: ${COMMIT_TASKS} }`,
    });
    onTestFinished(() => application.dispose());
    const program = application.start(['start', '--indexes', String(index)]);
    await program.line('worker ready');
    return new Host(index, program, store, broker);
  }

  async kill(): Promise<void> {
    killQuietly(this.program.workers().get(this.index) ?? 0);
    this.ready += 1;
    await this.program.line('worker ready', this.ready);
  }

  async stop(): Promise<void> {
    this.program.signal('SIGTERM');
    expect((await this.program.exited).code).toBe(0);
  }
}

/** The messages of a round: events, and one of each index that cannot be read. */
function messagesOf(events: readonly StreamEvent[], round: number): OutgoingTask[] {
  const tasks = events.map((event): OutgoingTask => {
    const { eid, v } = event;
    const key = `ip:${eid}`;
    const point = { etype: 'ip', eid, attr: 'event', v, t1: timeOf(event) };
    const body = Buffer.from(JSON.stringify({ etype: 'ip', eid, data_points: [point] }));
    return { id: `event ${v} of ${eid}`, key, index: indexOf(key, NUM_PROCESSES), priority: false, body };
  });
  const unreadable = INDEXES.map((index): OutgoingTask => {
    const id = `unreadable ${round} for ${index}`;
    return { id, key: id, index, priority: false, body: Buffer.from(id) };
  });
  return [...tasks, ...unreadable];
}

interface Servers extends StreamServers {
  readonly database: TestDatabase;
  readonly virtualHost: TestVirtualHost;
}

async function freshServers(): Promise<Servers> {
  const [virtualHost, database] = await Promise.all([freshVirtualHost(), freshDatabase()]);
  return { virtualHost, database, broker: virtualHost, storeUrl: database.url };
}

async function writerTo({ virtualHost: address }: Servers): Promise<TaskWriter> {
  const bed = new AmqpBed({ app: APP, address, numProcesses: NUM_PROCESSES, broker: { queueType: 'quorum' } });
  onTestFinished(() => bed.close());
  return bed.writer();
}

/** What a run leaves that nothing happens to. */
async function undisturbed(messages: readonly OutgoingTask[], tasks: number) {
  const servers = await freshServers();
  const application = streamApplication({ ...servers, numProcesses: NUM_PROCESSES });
  onTestFinished(() => application.dispose());
  const program = application.start();
  await program.line('worker ready', NUM_PROCESSES);
  const writer = await writerTo(servers);
  await writer.send(messages);
  await settled(servers.database, tasks);
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(0);
  return rowsOf(servers.database);
}

/** Has the host held at the point, and does the fault there. */
async function disturb(
  host: Host,
  { name, through, watch, onceStored, holds }: Point,
  fault: 'kill' | 'cut',
  database: TestDatabase,
): Promise<() => Promise<void>> {
  const before = await countsOf(database, host.index);
  const reached = onceStored ? reachedOnceStored(host, through, watch) : host[through].hold(watch);
  return async () => {
    const release = await reached;
    const at = await countsOf(database, host.index);
    expect({ name, before, at, holds: holds(before, at) }).toEqual({ name, before, at, holds: true });
    if (fault === 'kill') await host.kill();
    else {
      host.broker.cut();
      release();
    }
  };
}

async function reachedOnceStored(host: Host, through: Point['through'], watch: () => Watch): Promise<() => void> {
  const goOn = await host.store.hold(answered);
  const reached = host[through].hold(watch);
  goOn();
  return reached;
}

it(
  'ends as an undisturbed run, whether a worker is killed or its broker cut off, at every point around a commit',
  async () => {
    const rounds = POINTS.flatMap((point) => Array.from({ length: ROUNDS }, () => point));
    const events = eventsOf(
      Array.from({ length: rounds.length * EVENTS_OF_A_ROUND }, (_, n) => ADDRESSES[n % ADDRESSES.length] ?? ''),
    );
    const portions = rounds.map((_, n) => events.slice(n * EVENTS_OF_A_ROUND, (n + 1) * EVENTS_OF_A_ROUND));
    const messages = portions.map(messagesOf);
    const sent = messages.flat().length;
    const expected = await undisturbed(messages.flat(), sent + derivedOf(events));

    const servers = await freshServers();
    const { database } = servers;
    const hosts = await Promise.all(INDEXES.map((index) => Host.start(index, servers)));
    const writer = await writerTo(servers);
    let tasks = 0;
    for (const [n, point] of rounds.entries()) {
      // One host loses its worker, the other its broker; then the other way round.
      const faults = hosts.map((host) => disturb(host, point, host.index === n % 2 ? 'kill' : 'cut', database));
      const started = await Promise.all(faults);
      await writer.send(messages[n] ?? []);
      await Promise.all(started.map((fault) => fault()));
      tasks += (messages[n] ?? []).length + derivedOf(portions[n] ?? []);
      await settled(database, tasks);
    }
    await Promise.all(hosts.map((host) => host.stop()));
    expectSameRows(await rowsOf(database), expected, sent);
    console.info(`${rounds.length} kills and as many cuts, ${ROUNDS} of each at each of ${POINTS.length} points`);
  },
  120_000 + ROUNDS * POINTS.length * 10_000,
);
