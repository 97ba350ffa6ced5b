/** Slots: one for each index that this primary serves; which process fills it, in what state, and what it last said of itself. */
import { type Answer, QUESTIONS_LIMIT, type Question } from '../ipc/messages.js';
import type { SlotStatus, WorkerState, WorkerStatus } from '../ipc/status.js';
import type { Fork } from './forks.js';
import type { Release } from './release.js';

/** What a worker is given, which it reads from the same configuration. */
export interface WorkerLimits {
  /** How long it may give no sign of life. */
  readonly hangTimeoutMs: number;
  /** How long its drain may take. */
  readonly shutdownTimeMs: number;
}

export class Slot {
  fork: Fork | null = null;
  state: WorkerState = 'down';
  respawns = 0;
  /** Whether a worker of this program was ever ready or stood by: then what its files say has been right once. */
  hasStarted = false;
  /** A drain that the primary ordered is under way: the exit that follows is no crash. */
  leaving = false;
  /** The worker is of another version of the program, and was ended for it. */
  refused = false;
  /** It leaves because it would have done so from the beginning. */
  replacedAtOnce = false;
  /** Whether the worker has said anything yet. */
  heard = false;
  /** When the worker last gave a sign of life, in milliseconds that only grow. */
  lastHeartbeat = 0;
  /** Those of the worker that fills it. */
  limits: WorkerLimits = { hangTimeoutMs: 0, shutdownTimeMs: 0 };
  /** What it runs. */
  release: Release = { worker: '', workingDir: '', configDir: '' };
  private since = 0;
  private status: WorkerStatus | null = null;
  private readonly reportListeners = new Set<() => void>();
  private readonly startListeners = new Set<(started: boolean) => void>();
  private nextQuestion = 1;
  private readonly questions = new Map<number, (answer: Answer) => void>();

  constructor(readonly index: number) {}

  filled(fork: Fork, release: Release, limits: WorkerLimits, now: number): void {
    this.fork = fork;
    this.release = release;
    this.limits = limits;
    this.state = 'starting';
    this.leaving = false;
    this.replacedAtOnce = false;
    this.refused = false;
    this.heard = false;
    this.since = now;
    this.lastHeartbeat = now;
    this.status = null;
  }

  /** What its files say is right. */
  begun(state: 'running' | 'standby'): void {
    this.state = state;
    this.hasStarted = true;
    this.tellStart(true);
  }

  /** Resolves true when the next worker of this index is ready or stands by, false when it ends before. */
  nextStart(): Promise<boolean> {
    return new Promise((resolve) => this.startListeners.add(resolve));
  }

  tellStart(started: boolean): void {
    for (const listener of this.startListeners) listener(started);
    this.startListeners.clear();
  }

  emptied(): void {
    this.fork = null;
    this.state = 'down';
    this.status = null;
    this.tellReported();
    for (const answer of this.questions.values())
      answer({ ok: false, why: `the worker of index ${this.index} has ended` });
    this.questions.clear();
  }

  reported(status: WorkerStatus | null): void {
    this.status = status;
    this.tellReported();
  }

  /**
   * Asks the worker for its figures of now; resolves when it has told them, or has ended. One that hangs does neither, and is not asked without
   * limit.
   */
  report(): Promise<void> {
    const fork = this.fork;
    if (!fork || !this.heard || this.reportListeners.size >= QUESTIONS_LIMIT) return Promise.resolve();
    return new Promise((resolve) => {
      this.reportListeners.add(resolve);
      fork.send({ type: 'report' });
    });
  }

  /** Asks the worker; answers with a reason when there is none or it ends meanwhile. */
  ask(question: Question): Promise<Answer> {
    const fork = this.fork;
    if (!fork || this.state !== 'running') {
      return Promise.resolve({ ok: false, why: `the worker of index ${this.index} is ${this.state}` });
    }
    if (this.questions.size >= QUESTIONS_LIMIT) {
      return Promise.resolve({
        ok: false,
        why: `the worker of index ${this.index} has ${QUESTIONS_LIMIT} open questions`,
      });
    }
    const id = this.nextQuestion++;
    return new Promise((resolve) => {
      this.questions.set(id, resolve);
      fork.send({ type: 'ask', id, question });
    });
  }

  answered(id: number, answer: Answer): void {
    this.questions.get(id)?.(answer);
    this.questions.delete(id);
  }

  private tellReported(): void {
    for (const listener of this.reportListeners) listener();
    this.reportListeners.clear();
  }

  describe(now: number): SlotStatus {
    return {
      index: this.index,
      pid: this.fork?.pid ?? null,
      state: this.state === 'starting' && this.status?.waitsFor ? 'waiting' : this.state,
      uptimeMs: this.fork ? Math.round(now - this.since) : 0,
      respawns: this.respawns,
      worker: this.status,
    };
  }
}
