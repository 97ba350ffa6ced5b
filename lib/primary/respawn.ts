/**
 * Respawn policy: when a crashed worker comes back, and when crashing has gone on for too long. Per index the pause doubles;
 * a worker that stayed up for the whole window starts again from the first pause.
 */
import { type Backoff, doubling } from '../runtime/backoff.js';

export interface RespawnLimits {
  /** Crashes of one index within the window that stop the program, and its replacements at once in a row; of all indexes, that many times more. */
  readonly limit: number;
  readonly windowMs: number;
  readonly backoffMs: number;
  readonly backoffMostMs: number;
}

/** `again` after a pause, or `give-up` with the reason. */
export type RespawnDecision =
  | { readonly kind: 'again'; readonly pauseMs: number }
  | { readonly kind: 'give-up'; readonly reason: string };

export class RespawnPolicy {
  private readonly crashes = new Map<number, number[]>();
  private readonly pauses = new Map<number, Backoff>();
  /** How many workers of an index in a row were to be replaced before they had done anything. */
  private readonly atOnce = new Map<number, number>();

  constructor(
    private limits: RespawnLimits,
    private readonly indexes: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** From now on these hold; what was counted counts on. */
  set(limits: RespawnLimits): void {
    this.limits = limits;
    this.pauses.clear();
    this.atOnce.clear();
  }

  /** Counts a crash of `index` at `now` (milliseconds that only grow) and decides. */
  crashed(index: number, now: number): RespawnDecision {
    for (const [other, times] of this.crashes) this.crashes.set(other, this.recent(times, now));
    const own = this.crashes.get(index) ?? [];
    if (own.length === 0) this.pauses.get(index)?.reset();
    own.push(now);
    this.crashes.set(index, own);

    const { limit, windowMs } = this.limits;
    const seconds = Math.round(windowMs / 1000);
    if (own.length >= limit) {
      return {
        kind: 'give-up',
        reason: `the worker of index ${index} crashed ${own.length} times within ${seconds} s`,
      };
    }
    const total = [...this.crashes.values()].reduce((sum, times) => sum + times.length, 0);
    if (total >= limit * this.indexes) {
      return { kind: 'give-up', reason: `the workers crashed ${total} times within ${seconds} s` };
    }
    return { kind: 'again', pauseMs: this.pauseOf(index).nextMs() };
  }

  /** How long to wait until `index` tries again whether what is on disk can be loaded by now, in milliseconds; no crash. */
  refused(index: number): number {
    return this.pauseOf(index).nextMs();
  }

  /** Counts that the worker of `index` is replaced before it has done anything; true when that has gone on for too long. */
  replacedAtOnce(index: number): boolean {
    const inARow = (this.atOnce.get(index) ?? 0) + 1;
    this.atOnce.set(index, inARow);
    return inARow >= this.limits.limit;
  }

  /** A worker of `index` has ended that was not replaced at once. */
  lasted(index: number): void {
    this.atOnce.delete(index);
  }

  private recent(times: readonly number[], now: number): number[] {
    return times.filter((time) => time > now - this.limits.windowMs);
  }

  private pauseOf(index: number): Backoff {
    let pause = this.pauses.get(index);
    if (!pause) {
      pause = doubling(this.limits.backoffMs, this.limits.backoffMostMs, this.random);
      this.pauses.set(index, pause);
    }
    return pause;
  }
}
