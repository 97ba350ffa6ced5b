/**
 * Respawn policy of one kind of role: the pause before a crashed process comes back, and when crashing has gone on for too long. The pause of a
 * role doubles; one that stayed up for the whole window starts again from the first pause.
 */
import { type Backoff, doubling } from '../runtime/backoff.js';
import type { Role } from './roles.js';

export interface RespawnLimits {
  /** Too many: crashes of one role within the window, and its replacements at once in a row; of all of its kind, that many times more. */
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
  private readonly crashes = new Map<Role, number[]>();
  private readonly pauses = new Map<Role, Backoff>();
  /** How many processes of a role in a row were to be replaced before they had done anything. */
  private readonly atOnce = new Map<Role, number>();

  constructor(
    private limits: RespawnLimits,
    private readonly roles: number,
  ) {}

  /** From now on these hold; what was counted counts on. */
  set(limits: RespawnLimits): void {
    this.limits = limits;
    this.pauses.clear();
    this.atOnce.clear();
  }

  /** Counts a crash at `now` (milliseconds that only grow) and decides. */
  crashed(role: Role, now: number): RespawnDecision {
    for (const [other, times] of this.crashes) this.crashes.set(other, this.recent(times, now));
    const own = this.crashes.get(role) ?? [];
    if (own.length === 0) this.pauses.get(role)?.reset();
    own.push(now);
    this.crashes.set(role, own);

    const { limit, windowMs } = this.limits;
    const seconds = Math.round(windowMs / 1000);
    if (own.length >= limit) {
      return { kind: 'give-up', reason: `${role.name} crashed ${own.length} times within ${seconds} s` };
    }
    const total = [...this.crashes.values()].reduce((sum, times) => sum + times.length, 0);
    if (total >= limit * this.roles) {
      return { kind: 'give-up', reason: `the ${role.kind}s crashed ${total} times within ${seconds} s` };
    }
    return { kind: 'again', pauseMs: this.pauseMs(role) };
  }

  /** The next pause of a role, in milliseconds. */
  pauseMs(role: Role): number {
    let pause = this.pauses.get(role);
    if (!pause) {
      pause = doubling(this.limits.backoffMs, this.limits.backoffMostMs);
      this.pauses.set(role, pause);
    }
    return pause.nextMs();
  }

  /** Counts that a process is replaced before it has done anything; true when that has gone on for too long. */
  replacedAtOnce(role: Role): boolean {
    const inARow = (this.atOnce.get(role) ?? 0) + 1;
    this.atOnce.set(role, inARow);
    return inARow >= this.limits.limit;
  }

  /** A process has ended that was not replaced at once. */
  lasted(role: Role): void {
    this.atOnce.delete(role);
  }

  private recent(times: readonly number[], now: number): number[] {
    return times.filter((time) => time > now - this.limits.windowMs);
  }
}
