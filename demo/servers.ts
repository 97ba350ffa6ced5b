/**
 * A demo on RabbitMQ and PostgreSQL: servers that run already are used (AMQP_URL, DATABASE_URL, or where they usually are), others are
 * brought up for the time of the demo. It has a virtual host and a database of its own, which it removes, and a copy of the example's
 * configuration that names them, so that commands work there as they are.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Output } from '../lib/cli/output.js';
import { loadConfiguration } from '../lib/config/load.js';
import { messageOf } from '../lib/runtime/errors.js';
import { postgresService } from '../services/postgres.js';
import { rabbitMqService } from '../services/rabbitmq.js';
import type { RabbitMqAddress } from '../services/rabbitmq-virtual-host.js';
import { APP, cleanEnvironment, EXAMPLE, type Place, PROGRAM, refuseRunning, shortPath } from './place.js';

const FOLDER = join(EXAMPLE, 'data', 'server');
const CONFIG = join(FOLDER, 'config');
/** The file of this name in the configuration folder wins over default.yml. */
const ENV = 'server';
const REQUEST = { dir: CONFIG, env: ENV };
const FLAGS = ['--config', shortPath(CONFIG), '--env', ENV];

/** @throws Error with a sentence; whatever was brought up has ended by then */
export async function servers(output: Output, stopping: AbortSignal): Promise<Place> {
  const undo = new Undo(output);
  try {
    // The configuration of an earlier demo tells where its program would be found.
    const { configuration } = loadConfiguration(REQUEST, cleanEnvironment());
    if (configuration !== null) await refuseRunning(configuration, FLAGS);
    await output.line('Bringing up RabbitMQ and PostgreSQL, where they do not run already ...');
    const rabbitMq = await rabbitMqService();
    undo.add('RabbitMQ', () => rabbitMq.stop());
    stopping.throwIfAborted();
    const postgres = await postgresService();
    undo.add('PostgreSQL', () => postgres.stop());
    stopping.throwIfAborted();
    const host = await rabbitMq.virtualHost('dp3-demo');
    undo.add('the virtual host', () => host.remove());
    const database = await postgres.database('dp3_demo');
    undo.add('the database', () => database.drop());
    writeConfiguration(host, database.url);
    undo.add(FOLDER, async () => rmSync(CONFIG, { recursive: true, force: true }));
    setUp();
    await output.line(`RabbitMQ: ${host.host}:${host.port}, virtual host ${host.virtualHost}`);
    await output.line(`PostgreSQL: ${withoutPassword(database.url)}`);
    return {
      request: REQUEST,
      flags: FLAGS,
      environment: cleanEnvironment(),
      logFile: join(FOLDER, 'demo.log'),
      data: `the database ${new URL(database.url).pathname.slice(1)}`,
      lasting: false,
      leave: () => undo.all(),
    };
  } catch (error) {
    await undo.all();
    throw error;
  }
}

/** What has to be undone, the last first. */
class Undo {
  private readonly steps: { readonly what: string; readonly run: () => Promise<void> }[] = [];

  constructor(private readonly output: Output) {}

  add(what: string, run: () => Promise<void>): void {
    this.steps.push({ what, run });
  }

  /** Never rejects: what cannot be undone is told of, and the rest is undone. */
  async all(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        this.output.error(`${step.what} could not be removed: ${messageOf(error)}`);
      }
    }
  }
}

function writeConfiguration(
  { host, port, managementUrl, username, password, virtualHost }: RabbitMqAddress & { virtualHost: string },
  url: string,
): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  cpSync(join(EXAMPLE, 'config'), CONFIG, { recursive: true });
  const management_port = Number(new URL(managementUrl).port);
  const at = { kind: 'rabbitmq', host, port, management_port, virtual_host: virtualHost, username, password };
  const settings = {
    app: APP,
    processing_core: {
      modules_dir: join(EXAMPLE, 'modules'),
      msg_broker: at,
      store: { kind: 'postgres', url },
    },
  };
  // It holds passwords.
  writeFileSync(join(CONFIG, `${ENV}.yml`), stringify(settings), { mode: 0o600 });
}

function setUp(): void {
  const options = { encoding: 'utf8', env: cleanEnvironment() } as const;
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'setup', ...FLAGS], options);
  if (status !== 0) throw new Error(`setup failed: ${stderr.trim()}`);
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href;
}
