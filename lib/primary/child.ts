/** Child: one process of a role, from its fork to its exit: in what state it is, what it said last, what it was asked. */
import { type Answer, QUESTIONS_LIMIT, type Question } from '../ipc/messages.js';
import type { WorkerState, WorkerStatus } from '../ipc/status.js';
import type { Fork } from './forks.js';
import type { Release } from './release.js';
import type { Role } from './roles.js';

/** What it is given, which it reads from the same configuration. */
export interface ChildLimits {
  /** How long it may give no sign of life. */
  readonly hangTimeoutMs: number;
  /** How long its drain may take. */
  readonly shutdownTimeMs: number;
}

export class Child {
  state: WorkerState = 'starting';
  /** Its end is ordered: the exit that follows is no crash. */
  leaving = false;
  /** It is of another version of the program, and was ended for it. */
  refused = false;
  /** It leaves because it would have done so from the beginning. */
  replacedAtOnce = false;
  /** Whether it has said anything yet. */
  heard = false;
  /** When it last gave a sign of life, in milliseconds that only grow. */
  lastHeartbeat: number;
  status: WorkerStatus | null = null;
  /** A task that broke its lane or process before, and the hook that it calls; null where there is none. */
  suspect: { readonly entity: string; readonly hook: string } | null = null;
  private readonly reportListeners = new Set<() => void>();
  private readonly questions = new Map<number, (answer: Answer) => void>();
  private nextQuestion = 1;

  /** `since`: when it was forked, in milliseconds that only grow. */
  constructor(
    readonly role: Role,
    readonly fork: Fork,
    readonly release: Release,
    readonly limits: ChildLimits,
    readonly since: number,
  ) {
    this.lastHeartbeat = since;
  }

  /** A process that does not listen yet misses it: it is told once it has said hello. */
  drain(): void {
    this.leaving = true;
    this.state = 'draining';
    this.fork.send({ type: 'drain' });
  }

  reported(status: WorkerStatus | null): void {
    this.status = status;
    this.tellReported();
  }

  /** Asks for its figures of now; resolves when it has told them, or has ended. One that hangs does neither, and is not asked without limit. */
  report(): Promise<void> {
    if (!this.heard || this.reportListeners.size >= QUESTIONS_LIMIT) return Promise.resolve();
    return new Promise((resolve) => {
      this.reportListeners.add(resolve);
      this.fork.send({ type: 'report' });
    });
  }

  /** Answers with a reason when it does not run or ends meanwhile. */
  ask(question: Question): Promise<Answer> {
    const { name } = this.role;
    if (this.state !== 'running') return Promise.resolve({ ok: false, why: `${name} is ${this.state}` });
    if (this.questions.size >= QUESTIONS_LIMIT) {
      return Promise.resolve({ ok: false, why: `${name} has ${QUESTIONS_LIMIT} open questions` });
    }
    const id = this.nextQuestion++;
    return new Promise((resolve) => {
      this.questions.set(id, resolve);
      this.fork.send({ type: 'ask', id, question });
    });
  }

  answered(id: number, answer: Answer): void {
    this.questions.get(id)?.(answer);
    this.questions.delete(id);
  }

  /** Nobody waits for it any more. */
  ended(): void {
    this.state = 'down';
    this.tellReported();
    for (const answer of this.questions.values()) answer({ ok: false, why: `${this.role.name} has ended` });
    this.questions.clear();
  }

  private tellReported(): void {
    for (const listener of this.reportListeners) listener();
    this.reportListeners.clear();
  }
}
