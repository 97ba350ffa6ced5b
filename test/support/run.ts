/** Processes whose output is read, so that what they print can be waited for; those on a terminal, too. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

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
      child[name]?.setEncoding('utf8').on('data', (part: string) => {
        this[name] += part;
        for (const listener of [...this.listeners]) listener();
      });
    }
    this.ended = once(child, 'close').then(([code, signal]) => {
      const ended = { code, signal, stdout: this.stdout, stderr: this.stderr };
      for (const listener of [...this.listeners]) listener();
      return ended;
    });
  }

  /** What was printed so far. */
  get output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Resolves when the text was printed; rejects when the process ends without it. */
  prints(expected: string | RegExp): Promise<void> {
    const isIn = (output: string) => (typeof expected === 'string' ? output.includes(expected) : expected.test(output));
    const printed = new Promise<void>((resolve) => {
      const look = () => {
        if (!isIn(`${this.stdout}${this.stderr}`)) return;
        this.listeners.delete(look);
        resolve();
      };
      this.listeners.add(look);
      look();
    });
    const endedWithout = this.ended.then(({ stdout, stderr }) => {
      if (!isIn(`${stdout}${stderr}`)) throw new Error(`ended without "${expected}":\n${stdout}\n${stderr}`);
    });
    return Promise.race([printed, endedWithout]);
  }
}

export interface TerminalOptions {
  readonly cwd?: string;
  readonly columns?: number;
}

/** A shell's command line on a terminal of its own, which `script` (util-linux) makes. Everything it prints is in `stdout`. */
export class Terminal extends Run {
  /** What was written to descriptor 3, once whoever could write to it has ended. */
  readonly told: Promise<string>;
  private readonly script: ChildProcess;

  constructor(commandLine: string, { cwd, columns = 80 }: TerminalOptions = {}) {
    const line = `stty cols ${columns} rows 50; ${commandLine}`;
    const script = spawn('script', ['-qefc', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, SHELL: '/bin/sh' },
      cwd,
    });
    super(script);
    this.script = script;
    this.told = text(script.stdio[3] as Readable);
  }

  /** Its window is closed: what runs on it is not asked. */
  close(): void {
    this.script.kill('SIGKILL');
  }

  /** What a person types. */
  type(keys: string): void {
    this.script.stdin?.write(keys);
  }
}
