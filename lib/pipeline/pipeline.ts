/**
 * Pipeline: the data path of one worker. It is made for one ownership of an index and ends with it. The way of a task is in flow.ts, how all
 * comes to rest in drain.ts; here is its life: how it begins, what it does when the reader or the store is gone for a while, and what
 * it says of itself.
 */
import { LONG_OUTAGE_MS } from '../commit/outage.js';
import type { Distributor, LanesStatus } from '../lanes/distributor.js';
import type { InputCounts } from '../model/input-remarks.js';
import type { TaskReader } from '../queue/queue.js';
import type { Deadline } from '../runtime/deadline.js';
import { ApplicationError, isStoreFailure } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';
import { drain, leave } from './drain.js';
import { Flow } from './flow.js';
import type { PipelineOptions } from './options.js';

export interface PipelineStatus extends LanesStatus {
  /** Deliveries that wait for the inbox or for the end of a reload. */
  readonly held: number;
  readonly uncommitted: number;
  /** What work waits for; null where none does. */
  readonly storeTrouble: string | null;
  /** What the store cannot do with some tasks; null where there are none. */
  readonly storeWarning: string | null;
  readonly window: TaskReader['window'] & { readonly filledBy: HotKey | null };
  readonly input: InputCounts;
}

/** A key, and how many of the tasks in the window are of it. */
export interface HotKey {
  readonly key: string;
  readonly tasks: number;
}

/** What a drain stops before and while the pipeline comes to rest. */
export interface Beside {
  readonly scheduler: Service;
  readonly modules: Service;
}

export class Pipeline {
  private readonly flow: Flow;
  private failure: unknown = null;
  /** The index is another's. */
  private abandoned = false;
  /** Since when the reader has no connection, or has returned its deliveries, and why. */
  private interrupted: { readonly since: number; readonly by: 'connection' | 'store' } | null = null;

  constructor(private readonly options: PipelineOptions) {
    this.flow = new Flow(
      options,
      () => this.requeueAll(),
      (reason) => this.fail(reason),
    );
    options.emissions.begin(this.flow.committer);
  }

  /** Publishes what a predecessor left, then consumes; `waiting` is told why it cannot yet. */
  async start(waiting: (why: string) => void = () => {}): Promise<void> {
    const { reader, store } = this.options.backend;
    await this.flow.outbox.start();
    let starting = true;
    await reader.consume({
      onDelivery: (delivery) => this.flow.delivered(delivery),
      onLost: () => this.lost(),
      onRestored: () => this.restored(),
      onQuorum: async (prefetch) => store.holdPrefetch?.(prefetch),
      onStandby: (why) => starting && waiting(why),
      onFailed: (reason) => this.fail(reason),
    });
    starting = false;
  }

  /** A reload to a new model is under way: what this model does not know waits for its end. */
  reloading(underWay: boolean): void {
    this.flow.intake.reloading(underWay);
  }

  /** Sets lanes going that stand still, which counts as a restart; true if there were any. */
  revive(): boolean {
    const revived = this.flow.lanes.revive();
    if (revived) this.flow.restarts.add(null);
    return revived;
  }

  /** Somebody else has put tasks into the outbox. */
  publish(): void {
    this.flow.outbox.wake();
  }

  /** Age of the oldest task that is committed and not published, in milliseconds; 0 when there is none. */
  outboxAge(): Promise<number> {
    return this.flow.outbox.age();
  }

  status(): PipelineStatus {
    const { lanes, committer, intake, input } = this.flow;
    const { window } = this.options.backend.reader;
    return {
      ...lanes.status(),
      held: intake.waiting,
      uncommitted: committer.open,
      storeTrouble: this.options.storeTroubles.why,
      storeWarning: committer.warning,
      window: { ...window, filledBy: hotKey(window, lanes) },
      input,
    };
  }

  /** The first step of coming to rest: what arrives is set aside, and nothing more is started. */
  rest(why: string): void {
    this.flow.rest(why);
  }

  /** Nothing more is started; resolves when what has finished is committed. */
  async commitFinished(why: string): Promise<void> {
    this.rest(why);
    await this.flow.committer.flushed();
  }

  /** The index is another's: nothing is committed or published any more. */
  abandon(why: string): void {
    this.abandoned = true;
    this.rest(why);
    this.flow.lanes.stop();
    this.flow.committer.stop();
    void this.flow.outbox.stop();
  }

  /** Comes to rest and ends, with reader, writer and store. Resolves with the number of tasks that did not finish in time. */
  async drain(beside: Beside, deadline: Deadline): Promise<{ readonly left: number }> {
    const parts = { flow: this.flow, options: this.options, ...beside };
    return this.abandoned ? leave(parts, deadline) : drain(parts, deadline);
  }

  /** Before the broker takes back what is not acknowledged, the reader returns it in order; it consumes again once `lost` has ended. */
  private requeueAll(): void {
    const { backend, clock, events } = this.options;
    const why = `the store has not answered for ${LONG_OUTAGE_MS / 1_000} s`;
    events.emit('deliveries-returned', { why });
    this.interrupted ??= { since: clock.monotonic(), by: 'store' };
    events.emit('reader-paused', { why });
    backend.reader.requeueAll();
  }

  /** What has finished is committed, since its redelivery will be known (rules.md: a lost connection voids open deliveries). */
  private async lost(): Promise<void> {
    const { clock, events } = this.options;
    const { intake, lanes, committer } = this.flow;
    if (this.interrupted === null) events.emit('reader-lost', { why: 'the connection of the reader is gone' });
    this.interrupted ??= { since: clock.monotonic(), by: 'connection' };
    lanes.halt();
    intake.clear();
    lanes.clear();
    await lanes.quiet();
    await committer.flushed();
    // A commit that was refused may have put tasks back: their deliveries are void, too.
    committer.forgetWithheld();
    lanes.clear();
    intake.clear();
  }

  private restored(): void {
    const { clock, events } = this.options;
    if (this.interrupted !== null) {
      const lostMs = clock.monotonic() - this.interrupted.since;
      if (this.interrupted.by === 'store') events.emit('reader-resumed', { pausedMs: lostMs });
      else events.emit('reader-restored', { lostMs });
    }
    this.interrupted = null;
    if (!this.flow.isResting) this.flow.lanes.resume();
  }

  private fail(reason: unknown): void {
    if (this.failure !== null) return;
    this.failure = reason ?? new Error('unknown');
    if (reason instanceof ApplicationError && reason.code === 'OWNERSHIP_LOST') {
      this.options.failed(reason);
      return;
    }
    this.rest('the worker cannot go on');
    if (isStoreFailure(reason)) this.flow.lanes.stop();
    this.options.events.emit('worker-failed', { error: reason });
    this.options.failed(reason);
  }
}

/** The key that has more than half of the tasks in a full window, which holds up all others; null where none has. */
export function hotKey(
  window: Pick<TaskReader['window'], 'tasks' | 'full'>,
  lanes: Pick<Distributor, 'fullest'>,
): HotKey | null {
  if (!window.full) return null;
  const fullest = lanes.fullest();
  // A single task is no backlog: where messages are large, the window holds no more.
  return fullest !== null && fullest.tasks > Math.max(1, window.tasks / 2) ? fullest : null;
}
