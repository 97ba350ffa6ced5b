/**
 * One life of a worker, from its assignment to its exit code, whatever process it runs in: what it is told by whoever supervises it, and what
 * it tells. What it runs is the `WorkerProgram` that assemble.ts puts together.
 */
import type { Answer, Assignment, FromWorker, Question, ToWorker } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, type Speaker, speakerOf, understands } from '../ipc/protocol.js';
import type { WorkerStatus } from '../ipc/status.js';
import type { Logger } from '../observability/logger.js';
import { type Clock, every } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, isStoreFailure, messageOf } from '../runtime/errors.js';
import { printableError } from '../runtime/printable.js';

/** What a worker process runs. */
export interface WorkerProgram {
  readonly log: Logger;
  readonly shutdownTimeMs: number;
  /** Starts in the order of assemble.ts and resolves with the epoch once it consumes. */
  start(): Promise<{ readonly epoch: number }>;
  /** Drains by the deadline; resolves with the number of tasks that were left. Also ends a start that is under way. */
  stop(deadline: Deadline): Promise<{ readonly left: number }>;
  status(): Promise<WorkerStatus>;
  /** Told when a reload begins and, unless this worker is replaced by it, when it has ended. */
  reloading(underWay: boolean): void;
  ask(question: Question): Promise<Answer>;
  /** Module code left a promise alone and it rejected: told and counted. */
  rejected(error: unknown): void;
  /** Starts nothing more and commits what has finished, by the deadline. */
  commitFinished(deadline: Deadline): Promise<void>;
  /** Starts nothing more; what runs counts no attempt when this process ends. */
  absolve(): void;
}

/** What any component of a worker can order. */
export interface Orders {
  /** The whole program shuts down gracefully; the reason is logged and the exit code is this one, unless a worse one comes. */
  stopProgram(reason: string, exitCode: 0 | 1 | 2): void;
  /** This worker drains as far as it can and ends with exit code 1, which counts as a crash. */
  stopWorker(reason: string): void;
  /** Whoever supervises this worker replaces it in order, which is no crash. `atOnce`: the next one will need it, too. */
  restartWorker(reason: string, atOnce: boolean): void;
  /** Another process owns its index by now: this one ends, and whoever supervises it has another one stand by in its place. */
  standBy(reason: string): void;
  /** A task that broke its lane or process before calls a hook; null: it has run. */
  suspect(entity: string, hook: string | null): void;
  /** Why this worker cannot consume yet, while it waits for that. */
  waiting(why: string): void;
}

/** Told of the file of a module that is to be imported; what it returns is called afterwards. */
export type Importing = (file: string) => () => void;
/** Makes the program for an assignment. */
export type MakeProgram = (assignment: Assignment, orders: Orders, importing: Importing) => Promise<WorkerProgram>;
/** Throws what would keep the program from being made. */
export type Rehearse = (assignment: Assignment, importing: Importing) => Promise<void>;

/** Exit code of one that cannot start from what is on disk. */
const REFUSED = 2;
/** How long the parts of a worker that did not start may take to close. */
const CLOSE_MS = 1_000;
/** How long a crash may take to commit what has finished. */
const LAST_COMMIT_MS = 1_000;

/** `tell` reaches whoever supervises it. */
export class WorkerLife {
  readonly ended: Promise<number>;
  private readonly end: (exitCode: number) => void;
  private program: WorkerProgram | null = null;
  private leaving = false;
  private crashing = false;

  constructor(
    private readonly make: MakeProgram,
    private readonly tell: (message: FromWorker) => void,
    private readonly importing: Importing,
    private readonly clock: Clock,
  ) {
    let end: (exitCode: number) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.end = end;
  }

  /** A message of whoever supervises it. */
  hear(message: Exclude<ToWorker, { readonly type: 'rehearse' }>): void {
    switch (message.type) {
      case 'assign':
        this.assigned(message.assignment, speakerOf(message));
        return;
      case 'drain':
        this.drain('ordered by the primary');
        return;
      case 'reload':
        this.program?.reloading(message.underWay);
        return;
      case 'report':
        void this.report();
        return;
      case 'ask':
        void this.answer(message.id, message.question);
    }
  }

  async begin(assignment: Assignment): Promise<void> {
    const orders: Orders = {
      stopProgram: (reason, exitCode) => this.tell({ type: 'stop-program', reason, exitCode }),
      stopWorker: (reason) => this.drain(reason, 1),
      restartWorker: (why, atOnce) => this.tell({ type: 'restart', why, atOnce }),
      standBy: (why) => {
        this.tell({ type: 'lost', why });
        this.drain(why);
      },
      waiting: (why) => this.tell({ type: 'waiting', why }),
      suspect: (entity, hook) => this.tell({ type: 'suspect', entity, hook }),
    };
    try {
      this.program = await this.make(assignment, orders, this.importing);
      if (this.leaving) return;
      const { epoch } = await this.program.start();
      if (this.leaving) return;
      this.tell({ type: 'ready', epoch });
    } catch (error) {
      if (!this.leaving) await this.failed(error);
    }
  }

  /** Drains and ends with this exit code, or with 1 when tasks were left. A start that is under way ends first. */
  drain(reason: string, exitCode: 0 | 1 = 0): void {
    if (this.leaving) return;
    this.leaving = true;
    if (this.program) void this.finish(this.program, reason, exitCode);
    else this.end(exitCode);
  }

  private async answer(id: number, question: Question): Promise<void> {
    let answer: Answer;
    try {
      answer = this.program ? await this.program.ask(question) : { ok: false, why: 'the worker is starting' };
    } catch (error) {
      answer = { ok: false, why: messageOf(error) };
    }
    this.tell({ type: 'answer', id, answer });
  }

  /** Tells the figures of now. */
  private async report(): Promise<void> {
    this.tell({ type: 'stats', status: (await this.program?.status()) ?? null });
  }

  /**
   * Something escaped everything else, mostly out of a timer of a module: the state of this process is unknown, so it ends. What had
   * finished by then is committed first: its tasks have no attempt to count, so they would lead to the same end forever.
   */
  async crashed(error: unknown): Promise<void> {
    if (this.program) this.program.log.error('worker crashes on an uncaught error', { error });
    else console.error(printableError(error));
    if (this.crashing) return;
    this.crashing = true;
    this.leaving = true;
    if (isStoreFailure(error)) {
      this.program?.absolve();
      this.tell({ type: 'stop-program', reason: messageOf(error), exitCode: 1 });
    } else await this.program?.commitFinished(Deadline.in(LAST_COMMIT_MS)).catch(() => {});
    this.end(1);
  }

  /** Of Node.js or a library: left to itself it is plain text among the JSON of the log. */
  warned({ name, message }: Error): void {
    const why = `${name}: ${message}`;
    if (this.program) this.program.log.warn('a warning of Node.js', { why });
    else console.error(printableError(why));
  }

  /** A promise rejected that nobody waits for: a mistake of a module that harms no other task. */
  rejected(error: unknown): void {
    if (isStoreFailure(error)) void this.crashed(error);
    else if (this.program) this.program.rejected(error);
    else console.error(printableError(error));
  }

  private assigned(assignment: Assignment, primary: Speaker): void {
    if (understands(primary)) {
      const endHeartbeat = every(assignment.heartbeatMs, () => this.tell({ type: 'heartbeat' }), this.clock);
      void this.ended.then(endHeartbeat);
      void this.begin(assignment);
      return;
    }
    this.tell({ type: 'failed', why: restartNeeded(primary, ownSpeaker()) });
    this.leaving = true;
    this.end(REFUSED);
  }

  private async finish(program: WorkerProgram, reason: string, exitCode: 0 | 1): Promise<void> {
    program.log.info('draining', { why: reason });
    try {
      const { left } = await program.stop(Deadline.in(program.shutdownTimeMs));
      this.tell({ type: 'drained', left });
      this.end(left > 0 ? 1 : exitCode);
    } catch (error) {
      program.log.error('the worker did not shut down gracefully', { error });
      this.end(1);
    }
  }

  private async failed(error: unknown): Promise<void> {
    const follows = error instanceof ApplicationError ? error.follows : 'retry';
    if (this.program) this.program.log.error('the worker did not start', { error });
    else this.tell({ type: 'failed', why: messageOf(error) });
    await this.program?.stop(Deadline.in(CLOSE_MS)).catch(() => {});
    if (follows === 'exit-1') this.tell({ type: 'stop-program', reason: messageOf(error), exitCode: 1 });
    this.end(follows === 'exit-2' ? REFUSED : 1);
  }
}
