/** A door in a process of its own, which may end or hang over an input: both are faults like others, and another process takes its place. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../lib/runtime/errors.js';
import type { Fault, Json } from './door.js';

const SERVE = fileURLToPath(new URL('serve.ts', import.meta.url));
/** Servers are brought up. */
const OPEN_MS = 120_000;
/** Of what it printed last, to tell why it ended. */
const KEPT_CHARACTERS = 4_000;

export class ServedDoor {
  private child: ChildProcess | null = null;
  private printed = '';

  /** `file`: URL of the module of the door. `silenceMs`: without an answer for longer, it hangs. */
  constructor(
    private readonly file: string,
    private readonly silenceMs: number,
  ) {}

  async check(inputs: readonly Json[]): Promise<Fault | null> {
    this.child ??= await this.opened();
    const { child } = this;
    try {
      const fault = await this.answer<Fault | null>(child, this.silenceMs, () => child.send(inputs as Json[]));
      // What stands behind it may not be what it was.
      if (fault !== null) await this.close();
      return fault;
    } catch (error) {
      await this.end();
      return { why: messageOf(error) };
    }
  }

  async close(): Promise<void> {
    const { child } = this;
    if (child === null) return;
    this.child = null;
    const exited = once(child, 'exit');
    child.disconnect();
    await exited;
  }

  private async opened(): Promise<ChildProcess> {
    this.printed = '';
    const child = fork(SERVE, [this.file], {
      execArgv: ['--import', 'tsx', '--max-old-space-size=2048'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => {
        this.printed = (this.printed + text).slice(-KEPT_CHARACTERS);
      });
    }
    await this.answer(child, OPEN_MS);
    return child;
  }

  /** Rejects where it ends instead, or says nothing. */
  private answer<T>(child: ChildProcess, silenceMs: number, ask = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        clearTimeout(timer);
        child.off('message', answered).off('exit', ended);
        then();
      };
      const answered = (answer: unknown) => settle(() => resolve(answer as T));
      const ended = (code: number | null, signal: string | null) =>
        settle(() => reject(new Error(`the process ended (${signal ?? code}): ${this.printed}`)));
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no answer within ${silenceMs / 1_000} s`))),
        silenceMs,
      );
      child.on('message', answered).on('exit', ended);
      ask();
    });
  }

  private async end(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}
