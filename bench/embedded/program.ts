/** The real `dp3-cluster`, configured in a folder, started as anyone starts it, and seen from outside. Its module has one hook. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, livingPrograms } from '../../lib/ipc/control.js';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import { isThere } from './processes.js';
import { ENTITY } from './tasks.js';

const PROGRAM = fileURLToPath(new URL('../../bin/dp3-cluster.js', import.meta.url));
const PACKAGE = new URL('../../lib/index.js', import.meta.url).href;
const START_MS = 20_000;
const LOOK_MS = 20;

export const APP = 'bench';

export interface ProgramSettings {
  readonly processes: number;
  /** The entity whose hook takes a second; that of all others does nothing. */
  readonly slow?: string;
  /** Text of the file of the entity type `ip`. */
  readonly model?: string;
  /** For Node.js, of the primary and of its workers. */
  readonly nodeArguments?: readonly string[];
}

export class Program {
  readonly config: string;
  readonly processes: number;
  readonly dataFolder: string;
  private readonly nodeArguments: readonly string[];

  /** `configuration` is the text of its file; the data belong into `../data` beside it, modules are in `../modules`. */
  constructor(path: string, configuration: string, settings: ProgramSettings) {
    const { processes, slow, model = ENTITY, nodeArguments = [] } = settings;
    this.processes = processes;
    this.nodeArguments = nodeArguments;
    this.config = join(path, 'config');
    this.dataFolder = join(path, 'data', APP);
    mkdirSync(join(this.config, 'db_entities'), { recursive: true });
    mkdirSync(join(path, 'modules'));
    writeFileSync(join(this.config, 'db_entities', 'ip.yml'), model);
    writeFileSync(join(this.config, 'default.yml'), configuration);
    writeFileSync(join(path, 'modules', 'bench.mjs'), moduleSource(slow));
  }

  run(command: string, ...rest: string[]): ChildProcess {
    const args = [...this.nodeArguments, PROGRAM, command, ...rest, '--config', this.config];
    return spawn(process.execPath, args, { stdio: [rest[0] === '-' ? 'pipe' : 'ignore', 'ignore', 'inherit'] });
  }

  async status(): Promise<ProgramStatus | null> {
    for (const socket of await livingPrograms(this.dataFolder)) {
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
      await sleep(LOOK_MS);
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
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    // The workers are no children of ours: their files are in use until they are gone.
    while (this.workers.some(isThere)) await sleep(5);
  }

  /** Ends it in order. */
  stop(): Promise<void> {
    return stopped(this.child);
  }
}

/** Has a process shut down gracefully. */
export async function stopped(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** Waits for a command that must succeed. */
export async function succeeded(child: ChildProcess, command: string): Promise<void> {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${command} ended with exit code ${code}`);
}

export async function inTemporary<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), 'dp3-bench-'));
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function moduleSource(slow: string | undefined): string {
  const nothing = 'open_ports() {}';
  const hook = `open_ports(eid) { if (eid === '${slow}') return new Promise((resolve) => setTimeout(resolve, 1000)); }`;
  return `import { defineModule } from '${PACKAGE}';
export default defineModule({ onNewObservation: { ip: { ${slow === undefined ? nothing : hook} } } });
`;
}
