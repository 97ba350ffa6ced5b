/**
 * The process side of a worker: signals, the channel to the primary, uncaught errors, the exit code. What it runs is the
 * `WorkerProgram` that assemble.ts puts together.
 *
 * A forked worker ignores SIGINT and SIGTERM and obeys the primary's messages alone, because a terminal's Ctrl-C reaches every
 * process of the group. When the primary is gone it drains and ends, so that kill -9 of the primary leaves no orphan.
 */
import cluster from 'node:cluster';
import type { Answer, Assignment, FromWorker, Question, ToWorker } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, speakerOf, understands } from '../ipc/protocol.js';
import type { WorkerStatus } from '../ipc/status.js';
import type { Logger } from '../observability/logger.js';
import { type Clock, every, systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, isStoreFailure, messageOf } from '../runtime/errors.js';
import { printableError } from '../runtime/printable.js';
import { stopSignals } from '../runtime/stop-signals.js';
import { leaveClosedTerminal, watchTerminal } from '../runtime/terminal.js';

/** What a worker process runs. */
export interface WorkerProgram {
  readonly log: Logger;
  readonly shutdownTimeMs: number;
  /** Starts in the order of product.md and resolves with the epoch once it consumes. */
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
  /** The whole program stops in order; the reason is logged and the exit code is this one, unless a worse one comes. */
  stopProgram(reason: string, exitCode: 0 | 1 | 2): void;
  /** This worker drains as far as it can and ends with exit code 1, which counts as a crash. */
  stopWorker(reason: string): void;
  /** Whoever supervises this worker replaces it in order, which is no crash. `atOnce`: the next one will need it, too. */
  restartWorker(reason: string, atOnce: boolean): void;
  /** Another process owns its index by now: this one ends, and whoever supervises it has another one stand by in its place. */
  standBy(reason: string): void;
  /** Why this worker can not consume yet, while it waits for that. */
  waiting(why: string): void;
}

/** Told of the file of a module that is to be imported; what it returns is called afterwards. */
export type Importing = (file: string) => () => void;
/** Makes the program for an assignment. */
export type MakeProgram = (assignment: Assignment, orders: Orders, importing: Importing) => Promise<WorkerProgram>;
/** Throws what would keep the program from being made. */
export type Rehearse = (assignment: Assignment, importing: Importing) => Promise<void>;

/** How long the parts of a worker that did not start may take to close. */
const CLOSE_MS = 1_000;
/** How long a crash may take to commit what has finished. */
const LAST_COMMIT_MS = 1_000;
/** How long the last message to the primary may take. */
const LAST_WORDS_MS = 500;

/**
 * The end of this process. Module code can call process.exit, and then nobody would know why a worker is gone: that is told, and the
 * exit code is ours. A file that does it while it is imported would do it in the next process too, so that is wrong configuration.
 */
export class ProcessEnd {
  private file: string | null = null;
  private chosen = false;

  /** `tell` must have told when it returns. */
  constructor(private readonly tell: (why: string) => void) {
    process.on('exit', (exitCode) => this.ended(exitCode));
  }

  readonly importing: Importing = (file) => {
    this.file = file;
    return () => {
      this.file = null;
    };
  };

  leave(exitCode: number): never {
    this.chosen = true;
    return process.exit(exitCode);
  }

  private ended(exitCode: number): void {
    leaveClosedTerminal();
    if (this.chosen) return;
    const when = this.file === null ? 'while it ran' : `while ${this.file} was imported`;
    process.exitCode = this.file === null ? 1 : 2;
    this.tell(`module code ended the process with exit code ${exitCode} ${when}; it must not call process.exit`);
  }
}

/** One life of a worker, from its assignment to its exit code. `tell` reaches whoever supervises it. */
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
  ) {
    let end: (exitCode: number) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.end = end;
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

  /** Ends with the exit code of one that can not start from what is on disk. */
  refuse(): void {
    this.leaving = true;
    this.end(2);
  }

  /** Drains and ends with this exit code, or with 1 when tasks were left. A start that is under way ends first. */
  drain(reason: string, exitCode: 0 | 1 = 0): void {
    if (this.leaving) return;
    this.leaving = true;
    if (this.program) void this.finish(this.program, reason, exitCode);
    else this.end(exitCode);
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

  reloading(underWay: boolean): void {
    this.program?.reloading(underWay);
  }

  /** Tells the figures of now. */
  async report(): Promise<void> {
    this.tell({ type: 'stats', status: (await this.program?.status()) ?? null });
  }

  /**
   * Something escaped everything else, mostly out of a timer of a module: the state of this process is unknown, so it ends. What had
   * finished by then is committed first: its tasks have no attempt to count, so they would lead to the same end for ever.
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

  private async finish(program: WorkerProgram, reason: string, exitCode: 0 | 1): Promise<void> {
    program.log.info('draining', { why: reason });
    try {
      const { left } = await program.stop(Deadline.in(program.shutdownTimeMs));
      this.tell({ type: 'drained', left });
      this.end(left > 0 ? 1 : exitCode);
    } catch (error) {
      program.log.error('the worker did not stop in order', { error });
      this.end(1);
    }
  }

  private async failed(error: unknown): Promise<void> {
    const follows = error instanceof ApplicationError ? error.follows : 'retry';
    if (this.program) this.program.log.error('the worker did not start', { error });
    else this.tell({ type: 'failed', why: messageOf(error) });
    await this.program?.stop(Deadline.in(CLOSE_MS)).catch(() => {});
    if (follows === 'exit-1') this.tell({ type: 'stop-program', reason: messageOf(error), exitCode: 1 });
    this.end(follows === 'exit-2' ? 2 : 1);
  }
}

/** What escapes all other code of this process. */
function watchErrors(life: WorkerLife): void {
  process.on('uncaughtException', (error) => void life.crashed(error));
  process.on('unhandledRejection', (error) => life.rejected(error));
  // None where they were switched off (NODE_NO_WARNINGS).
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', (warning) => life.warned(warning));
}

/** Node's cluster ends a worker at once when its channel closes, right after this event, unless that was meant: so we say that it was. */
function onPrimaryGone(gone: () => void): void {
  const { worker } = cluster;
  worker?.once('disconnect', () => {
    worker.exitedAfterDisconnect = true;
    gone();
  });
}

/** Runs a forked worker until the primary or its own failure ends it. */
export async function runForkedWorker(make: MakeProgram, rehearse: Rehearse): Promise<void> {
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  let sent = Promise.resolve();
  const tell = (message: FromWorker) => {
    if (!process.connected) return;
    sent = new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  };
  let endHeartbeat = () => {};
  let rehearsing = false;
  const end = new ProcessEnd((why) => tell(rehearsing ? { type: 'rehearsed', why } : { type: 'failed', why }));
  const life = new WorkerLife(make, tell, end.importing);
  watchErrors(life);
  onPrimaryGone(() => life.drain('the primary is gone'));
  process.on('message', (message: ToWorker) => {
    if (message.type === 'assign' && !understands(speakerOf(message))) {
      tell({ type: 'failed', why: restartNeeded(speakerOf(message), ownSpeaker()) });
      life.refuse();
    } else if (message.type === 'assign') {
      endHeartbeat = every(message.assignment.heartbeatMs, () => tell({ type: 'heartbeat' }), systemClock);
      void life.begin(message.assignment);
    } else if (message.type === 'rehearse') {
      rehearsing = true;
      void tried(message, (assignment) => rehearse(assignment, end.importing)).then(tell); // and then the primary ends this process
    } else if (message.type === 'drain') life.drain('ordered by the primary');
    else if (message.type === 'reload') life.reloading(message.underWay);
    else if (message.type === 'report') void life.report();
    else void life.answer(message.id, message.question);
  });
  tell({ type: 'hello', ...ownSpeaker() });
  const exitCode = await life.ended;
  endHeartbeat();
  await Deadline.in(LAST_WORDS_MS).allows(sent);
  end.leave(exitCode);
}

/** Whether a worker could start from what is on disk by now, under a primary that may be of another version. */
async function tried(
  order: ToWorker & { readonly type: 'rehearse' },
  rehearse: (assignment: Assignment) => Promise<void>,
): Promise<FromWorker> {
  const primary = speakerOf(order);
  if (!understands(primary)) return { type: 'rehearsed', why: restartNeeded(primary, ownSpeaker()), restart: true };
  try {
    await rehearse(order.assignment);
    return { type: 'rehearsed', why: null };
  } catch (error) {
    const restart = error instanceof ApplicationError && error.code === 'RESTART_NEEDED';
    return { type: 'rehearsed', why: messageOf(error), restart };
  }
}

/**
 * What a process does whose only worker this is, started by a supervisor of the user's own: the first SIGINT or SIGTERM drains it, a
 * second one ends it at once. A worker can not reload itself, so SIGHUP changes nothing, unless its terminal was closed: that drains it.
 */
export function obeySignals(life: WorkerLife, end: ProcessEnd, clock: Clock): void {
  const heard = stopSignals(
    clock,
    (signal) => life.drain(`signal ${signal}`),
    () => end.leave(1),
  );
  const terminalClosed = watchTerminal();
  process.on('SIGINT', heard);
  process.on('SIGTERM', heard);
  process.on('SIGHUP', () => {
    if (terminalClosed()) life.drain('its terminal was closed');
  });
  watchErrors(life);
}
