/**
 * A private RabbitMQ node of Debian's package: its own folder, ports and epmd, on the loopback interface, as the current user. Nothing
 * of the system's own node is read or touched. It ends with its parent: the node and its epmd both watch their standard input.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPackages } from './packages.js';
import {
  makeVirtualHost,
  type RabbitMqAddress,
  type RabbitMqService,
  type TestVirtualHost,
} from './rabbitmq-virtual-host.js';

/** A node that may be broken on purpose. */
export interface PrivateRabbitMq extends RabbitMqService {
  /** Of the node; changes with a restart. */
  readonly pid: number;
  readonly folder: string;
  /** Ends the node at once (SIGKILL), as a crash does. */
  kill(): Promise<void>;
  /** Ends it in order, as a shutdown of its machine does. */
  halt(): Promise<void>;
  /** Starts it again on the same ports, with what its disk holds. */
  resume(): Promise<void>;
  /** Stops the process (SIGSTOP) or lets it go on: a broker that answers nothing, with connections that stay open. */
  freeze(frozen: boolean): void;
  /** Sets or ends the alarm of memory: publishers are blocked while it lasts. */
  alarm(on: boolean): Promise<void>;
  /** Runs rabbitmqctl (half a second) and returns what it printed. */
  ctl(...args: string[]): Promise<string>;
}

/** The scripts themselves: those in /usr/sbin change the user. */
const SCRIPTS = '/usr/lib/rabbitmq/bin';
const START_MS = 60_000;
const LOOK_MS = 50;
/** Ports are chosen free and taken a moment later: another program may be quicker. */
const TRIES = 3;
const MEMORY = '2GiB';

export interface PrivateRabbitMqOptions {
  /** Folder of another system whose RabbitMQ is run in it (chroot, as root); the one of this machine where it is not given. */
  readonly root?: string;
}

/** Runs a command in another system that sees this one's processes and temporary files; its mounts end with it. */
const IN_ROOT = 'mount --rbind /proc "$0/proc" && mount --bind "$1" "$0$1" && shift && exec chroot "$0" "$@"';

interface Ports {
  readonly amqp: number;
  readonly management: number;
  readonly distribution: number;
  readonly epmd: number;
}

/** Starts a node, installing the package when root. Throws with the end of its log when it does not come up. */
export async function startPrivateRabbitMq({ root }: PrivateRabbitMqOptions = {}): Promise<PrivateRabbitMq> {
  if (root === undefined && !existsSync(join(SCRIPTS, 'rabbitmq-server'))) {
    installPackages(['rabbitmq-server'], 'RabbitMQ');
  }
  for (let attempt = 1; ; attempt++) {
    const node = new Node(await freePorts(), root);
    try {
      await node.start();
      return node;
    } catch (error) {
      await node.stop();
      if (attempt === TRIES) throw error;
    }
  }
}

class Node implements PrivateRabbitMq {
  readonly folder = mkdtempSync(join(tmpdir(), 'dp3-rabbitmq-'));
  readonly address: RabbitMqAddress;
  private readonly environment: NodeJS.ProcessEnv;
  private epmd: ChildProcess | null = null;
  private server: ChildProcess | null = null;

  constructor(
    private readonly ports: Ports,
    private readonly root: string | undefined,
  ) {
    const managementUrl = `http://127.0.0.1:${ports.management}`;
    this.address = { host: '127.0.0.1', port: ports.amqp, username: 'guest', password: 'guest', managementUrl };
    this.environment = this.writeFiles();
  }

  get pid(): number {
    return this.server?.pid ?? 0;
  }

  async start(): Promise<void> {
    // epmd does not end with its standard input; the shell around it sees to that.
    const script = 'epmd "$@" & read -r line; kill $!';
    const options = ['-port', String(this.ports.epmd), '-address', '127.0.0.1'];
    this.epmd = this.run('sh', ['-c', script, 'epmd', ...options]);
    await this.resume();
  }

  async resume(): Promise<void> {
    const server = this.run(join(SCRIPTS, 'rabbitmq-server'), []);
    this.server = server;
    const startedAt = performance.now();
    while (!(await this.answers())) {
      const late = performance.now() - startedAt > START_MS;
      if (late || server.exitCode !== null || server.signalCode !== null) {
        throw new Error(`RabbitMQ did not start in ${this.folder}:\n${this.lastWords()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async kill(): Promise<void> {
    await ended(this.server, 'SIGKILL');
  }

  async halt(): Promise<void> {
    await ended(this.server, 'SIGTERM');
  }

  freeze(frozen: boolean): void {
    this.server?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  async alarm(on: boolean): Promise<void> {
    await this.ctl('set_vm_memory_high_watermark', ...(on ? ['0.0001'] : ['absolute', MEMORY]));
  }

  async ctl(...args: string[]): Promise<string> {
    const [command, all] = this.inItsSystem(join(SCRIPTS, 'rabbitmqctl'), ['--quiet', ...args]);
    const { stdout } = await promisify(execFile)(command, all, { env: this.environment });
    return stdout;
  }

  virtualHost(prefix?: string): Promise<TestVirtualHost> {
    return makeVirtualHost(this.address, prefix);
  }

  async stop(): Promise<void> {
    await this.kill();
    this.epmd?.stdin?.end();
    await ended(this.epmd);
    rmSync(this.folder, { recursive: true, force: true });
    if (this.root !== undefined) rmdirSync(join(this.root, this.folder));
  }

  private run(command: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.folder, 'console.log'), 'a');
    const [first, all] = this.inItsSystem(command, args);
    // In a process group of its own: Ctrl-C is for the program in front, which ends its servers last.
    return spawn(first, all, { env: this.environment, stdio: ['pipe', log, log], detached: true });
  }

  /** The same process becomes the command, so that signals and standard input reach it. */
  private inItsSystem(command: string, args: readonly string[]): readonly [string, readonly string[]] {
    const { root, folder } = this;
    if (root === undefined) return [command, args];
    mkdirSync(join(root, folder), { recursive: true });
    return ['unshare', ['--mount', 'sh', '-c', IN_ROOT, root, folder, command, ...args]];
  }

  private async answers(): Promise<boolean> {
    try {
      const credentials = Buffer.from('guest:guest').toString('base64');
      const headers = { authorization: `Basic ${credentials}` };
      return (await fetch(`${this.address.managementUrl}/api/vhosts`, { headers })).ok;
    } catch {
      return false;
    }
  }

  private lastWords(): string {
    return readFileSync(join(this.folder, 'console.log'), 'utf8').slice(-2_000);
  }

  private writeFiles(): NodeJS.ProcessEnv {
    const { folder, ports } = this;
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const configuration = [
      `listeners.tcp.local = 127.0.0.1:${ports.amqp}`,
      'management.tcp.ip = 127.0.0.1',
      `management.tcp.port = ${ports.management}`,
      // Statistics of every connection and queue cost the node as much as a slow consumer; nothing here reads them.
      'management_agent.disable_metrics_collector = true',
      `vm_memory_high_watermark.absolute = ${MEMORY}`,
      'disk_free_limit.absolute = 50MB',
      'log.file.level = info',
    ];
    return {
      PATH: process.env['PATH'],
      HOME: folder,
      LANG: 'C.UTF-8',
      RABBITMQ_NODENAME: `dp3-${ports.amqp}@localhost`,
      RABBITMQ_CONF_ENV_FILE: write('environment', ''),
      RABBITMQ_CONFIG_FILE: write('rabbitmq.conf', `${configuration.join('\n')}\n`),
      RABBITMQ_ENABLED_PLUGINS_FILE: write('plugins', '[rabbitmq_management].\n'),
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_DIST_PORT: String(ports.distribution),
      ERL_EPMD_PORT: String(ports.epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // Makes the script become the node itself, so that the process id is the node's, and the node end with its standard input.
      RABBITMQ_ALLOW_INPUT: '1',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    };
  }
}

/** Sends the signal, if any, and waits for the end. */
async function ended(child: ChildProcess | null, signal?: NodeJS.Signals): Promise<void> {
  if (child === null || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  if (signal !== undefined) child.kill(signal);
  await exit;
}

async function freePorts(): Promise<Ports> {
  const servers = Array.from({ length: 4 }, () => createServer());
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [amqp = 0, management = 0, distribution = 0, epmd = 0] = ports;
  return { amqp, management, distribution, epmd };
}
