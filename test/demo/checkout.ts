/** The compiled program with the example in a folder of its own, so that a test of the demo replaces nobody's data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killQuietly } from '../support/application.js';

const ROOT = join(import.meta.dirname, '..', '..');

export class Checkout {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'dp3-demo-')));
  readonly example = join(this.folder, 'examples', 'mail-reputation');

  private readonly demoFile = join(this.folder, 'dist', 'demo', 'main.js');

  /** `environment`: what is set for everything that is started here. */
  constructor(private readonly environment: Readonly<Record<string, string>> = {}) {
    cpSync(join(ROOT, 'dist'), join(this.folder, 'dist'), { recursive: true });
    const isData = (path: string) => path.startsWith(join(ROOT, 'examples', 'mail-reputation', 'data'));
    cpSync(join(ROOT, 'examples', 'mail-reputation'), this.example, {
      recursive: true,
      filter: (path) => !isData(path),
    });
    cpSync(join(ROOT, 'package.json'), join(this.folder, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'));
  }

  /** Starts the demo. */
  demo(...args: readonly string[]): Run {
    return this.start([this.demoFile, ...args]);
  }

  /** Starts the demo as npm does: in a shell, which keeps signals to itself. */
  demoInShell(...args: readonly string[]): Run {
    const words = [process.execPath, this.demoFile, ...args].map((word) => `'${word}'`).join(' ');
    return new Run(spawn('sh', ['-c', `${words}; true`], { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** Starts what a person would paste: `npx dp3-cluster ...`. */
  pasted(command: string): Run {
    const words = command.trim().split(' ');
    if (words.shift() !== 'npx' || words.shift() !== 'dp3-cluster') throw new Error(`not a command: ${command}`);
    return this.start([join(this.folder, 'dist', 'bin', 'dp3-cluster.js'), ...words]);
  }

  /** Process ids of what runs from this folder, whoever started it. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && commandLineOf(name).includes(this.folder))
      .map(Number);
  }

  remove(): void {
    for (const pid of this.processes()) killQuietly(pid);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private start(args: readonly string[]): Run {
    const env = { ...process.env, ...this.environment };
    return new Run(spawn(process.execPath, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'], env }));
  }
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Run {
  readonly ended: Promise<Ended>;
  private stdout = '';
  private stderr = '';
  private readonly listeners = new Set<() => void>();

  constructor(private readonly child: ChildProcess) {
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this[name] += text;
        for (const listener of [...this.listeners]) listener();
      });
    }
    this.ended = once(child, 'close').then(([code, signal]) => {
      const ended = { code, signal, stdout: this.stdout, stderr: this.stderr };
      for (const listener of [...this.listeners]) listener();
      return ended;
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when the text was printed; rejects when the process ends without it. */
  prints(text: string): Promise<void> {
    const printed = new Promise<void>((resolve) => {
      const look = () => {
        if (!`${this.stdout}${this.stderr}`.includes(text)) return;
        this.listeners.delete(look);
        resolve();
      };
      this.listeners.add(look);
      look();
    });
    const endedWithout = this.ended.then(({ stdout, stderr }) => {
      if (!`${stdout}${stderr}`.includes(text)) throw new Error(`ended without "${text}":\n${stdout}\n${stderr}`);
    });
    return Promise.race([printed, endedWithout]);
  }
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
