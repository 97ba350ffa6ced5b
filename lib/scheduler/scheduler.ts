/**
 * Scheduler: runs jobs by the calendar and submits the tasks they make.
 *
 * Its rules are those DP3 sets for APScheduler: never two runs of one job at once; of several due times that passed together
 * only the last one counts; a run that would begin too late is left out. When a job is due is the schedule's
 * matter (croner's search); waiting is done here over the clock, because croner's own timers can be neither replaced nor
 * asked why they did not fire. A wait is cut into minutes, so that a clock that was set does not delay a job for hours. One that is set
 * forward by less makes no job late; where one is set back, what ran already does not run again, unless a job would then be silent for
 * longer than it ever is.
 */
import type { Schedule } from '../model/schedule.js';
import type { Task } from '../model/task.js';
import { type Instant, instantOfMs } from '../model/time.js';
import type { Events } from '../observability/events.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import type { Service } from '../runtime/service.js';

/** A longer wait is cut into pieces of this, so that a clock that was set is noticed. */
const LONGEST_WAIT_MS = 60_000;

export interface Job {
  readonly module: string;
  readonly name: string;
  readonly schedule: Schedule;
  /** One run for the due time; resolves with the tasks it made. */
  readonly run: (due: Instant) => readonly Task[] | Promise<readonly Task[]>;
}

export interface SchedulerOptions {
  readonly jobs: readonly Job[];
  /** Sends tasks as derived ones are sent; resolves when they are durable. A job counts as running until then. */
  readonly submit: (tasks: readonly Task[]) => Promise<void>;
  /** Whether this process may act for its index; where that must be asked, runs wait for the answer. */
  readonly owns: () => boolean | Promise<boolean>;
  /** A run that would begin later than this after its due time is left out (DP3: one second). */
  readonly misfireGraceMs: number;
  readonly clock: Clock;
  readonly events: Events;
}

export class Scheduler implements Service {
  readonly name = 'scheduler';
  private readonly options: SchedulerOptions;
  /** What cancels the wait of each job; empty when stopped. */
  private readonly waits = new Map<Job, () => void>();
  private readonly runs = new Map<Job, Promise<void>>();
  /** The last due time of each job that has come. */
  private readonly last = new Map<Job, number>();
  private started = false;

  constructor(options: SchedulerOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    if (this.started) return;
    this.started = true;
    const now = this.options.clock.now();
    for (const job of this.options.jobs) this.wait(job, job.schedule.next(now));
  }

  /** Starts no more runs, and waits for those under way as long as the deadline allows. */
  async stop(deadline?: Deadline): Promise<void> {
    this.started = false;
    for (const cancel of this.waits.values()) cancel();
    this.waits.clear();
    const runs = Promise.all(this.runs.values());
    if (deadline === undefined) await runs;
    else await deadline.allows(runs);
  }

  private wait(job: Job, due: number | null): void {
    if (due === null) {
      this.waits.delete(job);
      this.options.events.emit('job-over', { module: job.module, job: job.name });
      return;
    }
    const { clock } = this.options;
    const armedAt = clock.now();
    const offset = armedAt - clock.monotonic();
    const wake = () => {
      const now = clock.now();
      if (now >= due) this.due(job, due, now - clock.monotonic() - offset);
      // Where the clock was set back, another time may come first.
      else this.wait(job, now < armedAt ? this.nextAfterSetBack(job, now) : due);
    };
    this.waits.set(job, clock.after(Math.min(Math.max(due - armedAt, 0), LONGEST_WAIT_MS), wake));
  }

  private nextAfterSetBack(job: Job, now: number): number | null {
    const next = job.schedule.next(now);
    const last = this.last.get(job);
    if (last === undefined || next === null || next > last) return next;
    const following = job.schedule.next(last);
    return following !== null && following - last > last - now ? following : next;
  }

  /** `setMs`: by how much the clock was set forward while the job waited. */
  private due(job: Job, first: number, setMs: number): void {
    const { clock, events, misfireGraceMs } = this.options;
    const now = clock.now();
    const { due, next } = lastDue(job.schedule, first, now, misfireGraceMs);
    this.last.set(job, due);
    this.wait(job, next);
    const skipped = { module: job.module, job: job.name, lateMs: now - due };
    const excusedMs = Math.min(Math.max(setMs, 0), LONGEST_WAIT_MS);
    if (now - due - excusedMs > misfireGraceMs) events.emit('job-skipped', { ...skipped, why: 'misfire' });
    else if (this.runs.has(job)) events.emit('job-skipped', { ...skipped, why: 'overlap' });
    else {
      const run = this.run(job, instantOfMs(due)).finally(() => this.runs.delete(job));
      this.runs.set(job, run);
    }
  }

  private async run(job: Job, due: Instant): Promise<void> {
    const { submit, owns, events } = this.options;
    const { module, name } = job;
    let tasks: readonly Task[] = [];
    try {
      const owned = owns();
      if (owned !== true && !((await owned) && this.started)) return;
      tasks = await job.run(due);
      if (tasks.length > 0) await submit(tasks);
    } catch (error) {
      events.emit('job-failed', { module, job: name, tasksLost: tasks.length, error });
    }
  }
}

/** The last due time from `first` up to `now`; what came before the grace is not looked at, it is too late anyway. */
function lastDue(
  schedule: Schedule,
  first: number,
  now: number,
  graceMs: number,
): { due: number; next: number | null } {
  let due = first;
  // Due times are whole seconds: one second more, so that none at the edge is missed.
  let next = schedule.next(Math.max(first, now - graceMs - 1_000));
  while (next !== null && next <= now) {
    due = next;
    next = schedule.next(next);
  }
  return { due, next };
}
