/**
 * Lane restarts: a task that breaks its lane again and again reaches `quarantine.max_attempts` and is put aside. Where lanes break
 * without any task getting there, no single task is at fault, and the program stops, as DP3 does.
 */
import type { LaneWork } from '../model/work.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import type { PipelineLimits } from './options.js';

/** What ran in a lane when it broke. */
export interface LaneBreak {
  readonly entity: string;
  readonly hook: string | null;
  readonly error: unknown;
}

/** It has broken its lane or its process as often as a task may. */
export function isExhausted({ delivery }: LaneWork, { maxAttempts }: Pick<PipelineLimits, 'maxAttempts'>): boolean {
  return delivery.attempts >= maxAttempts;
}

export class LaneRestarts {
  /** Since a task reached its limit. */
  private count = 0;
  private last: LaneBreak | null = null;

  constructor(
    private readonly limits: Pick<PipelineLimits, 'threads' | 'maxAttempts' | 'maxRestarts'>,
    private readonly tooMany: (reason: ApplicationError) => void,
  ) {}

  /** A lane broke on this task, whose attempt counts already. */
  broke(work: LaneWork, { hook, error }: Omit<LaneBreak, 'entity'>): void {
    if (isExhausted(work, this.limits)) this.count = 0;
    else this.add({ entity: work.task.key, hook, error });
  }

  /** Null: one that had stood still. */
  add(broken: LaneBreak | null): void {
    this.last = broken ?? this.last;
    this.count++;
    const { maxAttempts, maxRestarts } = this.limits;
    if (this.count < maxRestarts) return;
    const why =
      `lanes broke ${this.count} times and no task reached ${maxAttempts} attempts (quarantine.max_attempts); ` +
      `the program stops after ${maxRestarts} (watchdog.max_restarts)`;
    const { last } = this;
    const where =
      last === null
        ? ''
        : `. The last one: ${last.entity}, ${last.hook === null ? 'before any hook' : `hook ${last.hook}`}: ${messageOf(last.error)}`;
    this.tooMany(new ApplicationError('TOO_MANY_RESTARTS', why + where, { cause: last?.error }));
  }

  /** So many that run now might break before one of them reaches its limit that the program would stop for it. */
  get isNearLimit(): boolean {
    const { threads, maxAttempts, maxRestarts } = this.limits;
    return this.count > 0 && this.count + threads + maxAttempts > maxRestarts;
  }
}
