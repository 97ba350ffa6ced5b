/** Slots: one for each role that this program keeps running; which process fills it, and how its starts have gone. */
import type { Answer, Question } from '../ipc/messages.js';
import type { ChildStatus, WorkerState } from '../ipc/status.js';
import type { Child } from './child.js';
import type { Role } from './roles.js';

export class Slot {
  /** Null between a crash and its respawn. */
  child: Child | null = null;
  /** Where it starts before its predecessor ends: the one that fills the slot when it is ready. */
  successor: Child | null = null;
  /** It has crashed too often, which stops nothing else. */
  failed = false;
  respawns = 0;
  /** Whether one of its processes was ever ready or stood by: then what its files say has been right once. */
  hasStarted = false;
  private readonly startListeners = new Set<(started: boolean) => void>();

  constructor(readonly role: Role) {}

  /** A child is ready or stands by: what its files say is right. Returns the predecessor that is to leave for it. */
  begun(child: Child, state: 'running' | 'standby'): Child | null {
    child.state = state;
    this.hasStarted = true;
    this.failed = false;
    const predecessor = child === this.successor ? this.child : null;
    if (child === this.successor) {
      this.child = child;
      this.successor = null;
    }
    this.tellStart(true);
    return predecessor;
  }

  /** True where the slot has lost the process that filled it. */
  lost(child: Child): boolean {
    if (child === this.successor) {
      this.successor = null;
      this.tellStart(false);
    }
    if (child !== this.child) return false;
    this.child = null;
    return true;
  }

  /** Resolves true when the next process is ready or stands by, false when it ends before. */
  nextStart(): Promise<boolean> {
    return new Promise((resolve) => this.startListeners.add(resolve));
  }

  tellStart(started: boolean): void {
    for (const listener of this.startListeners) listener(started);
    this.startListeners.clear();
  }

  ask(question: Question): Promise<Answer> {
    return this.child?.ask(question) ?? Promise.resolve({ ok: false, why: `${this.role.name} is down` });
  }

  get state(): WorkerState {
    const { child } = this;
    if (child === null) return this.failed ? 'failed' : 'down';
    return child.state === 'starting' && child.status?.waitsFor ? 'waiting' : child.state;
  }

  describe(now: number): ChildStatus {
    const { child, state, respawns } = this;
    const uptimeMs = child === null ? 0 : Math.round(now - child.since);
    return { pid: child?.fork.pid ?? null, state, uptimeMs, respawns };
  }
}
