/**
 * A private PgBouncer in front of a database: a process on a free port of the loopback address, with a folder of its own for its
 * configuration. It belongs to a user that is not root, and ends with the process that started it, however that ends.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { installPackages } from './packages.js';
import { type Account, accountToUse, freePort, isExecutable, reachable } from './postgres-cluster.js';

export interface PgBouncer {
  /** The same database, through it. */
  readonly url: string;
  stop(): Promise<void>;
}

const FOLDERS = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(':')];
const START_MS = 20_000;
const LOOK_MS = 20;

/** In front of the database of a URL. `settings`: over those given here, such as `pool_mode`. */
export async function startPgBouncer(
  database: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const program = found() ?? installed();
  const account = accountToUse();
  const folder = mkdtempSync(join(reachable(account), 'dp3-pgbouncer-'));
  const port = await freePort();
  const url = new URL(database);
  configure(folder, account, url, { listen_port: port, ...settings });
  url.host = `127.0.0.1:${port}`;
  url.search = '';
  const log = openSync(join(folder, 'log'), 'a');
  const server = spawn('setpriv', ['--pdeathsig', 'INT', '--', program, join(folder, 'pgbouncer.ini')], {
    ...account,
    cwd: folder,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const stop = async () => {
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null) {
      const ended = once(server, 'exit');
      server.kill('SIGQUIT');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await once(server, 'spawn');
    await answers(url.href);
    return { url: url.href, stop };
  } catch (error) {
    const said = readFileSync(join(folder, 'log'), 'utf8');
    await stop();
    throw new Error(`PgBouncer in ${folder} did not start: ${said}`, { cause: error });
  }
}

function configure(
  folder: string,
  account: Account | null,
  { hostname, port, username, password, pathname, searchParams }: URL,
  settings: Readonly<Record<string, string | number>>,
): void {
  const server = {
    host: searchParams.get('host') ?? hostname,
    port: port === '' ? 5432 : port,
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
  const words = Object.entries(server).map(([name, value]) => `${name}='${String(value).replaceAll("'", "''")}'`);
  const all = { listen_addr: '127.0.0.1', unix_socket_dir: '', auth_type: 'any', ...settings };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const text = `[databases]\n${pathname.slice(1)} = ${words.join(' ')}\n[pgbouncer]\n${lines.join('\n')}\n`;
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(file, text, { mode: 0o600 });
  if (account !== null) for (const path of [folder, file]) chownSync(path, account.uid, account.gid);
}

/** Until a connection through it is accepted. */
async function answers(url: string): Promise<void> {
  for (const until = performance.now() + START_MS; ; ) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    try {
      await client.connect();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
    } finally {
      await client.end().catch(() => {});
    }
    await pause(LOOK_MS);
  }
}

function found(): string | null {
  return FOLDERS.map((folder) => join(folder, 'pgbouncer')).find(isExecutable) ?? null;
}

function installed(): string {
  installPackages(['pgbouncer'], 'PgBouncer');
  const program = found();
  if (program === null) throw new Error('the package pgbouncer was installed, but there is no pgbouncer in /usr/sbin');
  return program;
}
