/** Starts processes of test/support/queue-process.ts and waits for what they tell. They are killed at the end of the test. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type CompiledProgram, compileProgram } from './compiled.js';
import type { Order, Told } from './queue-stream.js';

const SOURCE = fileURLToPath(new URL('./queue-process.ts', import.meta.url));

/** Compiles the program; to be removed after the tests. */
export function compileQueueProgram(): CompiledProgram {
  return compileProgram(SOURCE);
}

export class TestProcess {
  private readonly told: Told[] = [];
  private readonly waiting = new Set<() => void>();
  private errors = '';
  private orders = 0;
  readonly exited: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    onTestFinished(() => void child.kill('SIGKILL'));
    this.exited = once(child, 'exit').then(() => this.wake());
    child.stderr?.on('data', (text) => {
      this.errors += text;
    });
    child.on('message', (message) => {
      this.told.push(message as Told);
      this.wake();
    });
  }

  static start(program: CompiledProgram, ...args: string[]): TestProcess {
    return new TestProcess(fork(program.path, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }));
  }

  /** With a bound on the size of the files it writes, in KiB. */
  static startBounded(program: CompiledProgram, kibibytes: number, ...args: string[]): TestProcess {
    const command = `ulimit -f ${kibibytes}; exec "$@"`;
    const all = ['-c', command, 'bash', process.execPath, program.path, ...args];
    return new TestProcess(spawn('bash', all, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] }));
  }

  get pid(): number {
    return this.child.pid!;
  }

  get last(): Told | undefined {
    return this.told.at(-1);
  }

  /** The first thing told that fits; fails when the process ends without it. */
  async until<T extends Told['told']>(
    told: T,
    fits: (message: Extract<Told, { told: T }>) => boolean = () => true,
  ): Promise<Extract<Told, { told: T }>> {
    for (let at = 0; ; at++) {
      while (at >= this.told.length) {
        if (this.child.exitCode !== null || this.child.signalCode !== null)
          throw new Error(`ended early: ${this.errors}`);
        await new Promise<void>((resolve) => this.waiting.add(resolve));
      }
      const message = this.told[at]!;
      if (message.told === told && fits(message as Extract<Told, { told: T }>))
        return message as Extract<Told, { told: T }>;
    }
  }

  /** Tells a member what to do; resolves when it is done. */
  async order(order: Order): Promise<void> {
    const own = this.orders++;
    this.child.send(order);
    await this.until('obeyed', ({ number }) => number === own);
  }

  /** What a member was handed out so far. */
  get got(): string[] {
    return this.told.flatMap((each) => (each.told === 'got' ? [each.id] : []));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
