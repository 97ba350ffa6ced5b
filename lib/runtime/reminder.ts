/** Reminder: of trouble that lasts, tells each new reason at once and the same one from time to time. */
import type { Clock } from './clock.js';

const AGAIN_MS = 60_000;

export class Reminder {
  private why: string | null = null;
  private toldAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly tell: (why: string) => void,
  ) {}

  /** To be called with every attempt that failed. */
  because(why: string): void {
    const now = this.clock.monotonic();
    if (why === this.why && now - this.toldAt < AGAIN_MS) return;
    this.why = why;
    this.toldAt = now;
    this.tell(why);
  }
}
