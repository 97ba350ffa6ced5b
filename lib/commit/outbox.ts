/**
 * Outbox: publishes derived tasks that are committed and not yet sent, in commit order, apart from everything else: a broker that
 * takes nothing must not hold up acknowledging. What a predecessor left is published first. Where the commit itself puts tasks
 * into their queues there is no such row and nothing to do.
 *
 * A writer waits for its broker without a word. So a batch that waits is looked at after the pauses that lie between attempts, and
 * each look that finds it waiting counts as an attempt that failed.
 */
import type { OutgoingTask } from '../model/task.js';
import type { Events } from '../observability/events.js';
import type { TaskWriter } from '../queue/queue.js';
import type { Placement } from '../routing/placement.js';
import { type Backoff, steps } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import { messageOf } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';
import type { Outbox } from '../store/store.js';

/** A batch without an answer for so long waits, also where nothing is known to be in its way. */
const SLOW_MS = 5_000;

export interface OutboxPublisherOptions {
  readonly outbox: Outbox | null;
  readonly index: number;
  readonly placement: Placement;
  readonly writer: Pick<TaskWriter, 'send' | 'obstacle'>;
  /** Rows that are read and sent at once. */
  readonly batch: number;
  readonly clock: Clock;
  readonly events: Events;
}

/** From the first failure until all that waited is out. */
interface Backlog {
  readonly since: number;
  /** Tasks that were published meanwhile. */
  published: number;
  told: boolean;
}

export class OutboxPublisher implements Service {
  readonly name = 'outbox';
  private running: Promise<void> | null = null;
  private wanted = false;
  private stopped = true;
  private attempts = 0;
  private trouble: Backlog | null = null;
  private readonly pauses: Backoff = steps();
  private endPause = () => {};
  /** Ends the waiting of a stop for the batch under way. */
  private giveUp = () => {};

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

  /** Lets the batch under way end, unless the broker is away; what is left is published by the next owner. */
  async stop(deadline?: Deadline): Promise<void> {
    this.stopped = true;
    this.wanted = false;
    this.endPause();
    if (this.running === null || this.options.writer.obstacle !== null) return;
    const ended = Promise.race([this.running, new Promise<void>((resolve) => (this.giveUp = resolve))]);
    await (deadline ? deadline.allows(ended) : ended);
  }

  private async publishAll(outbox: Outbox): Promise<void> {
    const { index, batch, clock } = this.options;
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      const startedAt = clock.monotonic();
      try {
        for (let rows = await outbox.next(index, batch); rows.length > 0; rows = await outbox.next(index, batch)) {
          const sentAt = clock.monotonic();
          await this.send(rows.map((row) => this.placed(row)));
          const ids = rows.map(({ id }) => id);
          await outbox.published(index, ids);
          this.succeeded(rows.length, clock.monotonic() - sentAt);
          if (rows.length < batch) this.caughtUp();
          if (this.stopped) break;
        }
        if (!this.stopped) this.caughtUp();
      } catch (error) {
        const pauseMs = this.pauses.nextMs();
        this.failed(messageOf(error), pauseMs, startedAt);
        if (!this.stopped) await this.pause(pauseMs);
      }
    }
    // In the same step that found nothing wanted: no wake-up falls in between.
    this.running = null;
  }

  /** One that was committed for another number of processes goes where it belongs by now; the stream of its id is that of another queue. */
  private placed(row: OutgoingTask): OutgoingTask {
    const index = row.key === '' ? row.index : this.options.placement.indexOf(row.key);
    return index === row.index ? row : { ...row, index, forwarded: true };
  }

  private async send(rows: readonly OutgoingTask[]): Promise<void> {
    const { writer, clock } = this.options;
    const pauses = steps();
    const startedAt = clock.monotonic();
    let cancel = () => {};
    const look = (pauseMs: number) => {
      cancel = clock.after(pauseMs, () => {
        const slow = clock.monotonic() - startedAt >= SLOW_MS;
        const why = writer.obstacle?.why ?? (slow ? 'the broker has not confirmed them' : null);
        const nextMs = pauses.nextMs();
        if (why !== null) this.failed(why, nextMs, startedAt);
        if (why !== null && this.stopped) this.giveUp();
        look(nextMs);
      });
    };
    look(pauses.nextMs());
    try {
      await writer.send(rows);
    } finally {
      cancel();
    }
  }

  private succeeded(tasks: number, durationMs: number): void {
    this.attempts = 0;
    this.pauses.reset();
    if (this.trouble !== null) this.trouble.published += tasks;
    this.options.events.emit('outbox-published', { tasks, durationMs });
  }

  /** Told once, until all is out again. */
  private failed(why: string, pauseMs: number, since: number): void {
    this.options.events.emit('outbox-failed', { attempt: ++this.attempts, pauseMs, why });
    if (this.trouble !== null) return;
    this.trouble = { since, published: 0, told: false };
    void this.tell(this.trouble, why);
  }

  private async tell(trouble: Backlog, why: string): Promise<void> {
    const { outbox, index, events } = this.options;
    const unknown = [null, null] as const;
    // The store may be away as well.
    const asked = Promise.all([outbox?.count(index), outbox?.age(index)]).catch(() => unknown);
    const [tasks, ageMs] = await asked;
    if (this.trouble !== trouble) return;
    trouble.told = true;
    events.emit('outbox-waiting', { tasks: tasks ?? null, ageMs: ageMs ?? null, why });
  }

  private caughtUp(): void {
    const { trouble } = this;
    if (trouble === null) return;
    this.trouble = null;
    const { clock, events } = this.options;
    const waitedMs = clock.monotonic() - trouble.since;
    if (trouble.told) events.emit('outbox-caught-up', { tasks: trouble.published, waitedMs });
  }

  private async pause(pauseMs: number): Promise<void> {
    this.wanted = true;
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.after(pauseMs, resolve, true);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
