/**
 * A real application for tests: a configuration folder, modules and a data folder of its own, driven through the compiled program
 * as a user drives it. What it starts it ends, by process id.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { readFolder } from '../../lib/embedded/folder.js';
import { PeerEnvironments } from '../../lib/embedded/peer-environments.js';
import type { ProgramStatus } from '../../lib/ipc/status.js';
import { depthOf } from '../../lib/queue/embedded/source.js';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** What a module of a test imports as the package. */
export const PACKAGE_URL = packageUrl(ROOT);

/** Between two looks at a folder that other processes write. */
const LOOK_AGAIN_MS = 20;

export interface ApplicationFiles {
  /** Text of default.yml. */
  readonly settings: string;
  /** Text by entity type. */
  readonly entities: Readonly<Record<string, string>>;
  /** Text by module name; `PACKAGE` in it is replaced by what to import. */
  readonly modules?: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Application {
  readonly folder = mkdtempSync(join(tmpdir(), 'dp3-app-'));
  readonly configDir = join(this.folder, 'config');
  readonly dataDir: string;
  private readonly programs = new Set<RunningProgram>();

  /** `root`: where the program stands that runs it; this checkout's. */
  constructor(
    files: ApplicationFiles,
    private root = ROOT,
  ) {
    mkdirSync(join(this.configDir, 'db_entities'), { recursive: true });
    mkdirSync(join(this.folder, 'modules'));
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(this.configDir, 'default.yml'), files.settings);
    this.dataDir = join(this.folder, 'data', /^app: (\w+)$/m.exec(files.settings)?.[1] ?? '');
    for (const [etype, text] of Object.entries(files.entities)) {
      writeFileSync(join(this.configDir, 'db_entities', `${etype}.yml`), text);
    }
    for (const [name, text] of Object.entries(files.modules ?? {})) {
      writeFileSync(join(this.folder, 'modules', `${name}.js`), text.replace('PACKAGE', packageUrl(root)));
    }
  }

  /** Changes default.yml. */
  reconfigure(change: (text: string) => string): void {
    const file = join(this.configDir, 'default.yml');
    writeFileSync(file, change(readFileSync(file, 'utf8')));
  }

  /** Runs a command to its end. */
  run(args: readonly string[], input?: string): CommandResult {
    const options = { input, encoding: 'utf8', env: environment(), maxBuffer: 2 ** 30 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, this.argumentsOf(args), options);
    return { code: status, stdout, stderr };
  }

  /** Runs a command that must end well; its output. */
  succeed(args: readonly string[], input?: string): string {
    const { code, stdout, stderr } = this.run(args, input);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Starts a command that keeps running; its log is read as JSON lines. `nodeArguments` are for Node.js. */
  start(args: readonly string[] = ['start'], nodeArguments: readonly string[] = []): RunningProgram {
    const child = spawn(process.execPath, [...nodeArguments, ...this.argumentsOf(args)], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const program = new RunningProgram(child);
    this.programs.add(program);
    return program;
  }

  /** The words of a shell that do the same. */
  commandLine(args: readonly string[]): string {
    return [process.execPath, ...this.argumentsOf(args)].map((word) => `'${word}'`).join(' ');
  }

  /** The same where no file may grow beyond so many blocks of 512 bytes: to the program the disk is full. */
  startLimited(args: readonly string[], blocks: number): RunningProgram {
    const child = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f ${blocks}; exec ${this.commandLine(args)}`], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const program = new RunningProgram(child);
    this.programs.add(program);
    return program;
  }

  /** The status that `status --json` prints, null when nothing runs. */
  status(): ProgramStatus | null {
    const { code, stdout } = this.run(['status', '--json']);
    return code === 0 ? (JSON.parse(stdout) as ProgramStatus) : null;
  }

  /** Waits until every task that was accepted, and every one derived from it, is committed: both stand in the data folder. */
  async idle(): Promise<void> {
    await this.watchQueues(async (waiting) => {
      // Twice in a row: a task may move from one index to the next between two looks.
      for (let empty = 0; empty < 2; empty = waiting() > 0 ? 0 : empty + 1) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    });
  }

  /** How many tasks wait in all queues. */
  waiting(): Promise<number> {
    return this.watchQueues(async (waiting) => waiting());
  }

  private async watchQueues<T>(watch: (waiting: () => number) => Promise<T>): Promise<T> {
    const folder = readFolder(this.dataDir);
    if (folder === null) throw new Error(`nothing was ever stored in ${this.dataDir}`);
    const peers = new PeerEnvironments(folder);
    const indexes = Array.from({ length: folder.numProcesses }, (_, index) => index);
    const waiting = () => {
      const depths = indexes.map((index) => depthOf(peers, index));
      return depths.reduce((sum, { normal, priority }) => sum + normal + priority, 0);
    };
    try {
      return await watch(waiting);
    } finally {
      await peers.close();
    }
  }

  async dispose(): Promise<void> {
    for (const program of this.programs) await program.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private argumentsOf(args: readonly string[]): string[] {
    const [command = '', ...rest] = args;
    return [join(this.root, 'dist', 'bin', 'dp3-cluster.js'), command, '--config', this.configDir, ...rest];
  }
}

/** A process of the application with its log. */
export class RunningProgram {
  readonly lines: LogLine[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly listeners = new Set<() => void>();
  private over = false;

  constructor(readonly child: ChildProcess) {
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    void this.exited.then(() => {
      this.over = true;
      for (const listener of [...this.listeners]) listener();
    });
    createInterface({ input: child.stderr! }).on('line', (text) => {
      this.lines.push(parse(text));
      for (const listener of [...this.listeners]) listener();
    });
    child.stdout?.resume();
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves with the `nth` line whose message contains the text; rejects when the program ends without it. */
  line(text: string, nth = 1): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.lines.filter((line) => line.message.includes(text));
        if (found.length < nth && !this.over) return;
        this.listeners.delete(look);
        const line = found[nth - 1];
        if (line) resolve(line);
        else
          reject(
            new Error(`the program ended without "${text}":\n${this.lines.map((l) => JSON.stringify(l)).join('\n')}`),
          );
      };
      this.listeners.add(look);
      look();
    });
  }

  /** Process ids of the workers that have said that they are ready, the newest of each index. */
  workers(): ReadonlyMap<number, number> {
    const ready = this.lines.filter((line) => line.message === 'worker ready');
    return new Map(ready.map((line) => [Number(line['index']), Number(line['pid'])]));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** kill -9 of the program and of every worker it has named; resolves when the program is gone. */
  async kill(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.exited;
    for (const pid of this.workers().values()) killQuietly(pid);
  }
}

export function killQuietly(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'raw', message: text };
  }
}

function packageUrl(root: string): string {
  return pathToFileURL(join(root, 'dist', 'lib', 'index.js')).href;
}

/** Whatever the machine sets for this program must not reach the one under test. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('DP3_') && name !== 'NODE_ENV' && name !== 'VITEST',
  );
  return { ...Object.fromEntries(kept), NODE_ENV: 'test' };
}
