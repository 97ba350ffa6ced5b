/**
 * Lost tasks: tells of tasks that were lost between broker and worker (a purged queue, a policy that drops messages). A message says below which
 * position of its stream all were in the queue before it; what is not committed of them is missing.
 *
 * Missing is not lost: it may be on its way here, run, or wait for a key, and after a lost connection it comes again. So what is missing is
 * looked at again after a minute, and only once all that was in the queues at the first look is settled.
 */
import type { Events } from '../observability/events.js';
import type { Logger } from '../observability/logger.js';
import type { TaskReader } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import type { PeriodicWork } from '../runtime/periodic.js';
import type { LostTasks, MissingTasks, Ownership, StreamDesk } from '../store/store.js';

export interface LossSearchOptions {
  readonly ownership: Ownership;
  readonly streams: StreamDesk;
  readonly reader: Pick<TaskReader, 'redeliveryHorizon'>;
  /** Between two looks; what is lost is missing for at least so long. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly events: Events;
  readonly log: Logger;
}

/** What was missing at a moment (milliseconds of Clock.monotonic()). */
interface Look {
  readonly at: number;
  readonly missing: readonly MissingTasks[];
}

export class LossSearch implements PeriodicWork {
  readonly name = 'lost tasks';
  readonly what = 'looks for tasks that were lost between broker and worker';
  readonly everyMs: number;
  readonly atOnce = true;
  /** As the store has it. */
  known: readonly LostTasks[] = [];
  private look: Look | null = null;

  constructor(private readonly options: LossSearchOptions) {
    this.everyMs = options.intervalMs;
  }

  async run(): Promise<undefined> {
    await this.conclude();
    await this.refresh();
  }

  failed(error: unknown): void {
    const { log } = this.options;
    log.warn('looking for tasks that never arrived failed and is tried again', { error });
  }

  /** What was missing, and is still though all that was in the queues then is settled, is lost. */
  private async conclude(): Promise<void> {
    const { ownership, streams, reader, intervalMs, clock } = this.options;
    const settled = await reader.redeliveryHorizon();
    const { look } = this;
    if (look !== null && look.missing.length > 0) {
      if (settled === null || settled < look.at || clock.monotonic() < look.at + intervalMs) return;
      this.tell(await streams.lose(ownership, look.missing));
    }
    const at = clock.monotonic();
    // The last look may be long ago, where a task did not come to its end.
    this.look = { at, missing: await streams.missing(ownership, look === null ? null : at - look.at) };
  }

  private tell(lost: readonly LostTasks[]): void {
    for (const { stream, tasks, from, to } of lost) {
      this.options.events.emit('tasks-lost', { stream, tasks, from, to });
    }
  }

  /** What has arrived after all is no loss. */
  private async refresh(): Promise<void> {
    const { ownership, streams, events } = this.options;
    const before = this.known;
    const found = await streams.lost(
      ownership,
      before.map(({ stream }) => stream),
    );
    this.known = found.filter(({ tasks }) => tasks > 0);
    for (const { stream, tasks } of before) {
      const now = found.find((each) => each.stream === stream);
      if (now === undefined || now.tasks >= tasks) continue;
      events.emit('tasks-arrived', { stream, tasks: tasks - now.tasks });
    }
  }
}
