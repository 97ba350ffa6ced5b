/**
 * Arena: a temporary folder with a configuration, a module with one hook, and the data folder of a program that is measured from
 * outside: the real `dp3-cluster`, started as anyone starts it. Removed afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NORMAL } from '../../lib/embedded/chunk.js';
import { type DataFolder, openFolder } from '../../lib/embedded/folder.js';
import { joinAsProducer, type Member } from '../../lib/embedded/member.js';
import { ask, livingPrograms } from '../../lib/ipc/control.js';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import type { OutgoingTask } from '../../lib/model/task.js';
import { openWriter } from '../../lib/queue/open.js';
import { ENTITY } from './tasks.js';

const PROGRAM = fileURLToPath(new URL('../../bin/dp3-cluster.js', import.meta.url));
const PACKAGE = new URL('../../lib/index.js', import.meta.url).href;
const PRELOAD_BATCH = 1_024;
const START_MS = 20_000;

export interface ArenaSettings {
  readonly processes: number;
  /** The entity whose hook takes a second; that of all others does nothing. */
  readonly slow?: string;
}

export class Arena {
  readonly config: string;
  readonly processes: number;
  readonly folder: DataFolder;

  constructor(
    readonly path: string,
    { processes, slow }: ArenaSettings,
  ) {
    this.processes = processes;
    this.config = join(path, 'config');
    mkdirSync(join(this.config, 'db_entities'), { recursive: true });
    mkdirSync(join(path, 'modules'));
    writeFileSync(join(this.config, 'db_entities', 'ip.yml'), ENTITY);
    writeFileSync(join(this.config, 'default.yml'), configuration(processes));
    writeFileSync(join(path, 'modules', 'bench.mjs'), moduleSource(slow));
    this.folder = openFolder(join(path, 'data', 'bench'), { numProcesses: processes, delivery: 'effectively-once' });
  }

  /** Fills the queues; the member stays, as a producer that has nothing more to send, until the caller lets it leave. */
  async preload(count: number, make: (n: number) => OutgoingTask): Promise<Member> {
    const member = await joinAsProducer(this.folder);
    const writer = openWriter({ kind: 'embedded', member, maxLength: 2 * count });
    await writer.start();
    for (let n = 0; n < count; n += PRELOAD_BATCH) {
      const batch = Array.from({ length: Math.min(PRELOAD_BATCH, count - n) }, (_, i) => make(n + i));
      await writer.send(batch);
    }
    await writer.stop();
    return member;
  }

  /** How many of its tasks are still to be committed. */
  left({ outbox }: Member): number {
    let left = 0;
    for (let index = 0; index < this.processes; index++) left += outbox.unfinished(index, NORMAL);
    return left;
  }

  run(command: string, ...rest: string[]): ChildProcess {
    const stdio = [command === 'send' ? 'pipe' : 'ignore', 'ignore', 'inherit'] as const;
    return spawn(process.execPath, [PROGRAM, command, ...rest, '--config', this.config], { stdio: [...stdio] });
  }

  async status(): Promise<ProgramStatus | null> {
    for (const socket of await livingPrograms(this.folder.path)) {
      for await (const reply of ask(socket, { type: 'status' })) if (reply.type === 'status') return reply.status;
    }
    return null;
  }

  /** Starts the program and resolves once all workers consume. */
  async start(): Promise<Running> {
    const child = this.run('start');
    const giveUpAt = performance.now() + START_MS;
    while (child.exitCode === null && performance.now() < giveUpAt) {
      const slots = (await this.status())?.slots ?? [];
      const pids = slots.filter(({ state }) => state === 'running').map(({ pid }) => pid ?? 0);
      if (pids.length === this.processes) return new Running(child, pids);
      await sleep(20);
    }
    child.kill('SIGKILL');
    throw new Error(`the program did not start (exit code ${child.exitCode})`);
  }
}

/** A program that runs. */
export class Running {
  constructor(
    private readonly child: ChildProcess,
    readonly workers: readonly number[],
  ) {}

  /** Ends it at once: what it leaves behind is removed anyway. */
  async kill(): Promise<void> {
    for (const pid of [this.child.pid ?? 0, ...this.workers]) if (pid > 0) process.kill(pid, 'SIGKILL');
    if (this.child.exitCode === null && this.child.signalCode === null) {
      await new Promise((resolve) => this.child.once('exit', resolve));
    }
    // The workers are no children of ours: their files are in use until they are gone.
    while (this.workers.some(isThere)) await sleep(5);
  }
}

export async function inArena<T>(settings: ArenaSettings, use: (arena: Arena) => Promise<T>): Promise<T> {
  return inTemporary((path) => use(new Arena(path, settings)));
}

export async function inTemporary<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), 'dp3-bench-'));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Memory of a process that is its own (pages of mapped files are the system's cache), in bytes. Linux alone tells. */
export function ownMemory(pid: number): number {
  const found = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

/** Processor time a process has used, in microseconds. */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return (user + system) * 10_000;
}

function isThere(pid: number): boolean {
  try {
    // A zombie waits for its parent, which is gone as well.
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

function configuration(processes: number): string {
  return `
app: bench
processing_core:
  worker_processes: ${processes}
  modules_dir: ../modules
  enabled_modules: [bench]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
logging: { level: error }
`;
}

function moduleSource(slow: string | undefined): string {
  const nothing = 'open_ports() {}';
  const hook = `open_ports(eid) { if (eid === '${slow}') return new Promise((resolve) => setTimeout(resolve, 1000)); }`;
  return `import { defineModule } from '${PACKAGE}';
export default defineModule({ onNewObservation: { ip: { ${slow === undefined ? nothing : hook} } } });
`;
}
