/**
 * Arena: a virtual host, a database and a configuration for the real `dp3-cluster` on RabbitMQ and PostgreSQL, started as anyone starts
 * it. Servers that run already are used (AMQP_URL, DATABASE_URL, or where they usually are), others are brought up.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ConfirmChannel, connect } from 'amqplib';
import { loadConfiguration } from '../../lib/config/load.js';
import { ask, livingPrograms } from '../../lib/ipc/control.js';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { exchangeNames, queueNames } from '../../lib/queue/names.js';
import { openProducer } from '../../lib/queue/producer.js';
import { postgresService } from '../../services/postgres.js';
import { rabbitMqService } from '../../services/rabbitmq.js';
import { inTemporary, Running } from '../embedded/arena.js';
import { ENTITY } from '../embedded/tasks.js';

const PROGRAM = fileURLToPath(new URL('../../bin/dp3-cluster.js', import.meta.url));
const PACKAGE = new URL('../../lib/index.js', import.meta.url).href;
const APP = 'bench';
const START_MS = 20_000;
const SEND_BATCH = 2_000;
const LONGEST_QUEUE = 10_000_000;
const LOOK_MS = 20;

export interface Servers {
  readonly amqpUrl: string;
  readonly host: string;
  readonly port: number;
  readonly virtualHost: string;
  readonly username: string;
  readonly password: string;
  readonly postgresUrl: string;
}

/** Servers for all rounds of a measurement, each with a virtual host and a database of its own. */
export async function withServers<T>(
  use: (fresh: <R>(within: (servers: Servers) => Promise<R>) => Promise<R>) => Promise<T>,
): Promise<T> {
  const [rabbitMq, postgres] = await Promise.all([rabbitMqService(), postgresService()]);
  try {
    return await use(async (within) => {
      const host = await rabbitMq.virtualHost();
      const database = await postgres.database();
      try {
        const { host: name, port, username, password, virtualHost, url: amqpUrl } = host;
        return await within({ amqpUrl, host: name, port, virtualHost, username, password, postgresUrl: database.url });
      } finally {
        await host.remove();
        await database.drop();
      }
    });
  } finally {
    await Promise.all([rabbitMq.stop(), postgres.stop()]);
  }
}

export interface ArenaSettings {
  readonly processes: number;
  readonly delivery?: string;
}

export class Arena {
  readonly config: string;
  readonly dataFolder: string;
  private readonly processes: number;

  constructor(
    path: string,
    private readonly servers: Servers,
    { processes, delivery = 'effectively-once' }: ArenaSettings,
  ) {
    this.processes = processes;
    this.config = join(path, 'config');
    this.dataFolder = join(path, 'data', APP);
    mkdirSync(join(this.config, 'db_entities'), { recursive: true });
    mkdirSync(join(path, 'modules'));
    writeFileSync(join(this.config, 'db_entities', 'ip.yml'), ENTITY);
    writeFileSync(join(this.config, 'default.yml'), configuration(servers, processes, delivery));
    writeFileSync(join(path, 'modules', 'bench.mjs'), MODULE);
  }

  /** Makes the queues. */
  async declare(): Promise<void> {
    const { configuration: loaded } = loadConfiguration({ dir: this.config });
    if (loaded === null) throw new Error('the configuration of the measurement has errors');
    const { close } = await openProducer(loaded);
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

  async status(): Promise<ProgramStatus | null> {
    for (const socket of await livingPrograms(this.dataFolder)) {
      for await (const reply of ask(socket, { type: 'status' })) if (reply.type === 'status') return reply.status;
    }
    return null;
  }

  /** How many tasks all workers have committed. */
  async done(): Promise<number> {
    return (await this.status())?.slots.reduce((sum, { worker }) => sum + (worker?.tasksDone ?? 0), 0) ?? 0;
  }

  /** Starts the program and resolves once all workers consume. */
  async start(): Promise<Running> {
    const child = this.run('start');
    const giveUpAt = performance.now() + START_MS;
    while (child.exitCode === null && performance.now() < giveUpAt) {
      const slots = (await this.status())?.slots ?? [];
      const pids = slots.filter(({ state }) => state === 'running').map(({ pid }) => pid ?? 0);
      if (pids.length === this.processes) return new Running(child, pids);
      await sleep(LOOK_MS);
    }
    child.kill('SIGKILL');
    throw new Error(`the program did not start (exit code ${child.exitCode})`);
  }

  run(command: string, ...rest: string[]): ChildProcess {
    return spawn(process.execPath, [PROGRAM, command, ...rest, '--config', this.config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}

export function inArena<T>(servers: Servers, settings: ArenaSettings, use: (arena: Arena) => Promise<T>): Promise<T> {
  return inTemporary((path) => use(new Arena(path, servers, settings)));
}

/** The queue whose tasks the measurements read. */
export function normalQueue(index: number): string {
  return queueNames(APP, index).normal;
}

export function publishTask(channel: ConfirmChannel, { id, index, body }: OutgoingTask, confirmed?: () => void): void {
  channel.publish(exchangeNames(APP).normal, `${index}`, body, { persistent: true, messageId: id }, confirmed);
}

function configuration(servers: Servers, processes: number, delivery: string): string {
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
      delivery,
      msg_broker: broker,
      store: { kind: 'postgres', url: postgresUrl, path: '../data' },
      heartbeat: { interval: '100ms' },
    },
    logging: { level: 'error' },
  });
}

const MODULE = `import { defineModule } from '${PACKAGE}';
export default defineModule({ onNewObservation: { ip: { open_ports() {} } } });
`;
