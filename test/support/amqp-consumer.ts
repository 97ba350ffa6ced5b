/** Starts processes of test/support/amqp-process.ts and waits for what they tell. They are killed at the end of the test. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { AmqpProcessOrder, AmqpProcessTold } from './amqp-process.js';
import { type CompiledProgram, compileProgram } from './compiled.js';

/** Compiles the program; to be removed after the tests. */
export function compileAmqpProcess(): CompiledProgram {
  return compileProgram(fileURLToPath(new URL('./amqp-process.ts', import.meta.url)));
}

/** A process that consumes index 0. It is killed when the test ends. */
export class AmqpConsumer {
  private readonly waiting = new Set<() => void>();
  readonly told: AmqpProcessTold[] = [];
  readonly exited: Promise<unknown>;
  private readonly child;

  constructor(program: CompiledProgram, order: AmqpProcessOrder) {
    this.child = fork(program.path, [JSON.stringify(order)]);
    this.exited = once(this.child, 'exit');
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.on('message', (message) => {
      this.told.push(message as AmqpProcessTold);
      for (const resolve of this.waiting) resolve();
      this.waiting.clear();
    });
  }

  get last(): Extract<AmqpProcessTold, { told: 'stored' }> {
    const last = this.told.at(-1);
    return last?.told === 'stored' ? last : { told: 'stored', done: 0, wrong: [], mostBytes: 0 };
  }

  async until(condition: (last: AmqpConsumer['last']) => boolean): Promise<void> {
    while (!condition(this.last)) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  async consumes(): Promise<void> {
    while (this.told.length === 0) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}
