/**
 * Trusted time: the time of day for whatever removes or expires what is old. A clock that is set forward would make everything old at
 * once; so a jump is believed only when it has lasted for a day. One that is set back is believed at once: then things go later.
 *
 * Whoever begins believes what it is given: a program the clock that it finds, for nobody can know better, and a worker what its
 * program believes, so that none begins with a clock that was set since. Where nothing is given, the first time that is read is believed.
 * Refused: to count only the time that a process has run, which keeps everything too long where programs are restarted every day.
 */
import type { Clock } from './clock.js';

/** Clocks are corrected by less all the time. */
const JUMP_MS = 60_000;
const BELIEVED_AFTER_MS = 86_400_000;

export class TrustedTime {
  /** Of the time of day over the time that only grows, as it is believed; null before anything was read. */
  private offset: number | null;
  private jumpedAt: number | null = null;

  /** `believedMs`: what it is now, as far as is known, in milliseconds since 1970. */
  constructor(
    private readonly clock: Pick<Clock, 'now' | 'monotonic'>,
    believedMs: number | null = null,
  ) {
    this.offset = believedMs === null ? null : believedMs - clock.monotonic();
  }

  /** Milliseconds since 1970 by the clock of this computer. */
  now(): number {
    return this.of(this.clock.now());
  }

  /** What is to be believed where a clock, always the same one, shows this time now. */
  of(shownMs: number): number {
    const passed = this.clock.monotonic();
    const offset = shownMs - passed;
    const jumped = this.offset !== null && offset > this.offset + JUMP_MS;
    this.jumpedAt = jumped ? (this.jumpedAt ?? passed) : null;
    if (this.offset === null || this.jumpedAt === null || passed - this.jumpedAt >= BELIEVED_AFTER_MS) {
      this.offset = offset;
      this.jumpedAt = null;
    }
    return passed + this.offset;
  }
}
