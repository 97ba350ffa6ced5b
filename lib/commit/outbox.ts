/**
 * Outbox: publishes derived tasks that are committed and not yet sent, in commit order, apart from everything else: a broker that
 * takes nothing must not hold up acknowledging. What a predecessor left is published first. Where the commit itself puts tasks
 * into their queues there is no such row and nothing to do.
 */
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { TaskWriter } from '../queue/queue.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import { messageOf } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';
import type { Outbox } from '../store/store.js';

export interface OutboxPublisherOptions {
  readonly outbox: Outbox | null;
  readonly index: number;
  readonly writer: Pick<TaskWriter, 'send'>;
  /** Rows that are read and sent at once. */
  readonly batch: number;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
}

export class OutboxPublisher implements Service {
  readonly name = 'outbox';
  private running: Promise<void> | null = null;
  private wanted = false;
  private stopped = true;
  private attempts = 0;
  private readonly pauses: Backoff = steps();
  private endPause = () => {};

  constructor(private readonly options: OutboxPublisherOptions) {}

  async start(): Promise<void> {
    this.stopped = false;
    this.wake();
  }

  /** There may be new rows. */
  wake(): void {
    if (this.stopped || this.options.outbox === null) return;
    this.wanted = true;
    this.running ??= this.publishAll(this.options.outbox);
  }

  /** Age of the oldest row in milliseconds; 0 when there is none. */
  async age(): Promise<number> {
    return this.options.outbox?.age(this.options.index) ?? 0;
  }

  /** Lets the batch under way end; what is left is published by the next owner. */
  async stop(deadline?: Deadline): Promise<void> {
    this.stopped = true;
    this.wanted = false;
    this.endPause();
    if (this.running) await (deadline ? deadline.allows(this.running) : this.running);
  }

  private async publishAll(outbox: Outbox): Promise<void> {
    const { index, batch } = this.options;
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      try {
        for (let rows = await outbox.next(index, batch); rows.length > 0; rows = await outbox.next(index, batch)) {
          const startedAt = this.options.clock.monotonic();
          await this.options.writer.send(rows);
          const ids = rows.map(({ id }) => id);
          await outbox.published(index, ids);
          this.succeeded(rows.length, this.options.clock.monotonic() - startedAt);
          if (this.stopped) break;
        }
      } catch (error) {
        await this.failed(error);
      }
    }
    // In the same step that found nothing wanted: no wake-up falls in between.
    this.running = null;
  }

  private succeeded(tasks: number, durationMs: number): void {
    this.attempts = 0;
    this.pauses.reset();
    this.options.events.emit('outbox-published', { tasks, durationMs });
  }

  private async failed(error: unknown): Promise<void> {
    const { clock, events, log } = this.options;
    const [attempt, pauseMs, why] = [++this.attempts, this.pauses.nextMs(), messageOf(error)];
    if (attempt === 1) log.warn('derived tasks can not be published; they wait in the outbox', { why });
    events.emit('outbox-failed', { attempt, pauseMs, why });
    if (this.stopped) return;
    this.wanted = true;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(pauseMs, resolve, true);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
