/**
 * Supervisor: keeps one process of each role alive within limits, and ends them in order. It processes no task.
 *
 * It forks **for a role**: the successor of one that crashed gets the same index, after a pause, once the old process is really gone.
 * Exit code 2 means that its configuration is wrong: the program ends, unless the role has had a process already. Then somebody edits the
 * files of a running program: that role waits for it, the others go on. An ordered stop may come from a signal, a command, a worker or the
 * supervisor itself; the first one decides reason and exit code, unless a later one is worse.
 */
import type { Answer, ConfigurationArguments, FromWorker, Question, Start } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, type Speaker, speakerOf, understands } from '../ipc/protocol.js';
import type { ProgramStatus } from '../ipc/status.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { TrustedTime } from '../runtime/trusted-time.js';
import { Child, type ChildLimits } from './child.js';
import type { Exit, Fork, Forks } from './forks.js';
import { watchHeartbeats } from './heartbeats.js';
import type { Release } from './release.js';
import { type RespawnLimits, RespawnPolicy } from './respawn.js';
import type { Role } from './roles.js';
import { Slot } from './slots.js';

export interface SupervisorOptions {
  readonly app: string;
  readonly numProcesses: number;
  readonly roles: readonly Role[];
  /** Without the folder, which is the release's. */
  readonly config: Omit<ConfigurationArguments, 'dir'>;
  readonly release: Release;
  readonly limits: SupervisorLimits;
}

/** What a reload can change. */
export interface SupervisorLimits extends ChildLimits {
  readonly respawn: RespawnLimits;
  readonly heartbeatMs: number;
}

export type ExitCode = 0 | 1 | 2;

/** What a process gets beyond the drain deadline to write its last lines, before it is killed. */
const KILL_GRACE_MS = 5_000;
/** Exit code of one that cannot start from what is on disk. */
const REFUSED = 2;
/** How long they may take to tell their figures. */
const REPORT_MS = 2_000;

export class Supervisor {
  readonly slots: readonly Slot[];
  /** Resolves with the exit code when every process has ended after an ordered stop. */
  readonly finished: Promise<ExitCode>;
  /** All that live, those that leave too. */
  private readonly children = new Set<Child>();
  private readonly policies: ReadonlyMap<string, RespawnPolicy>;
  private limits: SupervisorLimits;
  private release: Release;
  private readonly startedAt: number;
  private readonly time: TrustedTime;
  private readonly pauses = new Map<Slot, () => void>();
  private stopping: { reason: string; exitCode: ExitCode } | null = null;
  private drainedStage = -1;
  private readonly finish: (exitCode: ExitCode) => void;
  private started = false;
  private endWatch = () => {};
  private endDeadline = () => {};

  constructor(
    private readonly options: SupervisorOptions,
    private readonly forks: Forks,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    const { roles, limits } = options;
    this.slots = roles.map((role) => new Slot(role));
    const count = (kind: string) => roles.filter((role) => role.kind === kind).length;
    this.policies = new Map(roles.map(({ kind }) => [kind, new RespawnPolicy(limits.respawn, count(kind))]));
    this.limits = limits;
    this.release = options.release;
    this.startedAt = clock.monotonic();
    this.time = new TrustedTime(clock, clock.now());
    const { promise, resolve } = settledFromOutside<ExitCode>();
    this.finished = promise;
    this.finish = resolve;
  }

  async start(): Promise<void> {
    const first = await this.forks.first(this.options.roles, this.release);
    for (const [n, slot] of this.slots.entries()) {
      const fork = first[n];
      if (fork) slot.child = this.adopt(slot, fork);
    }
    this.started = true;
    this.endWatch = watchHeartbeats(this.children, this.clock, this.log);
    if (this.stopping) this.drainNext();
  }

  /** Ends the program in order: every process drains. A worse exit code replaces the one of an earlier call. */
  stop(reason: string, exitCode: ExitCode): void {
    if (this.stopping) {
      if (exitCode > this.stopping.exitCode) this.stopping.exitCode = exitCode;
      return;
    }
    this.stopping = { reason, exitCode };
    this.log.info('stopping', { reason, exitCode });
    for (const cancel of this.pauses.values()) cancel();
    this.pauses.clear();
    this.drainNext();
  }

  /** Ends the program at once: what is unfinished stays in the queue. */
  kill(reason: string): void {
    this.stop(reason, 1);
    this.log.warn('killing the workers that are left', { reason });
    if (this.stopping) this.stopping.exitCode = 1;
    for (const { fork } of this.children) fork.kill('SIGKILL');
  }

  /** From now on these hold, for each process from its next fork on. */
  takeOver(release: Release, limits: SupervisorLimits): void {
    this.release = release;
    this.limits = limits;
    for (const policy of this.policies.values()) policy.set(limits.respawn);
  }

  get isStopping(): boolean {
    return this.stopping !== null;
  }

  /** False where whoever started this program starts the next process. */
  get canReplace(): boolean {
    return this.forks.another !== null;
  }

  /** Puts a new process in place of that of a slot; resolves true when it is ready or stands by, false when it failed to. */
  async replace(slot: Slot): Promise<boolean> {
    const started = slot.nextStart();
    const { child, role } = slot;
    if (child !== null && role.succession === 'after') child.drain();
    else if (!this.stopping) this.forkFor(slot);
    return started;
  }

  /** Tells the processes of it that have what is old; those that leave need not know how it ends. */
  reloading(underWay: boolean): void {
    for (const child of this.children) if (child.heard && !child.leaving) child.fork.send({ type: 'reload', underWay });
  }

  ask(index: number, question: Question): Promise<Answer> {
    const slot = this.slots.find(({ role }) => role.index === index);
    return slot?.ask(question) ?? Promise.resolve({ ok: false, why: `index ${index} is not served by this program` });
  }

  /** With the figures that the processes tell now; of one that does not answer in time, those that it told last. */
  async status(): Promise<ProgramStatus> {
    const told = Promise.all([...this.children].map((child) => child.report()));
    await Deadline.in(REPORT_MS, this.clock).allows(told);
    const now = this.clock.monotonic();
    const { app, numProcesses } = this.options;
    const uptimeMs = Math.round(now - this.startedAt);
    const slots = this.slots.flatMap((slot) => {
      const { index } = slot.role;
      return index === null ? [] : [{ index, ...slot.describe(now), worker: slot.child?.status ?? null }];
    });
    const others = this.slots.filter(({ role }) => role.index === null);
    const roles = Object.fromEntries(others.map((slot) => [slot.role.kind, slot.describe(now)]));
    const program = { ...ownSpeaker(), app, pid: process.pid, uptimeMs, numProcesses, slots };
    return others.length === 0 ? program : { ...program, roles };
  }

  private forkFor(slot: Slot): void {
    // A reload need not wait for the pause; and when it ends nobody may be forked a second time.
    this.pauses.get(slot)?.();
    this.pauses.delete(slot);
    const fork = this.forks.another?.(slot.role, this.release);
    if (fork === undefined) return;
    const child = this.adopt(slot, fork);
    if (slot.child === null) slot.child = child;
    else slot.successor = child;
  }

  private adopt(slot: Slot, fork: Fork): Child {
    const child = new Child(slot.role, fork, this.release, this.limits, this.clock.monotonic());
    this.children.add(child);
    fork.onMessage((message) => {
      if (this.children.has(child)) this.heard(slot, child, message);
    });
    void fork.exited.then((exit) => this.exited(slot, child, exit));
    return child;
  }

  private heard(slot: Slot, child: Child, message: FromWorker): void {
    const { kind, fields: who } = child.role;
    const { pid } = child.fork;
    child.lastHeartbeat = this.clock.monotonic();
    child.heard = true;
    switch (message.type) {
      case 'hello':
        this.greeted(child, speakerOf(message));
        return;
      case 'heartbeat':
        // Only who looks all the time knows how long a jump has lasted.
        this.time.now();
        return;
      case 'failed':
        for (const why of message.why.split('\n')) {
          if (child.state === 'running') this.log.error(`the ${kind} ends`, { ...who, why });
          else this.log.error(`the ${kind} cannot start`, { ...who, why });
        }
        return;
      case 'waiting':
        this.log.warn(`${kind} stands by`, { ...who, why: message.why });
        // Somebody else owns the index: it has done what it can for a reload.
        this.begun(slot, child, 'standby');
        return;
      case 'ready':
        this.log.info(`${kind} ready`, { ...who, pid, epoch: message.epoch });
        this.begun(slot, child, 'running');
        return;
      case 'suspect':
        child.suspect = message.hook === null ? null : { entity: message.entity, hook: message.hook };
        return;
      case 'stats':
        child.reported(message.status);
        return;
      case 'stop-program':
        this.stop(message.reason, message.exitCode);
        return;
      case 'lost':
        this.lostIndex(child, message.why);
        return;
      case 'restart':
        if (!child.leaving) this.replaceOutgrown(child, message);
        return;
      case 'drained':
        if (message.left > 0 && this.stopping) this.stop('tasks were left unfinished', 1);
        return;
      case 'answer':
        child.answered(message.id, message.answer);
        return;
      case 'rehearsed':
        return;
    }
  }

  /** What is on disk by now may be another version: it cannot serve this program, whose other processes go on. */
  private greeted(child: Child, speaker: Speaker): void {
    const { role, fork, release } = child;
    if (child.leaving) fork.send({ type: 'drain' });
    else if (understands(speaker)) {
      const config = { ...this.options.config, dir: release.configDir };
      const start: Start = { heartbeatMs: this.limits.heartbeatMs, trustedMs: this.time.now(), config };
      fork.send({ type: 'assign', assignment: role.assignment(start), ...ownSpeaker() });
    } else {
      child.refused = true;
      const why = restartNeeded(ownSpeaker(), speaker);
      this.log.error(`the ${role.kind} cannot start`, { ...role.fields, why });
      fork.kill('SIGKILL');
    }
  }

  /** One that leaves is not what a reload waits for. */
  private begun(slot: Slot, child: Child, state: 'running' | 'standby'): void {
    if (!child.leaving) slot.begun(child, state)?.drain();
  }

  /** It ends by itself, and its successor stands by. */
  private lostIndex(child: Child, why: string): void {
    if (child.leaving) return;
    const fields = { ...child.role.fields, pid: child.fork.pid, why };
    child.leaving = true;
    child.state = 'standby';
    if (this.canReplace) this.log.warn('worker has lost its index and stands by', fields);
    else {
      this.log.warn('worker has lost its index and ends', fields);
      this.stop(why, 1);
    }
  }

  private exited(slot: Slot, child: Child, exit: Exit): void {
    const { role, heard, refused, leaving } = child;
    const code = refused ? REFUSED : exit.code;
    const fields = { ...role.fields, pid: child.fork.pid, ...exit };
    this.children.delete(child);
    child.ended();
    const isVacant = slot.lost(child);
    if (!child.replacedAtOnce) this.policyOf(role).lasted(role);
    if (this.stopping) {
      // A terminal's Ctrl-C also ends a process that is too young to ignore it, and has nothing yet to lose.
      if (code !== 0 && heard && !refused) {
        this.log.error(`a ${role.kind} did not shut down gracefully`, fields);
        this.stop(`a ${role.kind} did not shut down gracefully`, 1);
      } else this.log.info(`${role.kind} ended`, fields);
      this.drainNext();
    } else if (leaving) {
      if (code === 0) this.log.info(`${role.kind} ended as planned`, fields);
      else this.log.error(`a ${role.kind} did not shut down gracefully`, fields);
      if (isVacant) this.forkFor(slot);
    } else if (isVacant) this.fell(slot, code, fields);
    else this.log.error(`the ${role.kind} cannot start`, { ...fields, why: 'it ended before; the old one goes on' });
  }

  /** Nobody ordered its end. */
  private fell(slot: Slot, code: number | null, fields: Record<string, unknown>): void {
    const { role } = slot;
    slot.tellStart(false);
    if (code === REFUSED && !slot.hasStarted && role.crashLoop === 'stops-program') {
      this.stop(`${role.name} refused its configuration`, 2);
    } else if (!this.canReplace) {
      this.log.error(`${role.kind} crashed`, fields);
      this.stop(`${role.name} crashed`, 1);
    } else if (code === REFUSED) {
      const pauseMs = this.policyOf(role).pauseMs(role);
      this.log.error(`${role.kind} cannot load its files; it tries again later`, { ...fields, pauseMs });
      this.forkAfter(slot, pauseMs);
    } else this.crashed(slot, fields);
  }

  private crashed(slot: Slot, fields: Record<string, unknown>): void {
    const { role } = slot;
    const policy = this.policyOf(role);
    const decision = policy.crashed(role, this.clock.monotonic());
    if (decision.kind === 'give-up' && role.crashLoop === 'stops-program') {
      this.log.error(`${role.kind} crashed`, fields);
      this.stop(decision.reason, 1);
      return;
    }
    slot.failed = decision.kind === 'give-up';
    const pauseMs = decision.kind === 'give-up' ? policy.pauseMs(role) : decision.pauseMs;
    this.log.error(`${role.kind} crashed; it comes back after a pause`, { ...fields, pauseMs });
    slot.respawns++;
    this.forkAfter(slot, pauseMs);
  }

  private replaceOutgrown(
    child: Child,
    { why, atOnce = false }: { readonly why: string; readonly atOnce?: boolean },
  ): void {
    const { role, fork } = child;
    this.log.warn(`${role.kind} is replaced`, { ...role.fields, pid: fork.pid, why });
    const { limit } = this.limits.respawn;
    child.replacedAtOnce = atOnce;
    if (!this.canReplace) this.stop(why, 1);
    else if (atOnce && this.policyOf(role).replacedAtOnce(role))
      this.stop(`${role.name} had to be replaced ${limit} times in a row: ${why}`, 1);
    else child.drain();
  }

  private policyOf({ kind }: Role): RespawnPolicy {
    return this.policies.get(kind)!;
  }

  private forkAfter(slot: Slot, pauseMs: number): void {
    this.pauses.set(
      slot,
      this.clock.after(pauseMs, () => this.forkFor(slot), true),
    );
  }

  /** Drains those of the lowest stage that is left, by a deadline of their own; ends the program when none is. */
  private drainNext(): void {
    const open = [...this.children];
    if (open.length === 0) {
      if (this.started) this.end();
      return;
    }
    const stage = Math.min(...open.map(({ role }) => role.drainStage));
    if (stage === this.drainedStage) return;
    this.drainedStage = stage;
    const due = open.filter(({ role }) => role.drainStage === stage);
    for (const child of due) if (!child.leaving) child.drain();
    this.endDeadline();
    const longestMs = Math.max(...due.map(({ limits }) => limits.shutdownTimeMs));
    const late = () => this.kill('the drain deadline has passed');
    this.endDeadline = this.clock.after(longestMs + KILL_GRACE_MS, late, true);
  }

  private end(): void {
    this.endWatch();
    this.endDeadline();
    for (const slot of this.slots) slot.tellStart(false);
    this.finish(this.stopping?.exitCode ?? 0);
  }
}

function settledFromOutside<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
