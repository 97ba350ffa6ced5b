/**
 * Periodic work: one thing that is done again and again, and its lifetime. A run never begins before the last one has ended; the next one comes a
 * period later, or sooner where the last one says that more is left. A run that fails is told and counted, and the next one comes all the same.
 */
import type { Clock } from './clock.js';
import type { Deadline } from './deadline.js';
import { messageOf } from './errors.js';
import type { Service } from './service.js';

export interface PeriodicWork {
  readonly name: string;
  /** What a run does, in a few words. */
  readonly what: string;
  readonly everyMs: number;
  /** It begins with a run; otherwise the first one comes after a period. */
  readonly atOnce?: boolean;
  /** Milliseconds until the next run where a period is too long, otherwise nothing. */
  run(): undefined | number | Promise<undefined | number>;
  /** A run has thrown. */
  failed(error: unknown): void;
}

/** Plain data, for `status`. */
export interface PeriodicStatus {
  readonly name: string;
  readonly what: string;
  readonly everyMs: number;
  readonly runs: number;
  readonly errors: number;
  /** How long ago the last run ended, and how long it took; null before the first one. */
  readonly last: { readonly agoMs: number; readonly tookMs: number } | null;
  /** Why the last run failed; null where it did not. */
  readonly trouble: string | null;
}

export class Periodic implements Service {
  readonly name: string;
  private runs = 0;
  private errors = 0;
  private last: { readonly endedAt: number; readonly tookMs: number } | null = null;
  private trouble: string | null = null;
  private run: Promise<void> = Promise.resolve();
  /** Null while it is stopped. */
  private cancel: (() => void) | null = null;

  constructor(
    private readonly work: PeriodicWork,
    private readonly clock: Clock,
  ) {
    this.name = work.name;
  }

  async start(): Promise<void> {
    if (this.cancel !== null) return;
    this.cancel = () => {};
    if (this.work.atOnce) this.run = this.runOnce();
    else this.wait(this.work.everyMs);
  }

  /** Waits for a run under way as long as the deadline allows. */
  async stop(deadline?: Deadline): Promise<void> {
    this.cancel?.();
    this.cancel = null;
    if (deadline === undefined) await this.run;
    else await deadline.allows(this.run);
  }

  status(): PeriodicStatus {
    const { name, what, everyMs } = this.work;
    const { runs, errors, last, trouble } = this;
    const ago = (endedAt: number) => Math.round(this.clock.monotonic() - endedAt);
    return {
      name,
      what,
      everyMs,
      runs,
      errors,
      last: last && { agoMs: ago(last.endedAt), tookMs: Math.round(last.tookMs) },
      trouble,
    };
  }

  private wait(delayMs: number): void {
    this.cancel = this.clock.after(delayMs, () => {
      this.run = this.runOnce();
    });
  }

  private async runOnce(): Promise<void> {
    const startedAt = this.clock.monotonic();
    let soonMs: number | undefined;
    try {
      soonMs = await this.work.run();
      this.trouble = null;
    } catch (error) {
      this.errors++;
      this.trouble = messageOf(error);
      this.work.failed(error);
    }
    this.runs++;
    const endedAt = this.clock.monotonic();
    this.last = { endedAt, tookMs: endedAt - startedAt };
    if (this.cancel !== null) this.wait(soonMs ?? this.work.everyMs);
  }
}
