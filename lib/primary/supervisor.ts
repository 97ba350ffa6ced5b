/**
 * Supervisor: forks a worker for each index, keeps them alive within limits, and ends them in order. It processes no task.
 *
 * It forks **for an index**: a crashed worker's successor gets the same index, after a pause, once the old process is really gone.
 * Exit code 2 of a worker means that its configuration is wrong: the program ends, unless the index has had a worker already. Then somebody
 * edits the files of a running program: that index waits for it, the others go on. An ordered stop may come from a signal, a
 * command, a worker or the supervisor itself; the first one decides reason and exit code, unless a later one is worse.
 */
import type { Answer, Assignment, ConfigurationArguments, FromWorker, Question } from '../ipc/messages.js';
import { ownSpeaker, restartNeeded, type Speaker, speakerOf, understands } from '../ipc/protocol.js';
import type { ProgramStatus } from '../ipc/status.js';
import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { TrustedTime } from '../runtime/trusted-time.js';
import type { Exit, Fork, Forks } from './forks.js';
import type { Release } from './release.js';
import { type RespawnLimits, RespawnPolicy } from './respawn.js';
import { Slot, type WorkerLimits } from './slots.js';
import { watchHeartbeats } from './watch.js';

export interface SupervisorOptions {
  readonly app: string;
  readonly numProcesses: number;
  readonly indexes: readonly number[];
  /** Without the folder, which is the release's. */
  readonly config: Omit<ConfigurationArguments, 'dir'>;
  readonly release: Release;
  readonly limits: SupervisorLimits;
}

/** What a reload can change. */
export interface SupervisorLimits extends WorkerLimits {
  readonly respawn: RespawnLimits;
  readonly heartbeatMs: number;
}

export type ExitCode = 0 | 1 | 2;

/** What a worker gets beyond the drain deadline to write its last lines, before it is killed. */
const KILL_GRACE_MS = 5_000;
/** Exit code of a worker that can not start from what is on disk. */
const REFUSED = 2;
/** How long the workers may take to tell their figures. */
const REPORT_MS = 2_000;

export class Supervisor {
  readonly slots: readonly Slot[];
  /** Resolves with the exit code when every worker has ended after an ordered stop. */
  readonly finished: Promise<ExitCode>;
  private readonly policy: RespawnPolicy;
  private limits: SupervisorLimits;
  private release: Release;
  private readonly startedAt: number;
  private readonly time: TrustedTime;
  private readonly pauses = new Map<Slot, () => void>();
  private stopping: { reason: string; exitCode: ExitCode } | null = null;
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
    this.slots = options.indexes.map((index) => new Slot(index));
    this.policy = new RespawnPolicy(options.limits.respawn, options.indexes.length);
    this.limits = options.limits;
    this.release = options.release;
    this.startedAt = clock.monotonic();
    this.time = new TrustedTime(clock, clock.now());
    const { promise, resolve } = settledFromOutside<ExitCode>();
    this.finished = promise;
    this.finish = resolve;
  }

  async start(): Promise<void> {
    const first = await this.forks.first(this.slots.length, this.release);
    for (const [n, slot] of this.slots.entries()) {
      const fork = first[n];
      if (fork) this.adopt(slot, fork);
    }
    this.started = true;
    this.endWatch = watchHeartbeats(this.slots, this.clock, this.log);
    if (this.stopping) this.drainAll();
  }

  /** Ends the program in order: every worker drains. A worse exit code replaces the one of an earlier call. */
  stop(reason: string, exitCode: ExitCode): void {
    if (this.stopping) {
      if (exitCode > this.stopping.exitCode) this.stopping.exitCode = exitCode;
      return;
    }
    this.stopping = { reason, exitCode };
    this.log.info('stopping', { reason, exitCode });
    for (const cancel of this.pauses.values()) cancel();
    this.pauses.clear();
    this.drainAll();
  }

  /** Ends the program at once: what is unfinished stays in the queue. */
  kill(reason: string): void {
    this.stop(reason, 1);
    this.log.warn('killing the workers that are left', { reason });
    if (this.stopping) this.stopping.exitCode = 1;
    for (const slot of this.slots) slot.fork?.kill('SIGKILL');
  }

  /** From now on these hold, for each worker from its next fork on. */
  takeOver(release: Release, limits: SupervisorLimits): void {
    this.release = release;
    this.limits = limits;
    this.policy.set(limits.respawn);
  }

  get isStopping(): boolean {
    return this.stopping !== null;
  }

  /** Drains the worker of a slot and forks its successor; resolves true when that one is ready or stands by, false when it failed to. */
  async replace(slot: Slot): Promise<boolean> {
    const started = slot.nextStart();
    if (slot.fork) this.drain(slot);
    else if (!this.stopping) this.forkFor(slot);
    return started;
  }

  /** Tells the workers of it that have what is old; those that leave need not know how it ends. */
  reloading(underWay: boolean): void {
    for (const slot of this.slots) if (slot.heard && !slot.leaving) slot.fork?.send({ type: 'reload', underWay });
  }

  ask(index: number, question: Question): Promise<Answer> {
    const slot = this.slots.find((candidate) => candidate.index === index);
    if (!slot) return Promise.resolve({ ok: false, why: `index ${index} is not served by this program` });
    return slot.ask(question);
  }

  /** With the figures that the workers tell now; of one that does not answer in time, those that it told last. */
  async status(): Promise<ProgramStatus> {
    const told = Promise.all(this.slots.map((slot) => slot.report()));
    await Deadline.in(REPORT_MS, this.clock).allows(told);
    const now = this.clock.monotonic();
    const { app, numProcesses } = this.options;
    const slots = this.slots.map((slot) => slot.describe(now));
    const uptimeMs = Math.round(now - this.startedAt);
    return { ...ownSpeaker(), app, pid: process.pid, uptimeMs, numProcesses, slots };
  }

  private forkFor(slot: Slot): void {
    // A reload need not wait for the pause; and when it ends nobody may be forked a second time.
    this.pauses.get(slot)?.();
    this.pauses.delete(slot);
    this.adopt(slot, this.forks.another(this.release));
  }

  private adopt(slot: Slot, fork: Fork): void {
    slot.filled(fork, this.release, this.limits, this.clock.monotonic());
    fork.onMessage((message) => this.heard(slot, fork, message));
    void fork.exited.then((exit) => this.exited(slot, exit));
  }

  private assignmentOf({ index, release }: Slot): Assignment {
    const config = { ...this.options.config, dir: release.configDir };
    return { index, heartbeatMs: this.limits.heartbeatMs, trustedMs: this.time.now(), config };
  }

  private heard(slot: Slot, fork: Fork, message: FromWorker): void {
    if (slot.fork !== fork) return;
    slot.lastHeartbeat = this.clock.monotonic();
    slot.heard = true;
    switch (message.type) {
      case 'hello':
        this.greeted(slot, fork, speakerOf(message));
        return;
      case 'heartbeat':
        // Only who looks all the time knows how long a jump has lasted.
        this.time.now();
        return;
      case 'rehearsed':
        return;
      case 'failed':
        for (const why of message.why.split('\n')) {
          const what = slot.state === 'running' ? 'the worker ends' : 'the worker can not start';
          this.log.error(what, { index: slot.index, why });
        }
        return;
      case 'waiting':
        this.log.warn('worker stands by', { index: slot.index, why: message.why });
        if (slot.leaving) return;
        // Somebody else owns the index: it has done what it can for a reload.
        slot.begun('standby');
        return;
      case 'ready':
        this.log.info('worker ready', { index: slot.index, pid: fork.pid, epoch: message.epoch });
        // One that leaves is not what a reload waits for.
        if (slot.leaving) return;
        slot.begun('running');
        return;
      case 'stats':
        slot.reported(message.status);
        return;
      case 'stop-program':
        this.stop(message.reason, message.exitCode);
        return;
      case 'lost':
        if (slot.leaving) return;
        this.log.warn('worker has lost its index and stands by', {
          index: slot.index,
          pid: fork.pid,
          why: message.why,
        });
        // It ends by itself, and its successor stands by.
        slot.leaving = true;
        slot.state = 'standby';
        return;
      case 'restart':
        if (slot.leaving) return;
        this.replaceOutgrown(slot, message);
        return;
      case 'drained':
        if (message.left > 0 && this.stopping) this.stop('tasks were left unfinished', 1);
        return;
      case 'answer':
        slot.answered(message.id, message.answer);
        return;
    }
  }

  /** What is on disk by now may be another version: it can not serve this program, whose other workers go on. */
  private greeted(slot: Slot, fork: Fork, speaker: Speaker): void {
    if (slot.leaving) fork.send({ type: 'drain' });
    else if (understands(speaker)) {
      fork.send({ type: 'assign', assignment: this.assignmentOf(slot), ...ownSpeaker() });
    } else {
      slot.refused = true;
      this.log.error('the worker can not start', { index: slot.index, why: restartNeeded(ownSpeaker(), speaker) });
      fork.kill('SIGKILL');
    }
  }

  private exited(slot: Slot, exit: Exit): void {
    const { leaving, heard, refused } = slot;
    if (!slot.replacedAtOnce) this.policy.lasted(slot.index);
    const code = refused ? REFUSED : exit.code;
    const pid = slot.fork?.pid;
    slot.emptied();
    const fields = { index: slot.index, pid, ...exit };
    if (this.stopping) {
      // A terminal's Ctrl-C also ends a process that is too young to ignore it, and has nothing yet to lose.
      if (code !== 0 && heard && !refused) {
        this.log.error('a worker did not end in order', fields);
        this.stop('a worker did not end in order', 1);
      } else this.log.info('worker ended', fields);
      if (this.slots.every((each) => each.fork === null)) this.end();
      return;
    }
    if (leaving) {
      if (code === 0) this.log.info('worker ended as planned', fields);
      else this.log.error('a worker did not end in order', fields);
      this.forkFor(slot);
      return;
    }
    slot.tellStart(false);
    if (code !== REFUSED) this.crashed(slot, fields);
    else if (slot.hasStarted) this.refused(slot, fields);
    else this.stop(`the worker of index ${slot.index} refused its configuration`, 2);
  }

  private replaceOutgrown(
    slot: Slot,
    { why, atOnce = false }: { readonly why: string; readonly atOnce?: boolean },
  ): void {
    const { index, fork } = slot;
    this.log.warn('worker is replaced', { index, pid: fork?.pid, why });
    const { limit } = this.limits.respawn;
    slot.replacedAtOnce = atOnce;
    if (atOnce && this.policy.replacedAtOnce(index))
      this.stop(`${limit} workers of index ${index} in a row had to be replaced: ${why}`, 1);
    else this.drain(slot);
  }

  private crashed(slot: Slot, fields: Record<string, unknown>): void {
    const decision = this.policy.crashed(slot.index, this.clock.monotonic());
    if (decision.kind === 'give-up') {
      this.log.error('worker crashed', fields);
      this.stop(decision.reason, 1);
      return;
    }
    this.log.error('worker crashed; it comes back after a pause', { ...fields, pauseMs: decision.pauseMs });
    slot.respawns++;
    this.forkAfter(slot, decision.pauseMs);
  }

  private refused(slot: Slot, fields: Record<string, unknown>): void {
    const pauseMs = this.policy.refused(slot.index);
    this.log.error('worker can not load its files; it tries again later', { ...fields, pauseMs });
    this.forkAfter(slot, pauseMs);
  }

  private forkAfter(slot: Slot, pauseMs: number): void {
    this.pauses.set(
      slot,
      this.clock.after(pauseMs, () => this.forkFor(slot), true),
    );
  }

  private drain(slot: Slot): void {
    slot.leaving = true;
    slot.state = 'draining';
    slot.fork?.send({ type: 'drain' });
  }

  private drainAll(): void {
    const open = this.slots.filter((slot) => slot.fork !== null);
    for (const slot of open) this.drain(slot);
    if (open.length === 0) {
      if (this.started) this.end();
      return;
    }
    this.endDeadline();
    const longestMs = Math.max(...open.map(({ limits }) => limits.shutdownTimeMs));
    this.endDeadline = this.clock.after(
      longestMs + KILL_GRACE_MS,
      () => this.kill('the drain deadline has passed'),
      true,
    );
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
