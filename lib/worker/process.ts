/**
 * The process side of a worker: signals, the channel to the primary, uncaught errors, the exit code. What it runs is the
 * `WorkerProgram` that assemble.ts puts together.
 *
 * A forked worker ignores SIGINT and SIGTERM and obeys the primary's messages alone, because a terminal's Ctrl-C reaches every
 * process of the group. When the primary is gone it drains and ends, so that kill -9 of the primary leaves no orphan.
 */
import type { Answer, Assignment, FromWorker, Question, ToWorker } from '../ipc/messages.js';
import type { WorkerStatus } from '../ipc/status.js';
import type { Logger } from '../observability/logger.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

/** What a worker process runs. */
export interface WorkerProgram {
  readonly log: Logger;
  readonly shutdownTimeMs: number;
  /** Starts in the order of product.md and resolves with the epoch once it consumes; `waiting` is told why it can not yet. */
  start(waiting: (why: string) => void): Promise<{ readonly epoch: number }>;
  /** Drains by the deadline; resolves with the number of tasks that were left. Also ends a start that is under way. */
  stop(deadline: Deadline): Promise<{ readonly left: number }>;
  status(): Promise<WorkerStatus>;
  ask(question: Question): Promise<Answer>;
}

/** Makes the program for an assignment; `stopProgram` is the ordered stop that any component can ask for. */
export type MakeProgram = (
  assignment: Assignment,
  stopProgram: (reason: string, exitCode: 0 | 1 | 2) => void,
) => Promise<WorkerProgram>;

const HEARTBEAT_MS = 1_000;
/** How long the last message to the primary may take. */
const LAST_WORDS_MS = 500;

/** One life of a worker, from its assignment to its exit code. `tell` reaches whoever supervises it. */
export class WorkerLife {
  readonly ended: Promise<number>;
  private readonly end: (exitCode: number) => void;
  private program: WorkerProgram | null = null;
  private drainReason: string | null = null;
  private ready = false;
  private statsTimer: NodeJS.Timeout | null = null;

  constructor(
    private readonly make: MakeProgram,
    private readonly tell: (message: FromWorker) => void,
  ) {
    let end: (exitCode: number) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.end = end;
  }

  async begin(assignment: Assignment): Promise<void> {
    try {
      const program = await this.make(assignment, (reason, exitCode) =>
        this.tell({ type: 'stop-program', reason, exitCode }),
      );
      this.program = program;
      if (this.drainReason === null) {
        const { epoch } = await program.start((why) => this.tell({ type: 'waiting', why }));
        this.ready = true;
        this.tell({ type: 'ready', epoch });
        this.statsTimer = setInterval(() => void this.tellStatus(), HEARTBEAT_MS);
      }
    } catch (error) {
      if (this.drainReason === null) return this.failed(error);
    }
    if (this.drainReason !== null) await this.finish();
  }

  /** Drains and ends; during a start, ends it as soon as the step under way lets it. */
  drain(reason: string): void {
    if (this.drainReason !== null) return;
    this.drainReason = reason;
    if (this.ready) void this.finish();
    else if (!this.program) this.end(0);
    else void this.program.stop(Deadline.in(this.program.shutdownTimeMs)).finally(() => this.end(0));
  }

  async answer(id: number, question: Question): Promise<void> {
    let answer: Answer;
    try {
      answer = this.program ? await this.program.ask(question) : { ok: false, why: 'the worker is starting' };
    } catch (error) {
      answer = { ok: false, why: messageOf(error) };
    }
    this.tell({ type: 'answer', id, answer });
  }

  /** Something escaped everything else: the state of this process is unknown, so it ends; committed state is what counts. */
  crashed(error: unknown): void {
    if (this.program) this.program.log.error('worker crashes on an uncaught error', { error });
    else console.error(error);
    this.end(1);
  }

  private async finish(): Promise<void> {
    const program = this.program;
    if (!program) return this.end(0);
    if (this.statsTimer) clearInterval(this.statsTimer);
    program.log.info('draining', { why: this.drainReason });
    try {
      const { left } = await program.stop(Deadline.in(program.shutdownTimeMs));
      this.tell({ type: 'drained', left });
      this.end(left > 0 ? 1 : 0);
    } catch (error) {
      program.log.error('the worker did not stop in order', { error });
      this.end(1);
    }
  }

  private async failed(error: unknown): Promise<void> {
    const follows = error instanceof ApplicationError ? error.follows : 'retry';
    if (this.program) this.program.log.error('the worker did not start', { error });
    else console.error(messageOf(error));
    await this.program?.stop(Deadline.in(HEARTBEAT_MS)).catch(() => {});
    if (follows === 'exit-1') this.tell({ type: 'stop-program', reason: messageOf(error), exitCode: 1 });
    this.end(follows === 'exit-2' ? 2 : 1);
  }

  private async tellStatus(): Promise<void> {
    const status = await this.program?.status().catch(() => null);
    if (status) this.tell({ type: 'stats', status });
  }
}

/** Runs a forked worker until the primary or its own failure ends it. */
export async function runForkedWorker(make: MakeProgram): Promise<void> {
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  let sent = Promise.resolve();
  const tell = (message: FromWorker) => {
    if (!process.connected) return;
    sent = new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  };
  const life = new WorkerLife(make, tell);
  process.on('uncaughtException', (error) => life.crashed(error));
  process.on('unhandledRejection', (error) => life.crashed(error));
  process.on('disconnect', () => life.drain('the primary is gone'));
  process.on('message', (message: ToWorker) => {
    if (message.type === 'assign') void life.begin(message.assignment);
    else if (message.type === 'drain') life.drain('ordered by the primary');
    else void life.answer(message.id, message.question);
  });
  tell({ type: 'heartbeat' });
  const beat = setInterval(() => tell({ type: 'heartbeat' }), HEARTBEAT_MS);
  const exitCode = await life.ended;
  clearInterval(beat);
  await Promise.race([sent, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
  process.exit(exitCode);
}
