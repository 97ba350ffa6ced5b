/**
 * A worker alone in its process, without a primary: for a supervisor or container of the user's own. It takes the place of the
 * primary towards the commands (control socket) and towards the worker (what it tells is logged); whoever started it restarts it.
 */
import type { Configuration } from '../config/configuration.js';
import { ControlServer } from '../ipc/control.js';
import {
  type Answer,
  type Assignment,
  type ControlReply,
  type ControlRequest,
  type FromWorker,
  QUESTIONS_LIMIT,
  type Question,
} from '../ipc/messages.js';
import { ownSpeaker } from '../ipc/protocol.js';
import type { ProgramStatus, WorkerState, WorkerStatus } from '../ipc/status.js';
import { createLogger, type Logger } from '../observability/logger.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { LAUNCHER_GONE } from '../runtime/launcher.js';
import { printableError } from '../runtime/printable.js';
import { type Importing, type MakeProgram, obeySignals, ProcessEnd, WorkerLife } from './process.js';

export interface StandaloneOptions {
  readonly configuration: Configuration;
  readonly assignment: Assignment;
  readonly make: MakeProgram;
  /** Calls the listener when npm has ended that started this process; returns what ends that. */
  readonly onLauncherGone: (listener: () => void) => () => void;
  /** With what the process ends after a stop in order. */
  readonly stopExitCode: number;
}

/** Runs until a signal, the control socket or its own failure ends the worker, then ends the process with its exit code. */
export async function runStandaloneWorker(options: StandaloneOptions): Promise<never> {
  const { configuration, assignment, make, onLauncherGone, stopExitCode } = options;
  const { level, format } = configuration.logging;
  const { index } = assignment;
  const log = createLogger({ level, format, fields: { index } });
  const { runtimeDir: folder, control: limits, broker } = configuration;
  const place = { folder, firstIndex: index, mayShare: broker.kind === 'rabbitmq' };
  const control = new ControlServer(place, limits, (asked, reply) => worker.serve(asked, reply));
  await control.start();
  // From here on this process ends by its own word alone.
  const end = new ProcessEnd((why) => console.error(printableError(`dp3-cluster: ${why}`)));
  const worker = new StandaloneWorker(configuration, index, make, log, systemClock, end.importing);
  obeySignals(worker.life, end, systemClock);
  onLauncherGone(() => worker.life.drain(LAUNCHER_GONE));
  log.info('starting', { app: configuration.app, numProcesses: configuration.numProcesses, pid: process.pid });
  void worker.life.begin(assignment);
  const exitCode = await worker.ended;
  log.info('worker ended', { exitCode });
  // Whoever waits for the end is told of it first.
  await new Promise((resolve) => setImmediate(resolve));
  await control.stop();
  await log.close();
  // What modules have left open must not keep the process.
  return end.leave(exitCode === 0 ? stopExitCode : exitCode);
}

/** The one worker, seen from where its primary would be. */
export class StandaloneWorker {
  readonly life: WorkerLife;
  /** Its exit code, or a worse one that was ordered. */
  readonly ended: Promise<number>;
  private readonly startedAt: number;
  private readonly questions = new Map<number, (answer: Answer) => void>();
  private asked = 0;
  private state: WorkerState = 'starting';
  private figures: WorkerStatus | null = null;
  private ordered = 0;

  constructor(
    private readonly configuration: Pick<Configuration, 'app' | 'numProcesses'>,
    private readonly index: number,
    make: MakeProgram,
    private readonly log: Logger,
    private readonly clock: Clock,
    importing: Importing,
  ) {
    this.startedAt = clock.monotonic();
    this.life = new WorkerLife(make, (message) => this.heard(message), importing);
    this.ended = this.life.ended.then((exitCode) => {
      this.state = 'down';
      for (const resolve of this.questions.values()) resolve({ ok: false, why: 'the worker has ended' });
      return Math.max(exitCode, this.ordered);
    });
  }

  async serve(request: ControlRequest, reply: (reply: ControlReply) => void): Promise<void> {
    switch (request.type) {
      case 'status':
        await this.life.report();
        reply({ type: 'status', status: this.status() });
        return;
      case 'stop': {
        this.drain('ordered by command');
        const exitCode = await this.ended;
        const sentence = exitCode === 0 ? 'stopped in order' : `stopped with exit code ${exitCode}; see the log`;
        reply({ type: 'done', ok: exitCode === 0, sentence });
        return;
      }
      case 'ask':
        reply({ type: 'answer', answer: await this.ask(request.index, request.question) });
        return;
      case 'reload':
        reply({ type: 'done', ok: false, sentence: 'a worker alone can not reload: have its supervisor restart it' });
        return;
      default:
        reply({ type: 'done', ok: false, sentence: 'this request is not known' });
    }
  }

  private status(): ProgramStatus {
    const { app, numProcesses } = this.configuration;
    const { pid } = process;
    const uptimeMs = Math.round(this.clock.monotonic() - this.startedAt);
    const { index, state, figures: worker } = this;
    const slots = [{ index, pid, state, uptimeMs, respawns: 0, worker }];
    return { ...ownSpeaker(), app, pid, uptimeMs, numProcesses, slots };
  }

  private ask(index: number, question: Question): Promise<Answer> {
    if (index !== this.index) {
      return Promise.resolve({ ok: false, why: `index ${index} is not served by this program` });
    }
    if (this.questions.size >= QUESTIONS_LIMIT) {
      return Promise.resolve({ ok: false, why: `the worker of index ${index} has ${QUESTIONS_LIMIT} open questions` });
    }
    const id = this.asked++;
    return new Promise((resolve) => {
      this.questions.set(id, resolve);
      void this.life.answer(id, question);
    });
  }

  private heard(message: FromWorker): void {
    switch (message.type) {
      case 'waiting':
        this.state = 'standby';
        this.log.warn('worker stands by', { why: message.why });
        return;
      case 'ready':
        this.state = 'running';
        this.log.info('worker ready', { pid: process.pid, epoch: message.epoch });
        return;
      case 'stats':
        this.figures = message.status;
        return;
      case 'stop-program':
        this.ordered = Math.max(this.ordered, message.exitCode);
        this.drain(message.reason);
        return;
      case 'lost':
        this.log.warn('worker has lost its index and ends', { why: message.why });
        this.ordered = Math.max(this.ordered, 1);
        this.drain(message.why);
        return;
      case 'restart':
        // Its supervisor starts it again.
        this.ordered = Math.max(this.ordered, 1);
        this.drain(message.why);
        return;
      case 'answer':
        this.questions.get(message.id)?.(message.answer);
        this.questions.delete(message.id);
        return;
      case 'failed':
        for (const why of message.why.split('\n')) this.log.error('the worker can not start', { why });
        return;
      case 'heartbeat':
      case 'rehearsed':
      case 'drained':
        return;
    }
  }

  private drain(reason: string): void {
    this.state = 'draining';
    this.life.drain(reason);
  }
}
