/**
 * A private PostgreSQL cluster: a folder of mode 0700 and a server process on a free port of the loopback address, with a password.
 * It belongs to a user that is not root, and ends with the process that started it, however that ends.
 *
 * It is unlike most servers on purpose: texts sort as in English and not by their bytes, times are shown for Kathmandu in German form.
 * A statement that works here says itself what order and form it needs.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { installPackages } from './packages.js';

export interface ClusterOptions {
  /** Settings of the server, over those given here. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const PACKAGED = '/usr/lib/postgresql';
const ADMIN = 'dp3';
/** Recovery after an immediate shutdown is part of it. */
const START_MS = 60_000;
const LOOK_MS = 20;
const LOG_CHARACTERS = 2_000;

export class PrivateCluster {
  readonly url: string;
  private server: ChildProcess | null = null;

  private constructor(
    readonly folder: string,
    private readonly bin: string,
    private readonly account: Account | null,
    private readonly port: number,
    password: string,
    private readonly settings: Readonly<Record<string, string>>,
  ) {
    this.url = `postgres://${ADMIN}:${password}@127.0.0.1:${port}/postgres`;
  }

  /** Makes the cluster and starts its server. */
  static async make({ settings = {} }: ClusterOptions): Promise<PrivateCluster> {
    const bin = binaries() ?? installed();
    const account = accountToUse();
    const folder = mkdtempSync(join(reachable(account), 'dp3-postgres-'));
    const password = randomBytes(12).toString('hex');
    try {
      initialise(folder, bin, account, password);
      const cluster = new PrivateCluster(folder, bin, account, await freePort(), password, settings);
      await cluster.start();
      return cluster;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get pid(): number | null {
    return this.server?.pid ?? null;
  }

  async start(): Promise<void> {
    if (this.server !== null) return;
    const log = openSync(join(this.folder, 'log'), 'a');
    const server = spawn(
      'setpriv',
      ['--pdeathsig', 'INT', '--', join(this.bin, 'postgres'), '-D', join(this.folder, 'data'), ...this.arguments()],
      // In a process group of its own: Ctrl-C is for the program in front, which ends its servers last.
      { ...this.account, cwd: this.folder, stdio: ['ignore', log, log], detached: true },
    );
    closeSync(log);
    this.server = server;
    try {
      await once(server, 'spawn');
      await this.answers(server);
    } catch (error) {
      await this.halt('immediate');
      const said = readFileSync(join(this.folder, 'log'), 'utf8').slice(-LOG_CHARACTERS);
      throw new Error(`PostgreSQL in ${this.folder} did not start: ${said}`, { cause: error });
    }
  }

  async halt(how: 'fast' | 'immediate'): Promise<void> {
    const { server } = this;
    if (server === null) return;
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit');
      server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await ended;
    }
    this.server = null;
  }

  async remove(): Promise<void> {
    await this.halt('immediate');
    rmSync(this.folder, { recursive: true, force: true });
  }

  private arguments(): string[] {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: `${this.port}`,
      unix_socket_directories: '',
      max_connections: '200',
      fsync: 'on',
      timezone: 'Asia/Kathmandu',
      datestyle: 'German',
      ...this.settings,
    };
    return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  /** Until a connection is accepted: the server's own sign that it has recovered. */
  private async answers(server: ChildProcess): Promise<void> {
    const until = performance.now() + START_MS;
    for (;;) {
      const client = new pg.Client({ connectionString: this.url });
      client.on('error', () => {});
      try {
        await client.connect();
        return;
      } catch (error) {
        if (server.exitCode !== null || server.signalCode !== null) throw error;
        if (performance.now() > until) throw error;
      } finally {
        await client.end().catch(() => {});
      }
      await pause(LOOK_MS);
    }
  }
}

/** The folder of the newest packaged version, or of the one on the path. */
function binaries(): string | null {
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED).sort((one, other) => Number(other) - Number(one)) : [];
  const folders = [
    ...versions.map((version) => join(PACKAGED, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => isExecutable(join(folder, name)))) ?? null;
}

function installed(): string {
  installPackages(['postgresql'], 'A PostgreSQL server (or one at DATABASE_URL that may create databases)');
  const bin = binaries();
  if (bin === null) throw new Error(`the package postgresql was installed, but there is no initdb in ${PACKAGED}`);
  return bin;
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** PostgreSQL refuses to run as root: the user of its package instead, or nobody. */
export function accountToUse(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}

/** A folder for temporary files that the account can enter. */
export function reachable(account: Account | null): string {
  if (account === null) return tmpdir();
  const folders = [tmpdir(), '/tmp', '/var/tmp'];
  const found = folders.find((folder) => {
    try {
      execFileSync('test', ['-x', folder], { ...account, stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`the user of PostgreSQL can enter none of ${folders.join(', ')}`);
  return found;
}

function initialise(folder: string, bin: string, account: Account | null, password: string): void {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account !== null) for (const path of [folder, passwordFile]) chownSync(path, account.uid, account.gid);
  const version = /\d+/.exec(execFileSync(join(bin, 'initdb'), ['--version'], { encoding: 'utf8' }))?.[0];
  const inEnglish = Number(version) >= 15 ? ['--locale-provider=icu', '--icu-locale=en'] : [];
  execFileSync(
    join(bin, 'initdb'),
    [
      '--pgdata',
      join(folder, 'data'),
      `--username=${ADMIN}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      ...inEnglish,
      '--no-sync',
    ],
    { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  rmSync(passwordFile);
}

/** A port that nobody listens on; somebody might begin to, so a server that fails to start says it. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
