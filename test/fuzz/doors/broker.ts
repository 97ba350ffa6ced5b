/**
 * The broker in front of workers that run, with RabbitMQ and PostgreSQL: messages with mutated bodies, properties and headers, published
 * with nothing of the program in between. Each that the broker took is done, by its id in the inbox, or put aside with a reason; what no worker
 * can read is put aside; and the workers stay who they were.
 */
import { createHash } from 'node:crypto';
import amqp, { type ChannelModel, type ConfirmChannel, type ConsumeMessage, type Options } from 'amqplib';
import { parseTask } from '../../../lib/model/task-parse.js';
import { OWN_APP_ID, receivedMessage } from '../../../lib/queue/amqp/received-message.js';
import { exchangeNames } from '../../../lib/queue/names.js';
import { inboxId } from '../../../lib/store/postgres/inbox.js';
import { postgresService, type TestDatabase } from '../../../services/postgres.js';
import { rabbitMqService } from '../../../services/rabbitmq.js';
import type { TestVirtualHost } from '../../../services/rabbitmq-virtual-host.js';
import { Application, type RunningProgram } from '../../support/application.js';
import { loadTestModel, MODEL_YAML } from '../../support/model.js';
import { below, type Random } from '../../support/random.js';
import { badReason, bytesOf, type Door, type Fault, fieldOf, type Json, type OpenDoor, textOf } from '../door.js';
import { few, mutatedValue, oneOf } from '../mutate.js';
import { makeBody } from './message.js';

const APP = 'fuzz';
const NUM_PROCESSES = 2;
const ACCOUNTED_MS = 30_000;
const LOOK_AGAIN_MS = 20;

/** Thousands of tables in each other once ended connection after connection. More of them the client library that publishes cannot write. */
const MOST_HEADER_LEVELS = 5_000;
const MOST_HEADER_CHARACTERS = 20_000;

const uuid = (random: Random, version: string) => {
  const digits = Array.from({ length: 32 }, () => below(16, random).toString(16)).join('');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${version}${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
};
const IDS: readonly ((random: Random) => Json)[] = [
  (random) => uuid(random, '4'),
  (random) => uuid(random, '8').toUpperCase(),
  // A position of a stream.
  (random) => `${uuid(random, '8').slice(0, 20)}5e9-ce00000000${10 + below(89, random)}`,
  (random) => uuid(random, '1'),
  () => '',
  (random) => `\u0000\u202e${random()}`,
  (random) => 'x'.repeat(200) + random(),
];
const FLOORS: readonly Json[] = ['', '0', '1', '-1', '1e9', '9'.repeat(30), '1'.repeat(255), 'f:1', '\u0000'];
const HEADERS: readonly Json[] = [
  {},
  { 'x-death': [{ count: 5, reason: 'rejected', queue: 'q', time: { '!': 'timestamp', value: 0 } }] },
  { 'x-delivery-count': 9, traceparent: '00-0-0-00' },
  { a: [1, 'b', null, true, 1.5, { c: [[]] }], d: { '!': 'decimal', value: { digits: 1, places: 200 } } },
  { e: { '!': 'int8', value: -1 }, f: { '!': 'long', value: 2 ** 40 }, g: { '!': 'double', value: 1e300 } },
];

export const door: Door = {
  together: 60,
  make(random) {
    let headers = oneOf(HEADERS, random);
    for (let changes = few(random); changes > 0; changes--) headers = bounded(mutatedValue(headers, HEADERS, random));
    const properties: { [key: string]: Json } = { headers };
    const own = random() < 0.3;
    if (own) properties['appId'] = OWN_APP_ID;
    else if (random() < 0.1) properties['appId'] = oneOf(['', 'x'.repeat(255)], random);
    // An id of ours is believed: two messages under one are the same.
    if (random() < 0.8) properties['messageId'] = oneOf(own ? IDS : [...IDS, () => 'twice'], random)(random);
    if (random() < 0.4) properties['correlationId'] = oneOf([...FLOORS, String(below(50, random))], random);
    if (random() < 0.3) properties['timestamp'] = oneOf([0, -1, 2 ** 53, 1e18], random);
    if (random() < 0.3) properties['priority'] = below(256, random);
    if (random() < 0.5) properties['persistent'] = random() < 0.5;
    for (const name of ['contentType', 'contentEncoding', 'type', 'replyTo'])
      if (random() < 0.2) properties[name] = oneOf(['', 'gzip', 'application/json', '\ud800', 'x'.repeat(255)], random);
    return {
      body: textOf(makeBody(random)),
      levels: random() < 0.05 ? below(MOST_HEADER_LEVELS, random) : 0,
      properties,
      index: below(NUM_PROCESSES, random),
      priority: random() < 0.3,
    };
  },
  async open() {
    const [broker, postgres] = await Promise.all([rabbitMqService(), postgresService()]);
    const [host, database] = await Promise.all([broker.virtualHost('dp3-fuzz'), postgres.database('dp3_fuzz')]);
    return openAt(host, database, async () => {
      await Promise.all([host.remove(), database.drop()]);
      await Promise.all([broker.stop(), postgres.stop()]);
    });
  },
};

/** With servers that are there; `end` is called when it is closed. */
export async function openAt(host: TestVirtualHost, database: TestDatabase, end = async () => {}): Promise<OpenDoor> {
  const application = new Application({ settings: settingsOf(host, database), entities: MODEL_YAML });
  application.succeed(['setup']);
  const program = application.start();
  await program.line('worker ready', NUM_PROCESSES);
  const publisher = new Publisher(host.url);
  /** Ids of what was put aside before: what comes again under them is known. */
  const aside = new Set<string>();
  return {
    async check(inputs) {
      const published = await Promise.all(inputs.map((input, at) => publisher.publish(input, at)));
      const taken = published.filter((one) => one !== null);
      return (await faultOf(taken, aside, database)) ?? faultOfProgram(program);
    },
    async close() {
      await publisher.close();
      await application.dispose();
      await end();
    },
  };
}

/** Longer ones do not fit into a frame. */
function bounded(headers: Json): Json {
  const isTable = typeof headers === 'object' && headers !== null && !Array.isArray(headers);
  return isTable && JSON.stringify(headers).length <= MOST_HEADER_CHARACTERS ? headers : {};
}

function inTables(headers: Json | undefined, levels: number): Json {
  let whole = headers ?? {};
  for (let level = 0; level < levels; level++) whole = { a: whole };
  return whole;
}

function settingsOf(
  { host, port, virtualHost: virtual_host, username, password }: TestVirtualHost,
  { url }: TestDatabase,
) {
  return `
app: ${APP}
processing_core:
  worker_processes: ${NUM_PROCESSES}
  msg_broker: ${JSON.stringify({ kind: 'rabbitmq', host, port, virtual_host, username, password })}
  store: ${JSON.stringify({ kind: 'postgres', url, path: '../data' })}
logging: { format: json }
`;
}

/** A message that the broker took. */
interface Taken {
  /** Of the input. */
  readonly at: number;
  /** As it stands in the inbox. */
  readonly id: string;
  readonly body: Buffer;
}

/** Publishes with a connection of its own, and another one where the broker ends that for what was published. */
class Publisher {
  private connection: ChannelModel | null = null;
  private channel: Promise<ConfirmChannel> | null = null;

  constructor(private readonly url: string) {}

  /** Null where the library cannot write it, or the broker refuses it. */
  async publish(input: Json, at: number): Promise<Taken | null> {
    const body = bytesOf(fieldOf(input, 'body'));
    const properties = fieldOf(input, 'properties') ?? {};
    const headers = inTables(fieldOf(properties, 'headers'), Number(fieldOf(input, 'levels') ?? 0));
    const options = { ...(properties as Options.Publish), headers };
    const exchanges = exchangeNames(APP);
    const exchange = fieldOf(input, 'priority') === true ? exchanges.priority : exchanges.normal;
    this.channel ??= this.opened();
    const channel = await this.channel;
    try {
      await new Promise<void>((resolve, reject) => {
        channel.once('close', () => reject(new Error('closed')));
        channel.publish(exchange, String(fieldOf(input, 'index') ?? 0), body, options, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    } catch {
      return null;
    }
    const { id } = receivedMessage(
      { content: body, properties: options, fields: {} } as unknown as ConsumeMessage,
      null,
    );
    return { at, id: inboxId(id), body };
  }

  async close(): Promise<void> {
    await this.channel;
    await this.connection?.close().catch(() => {});
  }

  private async opened(): Promise<ConfirmChannel> {
    const connection = await amqp.connect(this.url);
    this.connection = connection;
    connection.on('error', () => {});
    const channel = await connection.createConfirmChannel();
    channel.setMaxListeners(0).on('error', () => {});
    channel.on('close', () => {
      this.channel = null;
      void connection.close().catch(() => {});
    });
    return channel;
  }
}

const spec = loadTestModel();

function isReadable(body: Buffer): boolean {
  try {
    parseTask(body, spec);
    return true;
  } catch {
    return false;
  }
}

/** Waits until all are accounted for. */
async function faultOf(taken: readonly Taken[], aside: Set<string>, database: TestDatabase): Promise<Fault | null> {
  const until = performance.now() + ACCOUNTED_MS;
  for (let left = taken; ; ) {
    const [inbox, quarantine] = await Promise.all([
      database.query(`select id::text from dp3_${APP}.inbox where id = any($1::uuid[])`, [left.map(({ id }) => id)]),
      database.query(`select encode(sha256(body), 'hex') as digest, reason from dp3_${APP}.quarantine`),
    ]);
    const done = new Set(inbox.map(({ id }) => String(id).replaceAll('-', '')));
    const reasons = new Map(quarantine.map(({ digest, reason }) => [digest, reason]));
    const digestOf = ({ body }: Taken) => createHash('sha256').update(body).digest('hex');
    for (const one of left) {
      const bad = reasons.has(digestOf(one)) ? badReason(reasons.get(digestOf(one))) : null;
      if (bad !== null) return { why: bad, at: one.at };
    }
    left = left.filter((one) => {
      if (reasons.has(digestOf(one))) aside.add(one.id);
      if (aside.has(one.id)) return false;
      return !done.has(one.id.replaceAll('-', '')) || !isReadable(one.body);
    });
    const [first] = left;
    if (first === undefined) {
      await database.query(`delete from dp3_${APP}.quarantine`);
      return null;
    }
    if (performance.now() > until) {
      const known = done.has(first.id.replaceAll('-', '')) ? ', but its id is in the inbox' : '';
      return { why: `it is neither done nor put aside within ${ACCOUNTED_MS / 1_000} s${known}`, at: first.at };
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function faultOfProgram({ lines, child }: RunningProgram): Fault | null {
  const ended = child.exitCode ?? child.signalCode;
  if (ended !== null) return { why: `the program ended: ${ended}` };
  const bad = lines.find(({ level }) => level === 'error' || level === 'raw');
  if (bad !== undefined) return { why: `the program says ${JSON.stringify(bad)}` };
  const readies = lines.filter(({ message }) => message === 'worker ready').length;
  return readies === NUM_PROCESSES ? null : { why: 'a worker is another one' };
}
