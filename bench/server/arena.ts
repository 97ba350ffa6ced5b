/**
 * Arena: a program on RabbitMQ and PostgreSQL, with a virtual host and a database of its own. Servers that run already are used
 * (AMQP_URL, DATABASE_URL, or where they usually are), others are brought up.
 */
import { type ConfirmChannel, connect } from 'amqplib';
import { backendOf } from '../../lib/backend/open.js';
import { loadConfiguration } from '../../lib/config/load.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { exchangeNames, queueNames } from '../../lib/queue/names.js';
import { postgresService } from '../../services/postgres.js';
import { rabbitMqService } from '../../services/rabbitmq.js';
import { APP, inTemporary, Program, type ProgramSettings } from '../embedded/program.js';

const SEND_BATCH = 2_000;
const LONGEST_QUEUE = 10_000_000;

export interface Servers {
  readonly amqpUrl: string;
  readonly host: string;
  readonly port: number;
  readonly virtualHost: string;
  readonly username: string;
  readonly password: string;
  readonly postgresUrl: string;
  /** Process ids of servers that were brought up for this, 0 of one that ran already. */
  readonly pids: { readonly broker: number; readonly database: number };
}

export type Fresh = <R>(within: (servers: Servers) => Promise<R>) => Promise<R>;

/** Servers for all rounds of a measurement, each with a virtual host and a database of its own. */
export async function withServers<T>(use: (fresh: Fresh) => Promise<T>): Promise<T> {
  const [rabbitMq, postgres] = await Promise.all([rabbitMqService(), postgresService()]);
  const pids = { broker: pidOf(rabbitMq), database: pidOf(postgres) };
  try {
    return await use(async (within) => {
      const host = await rabbitMq.virtualHost();
      const database = await postgres.database();
      try {
        const { host: name, port, username, password, virtualHost, url: amqpUrl } = host;
        const broker = { amqpUrl, host: name, port, virtualHost, username, password };
        return await within({ ...broker, postgresUrl: database.url, pids });
      } finally {
        await host.remove();
        await database.drop();
      }
    });
  } finally {
    await Promise.all([rabbitMq.stop(), postgres.stop()]);
  }
}

function pidOf(service: object): number {
  return 'pid' in service ? Number(service.pid) : 0;
}

export class Arena extends Program {
  constructor(
    path: string,
    private readonly servers: Servers,
    settings: ProgramSettings,
  ) {
    super(path, configuration(servers, settings.processes), settings);
  }

  /** Makes the queues. */
  async declare(): Promise<void> {
    const { configuration: loaded } = loadConfiguration({ dir: this.config });
    if (loaded === null) throw new Error('the configuration of the measurement has errors');
    const { close } = await (await backendOf(loaded)).openProducer();
    await close();
  }

  /** Makes the queues and fills them, persistent and confirmed. */
  async preload(count: number, make: (n: number) => OutgoingTask): Promise<void> {
    await this.declare();
    const connection = await connect(this.servers.amqpUrl);
    const channel = await connection.createConfirmChannel();
    for (let n = 0; n < count; n += SEND_BATCH) {
      for (let i = n; i < Math.min(n + SEND_BATCH, count); i++) publishTask(channel, make(i));
      await channel.waitForConfirms();
    }
    await connection.close();
  }

  /** How many tasks all workers have committed. */
  async done(): Promise<number> {
    return (await this.status())?.slots.reduce((sum, { worker }) => sum + (worker?.tasksDone ?? 0), 0) ?? 0;
  }
}

export function inArena<T>(servers: Servers, settings: ProgramSettings, use: (arena: Arena) => Promise<T>): Promise<T> {
  return inTemporary((path) => use(new Arena(path, servers, settings)));
}

/** The queue whose tasks the measurements read. */
export function normalQueue(index: number): string {
  return queueNames(APP, index).normal;
}

export function publishTask(
  channel: ConfirmChannel,
  { id, index, body }: Pick<OutgoingTask, 'id' | 'index' | 'body'>,
  confirmed?: () => void,
): void {
  channel.publish(exchangeNames(APP).normal, `${index}`, body, { persistent: true, messageId: id }, confirmed);
}

function configuration(servers: Servers, processes: number): string {
  const { host, port, virtualHost, username, password, postgresUrl } = servers;
  const broker = {
    kind: 'rabbitmq',
    host,
    port,
    virtual_host: virtualHost,
    username,
    password,
    max_length: LONGEST_QUEUE,
  };
  return JSON.stringify({
    app: APP,
    processing_core: {
      worker_processes: processes,
      modules_dir: '../modules',
      enabled_modules: ['bench'],
      delivery: 'effectively-once',
      msg_broker: broker,
      store: { kind: 'postgres', url: postgresUrl, path: '../data' },
      heartbeat: { interval: '100ms' },
    },
    logging: { level: 'error' },
  });
}
