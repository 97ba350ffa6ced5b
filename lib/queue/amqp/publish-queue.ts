/**
 * Tasks that wait to be published to one queue, and which of them may be next.
 *
 * A queue that is full rejects a task while it may accept a later one. So of one entity at most one task is under way to a bounded
 * queue, others of its tasks wait behind it; different entities are pipelined. A queue that has rejected is asked again with a single
 * task, then with ever more as they are accepted. Derived tasks go to queues without a bound and are pipelined as they come.
 */
import type { OutgoingTask } from '../../model/task.js';
import { Fifo } from '../fifo.js';
import type { Sending } from '../sending.js';
import type { StreamPosition } from './floors.js';

export interface QueuedTask {
  readonly task: OutgoingTask;
  readonly sending: Sending;
  readonly queue: PublishQueue;
  /** In its stream; null where it is in none. */
  readonly streamed: StreamPosition | null;
  /** Its place among all tasks of the writer. */
  readonly place: number;
  /** The broker has sent it back: no queue takes it. */
  unroutable: boolean;
  /** The broker was handed it, and has not said what became of it. */
  unsure: boolean;
}

/** `full`: the queue rejected a task. `unroutable`: no queue is bound for it. */
export type Rejection = 'full' | 'unroutable';

/** Pauses before a queue that rejected is asked again: DP3's, growing while nothing is accepted. */
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 500;
/** DP3's pause where there is no queue. */
const UNROUTABLE_PAUSE_MS = 5_000;

export class PublishQueue {
  /** Tasks that are published and not yet confirmed. */
  underWay = 0;
  private readonly waiting = new Fifo<QueuedTask>();
  /** Tasks whose predecessor of the same entity was just confirmed: next in turn. */
  private readonly freed = new Fifo<QueuedTask>();
  /** For each entity with a task under way: its tasks that had their turn meanwhile. */
  private readonly behind = new Map<string, Fifo<QueuedTask>>();
  /** Tasks that came back, to be published again. */
  private back: QueuedTask[] = [];
  /** Why nothing is published for now; null where something is. */
  private held: Rejection | null = null;
  private pauseIsOver = false;
  /** How many may be under way; without a limit unless the queue has rejected. */
  private most = Number.POSITIVE_INFINITY;
  private pauseMs = FIRST_PAUSE_MS;
  private told = false;

  constructor(
    readonly exchange: string,
    readonly index: number,
    /** Only one task of an entity may be under way. */
    private readonly bounded: boolean,
  ) {}

  get isEmpty(): boolean {
    return this.underWay + this.waiting.length + this.freed.length + this.back.length === 0 && this.behind.size === 0;
  }

  /** True from a rejection until its queue takes as much as there is. */
  get isFull(): boolean {
    return (this.held === 'full' || this.most < Number.POSITIVE_INFINITY) && !this.isEmpty;
  }

  get isUnroutable(): boolean {
    return this.held === 'unroutable';
  }

  add(queued: QueuedTask): void {
    this.waiting.push(queued);
  }

  /** Takes the next task that may be published; null where there is none at the moment. */
  next(): QueuedTask | null {
    if (this.held !== null || this.underWay >= this.most) return null;
    for (let queued = this.freed.shift(); queued !== undefined; queued = this.freed.shift()) {
      if (!queued.sending.hasFailed) return this.taken(queued);
      this.release(queued.task.key);
    }
    for (let queued = this.waiting.shift(); queued !== undefined; queued = this.waiting.shift()) {
      if (queued.sending.hasFailed) continue;
      const { key } = queued.task;
      if (!this.bounded) return this.taken(queued);
      const others = this.behind.get(key);
      if (others === undefined) {
        this.behind.set(key, new Fifo());
        return this.taken(queued);
      }
      others.push(queued);
    }
    return null;
  }

  /** The task is in its queue. `enough`: under way without any limit worth speaking of. */
  confirmed(queued: QueuedTask, enough: number): void {
    this.underWay--;
    this.pauseMs = FIRST_PAUSE_MS;
    this.told = false;
    if (this.bounded) this.release(queued.task.key);
    if (this.held !== null || this.most === Number.POSITIVE_INFINITY) return;
    this.most = this.most >= enough ? Number.POSITIVE_INFINITY : this.most + 1;
  }

  /** The task will never be published. */
  dropped(queued: QueuedTask): void {
    this.underWay--;
    if (this.bounded) this.release(queued.task.key);
  }

  /** The task did not get into its queue and will be published again. */
  cameBack(queued: QueuedTask): void {
    this.underWay--;
    this.back.push(queued);
  }

  /** Publishes nothing until the pause is over. Returns how long it is, null when it holds already; `first`: of a row of refusals. */
  hold(why: Rejection): { readonly pauseMs: number; readonly first: boolean } | null {
    if (this.held !== null) return null;
    this.held = why;
    this.pauseIsOver = false;
    const first = !this.told;
    this.told = true;
    if (why === 'unroutable') return { pauseMs: UNROUTABLE_PAUSE_MS, first };
    const { pauseMs } = this;
    this.pauseMs = Math.min(pauseMs * 2, MOST_PAUSE_MS);
    return { pauseMs, first };
  }

  endPause(): void {
    this.pauseIsOver = true;
  }

  /** After the pause, and with nothing under way any more, it goes on with what came back; one task first. */
  resume(): void {
    if (this.held === null || !this.pauseIsOver || this.underWay > 0) return;
    this.held = null;
    this.most = 1;
    this.sortIn();
  }

  /** The connection is lost: what was under way came back, all of it. A refusal that held it holds on. */
  restart(): void {
    if (this.held === null) this.sortIn();
  }

  /** Puts what came back to the front, and everything else that has had its turn in order behind it. */
  private sortIn(): void {
    const first = [...this.back, ...this.freed.drain(), ...[...this.behind.values()].flatMap((some) => some.drain())];
    this.back = [];
    this.behind.clear();
    this.waiting.prepend(first.sort((one, other) => one.place - other.place));
  }

  /** All tasks that are not under way. */
  rest(): QueuedTask[] {
    return [
      ...this.back,
      ...this.freed.toArray(),
      ...[...this.behind.values()].flatMap((some) => some.toArray()),
      ...this.waiting.toArray(),
    ];
  }

  private taken(queued: QueuedTask): QueuedTask {
    this.underWay++;
    return queued;
  }

  /** No task of the entity is under way any more: the next one that waited for that is due. */
  private release(key: string): void {
    const others = this.behind.get(key);
    const next = others?.shift();
    if (next !== undefined) this.freed.push(next);
    else this.behind.delete(key);
  }
}
