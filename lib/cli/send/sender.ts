/**
 * Sender: blocks become tasks and go to the writer, a few portions at a time. The order within an entity is that of the calls: the writer
 * keeps it. What counts as sent is durable in its queue.
 */

import type { OutgoingTask } from '../../model/task.js';
import { TasksNotSent, type TaskWriter } from '../../queue/queue.js';
import type { Block } from './blocks.js';
import type { Pace } from './pace.js';
import type { Rejects } from './rejects.js';
import { type Parcel, type RefusedItem, type TaskMaking, tasksOf } from './tasks.js';

/** Calls of the writer under way at once: the next block is made while the last one is written. */
const OUTSTANDING = 3;

export interface SenderOptions {
  readonly making: TaskMaking;
  readonly writer: TaskWriter;
  readonly pace: Pace;
  readonly rejects: Rejects;
  /** Fires when no more is to be sent; an input that can be repeated is left at once, of another one what was read is still sent. */
  readonly signal: AbortSignal;
  readonly repeatable: boolean;
  /** Told of every refused item, once it is in its file. */
  onRefused(item: RefusedItem): void;
  /** Told after each portion. */
  onProgress(): void;
}

export class Sender {
  /** Data-points and tasks that are in their queues. */
  points = 0;
  tasks = 0;
  /** Tasks that may be in their queues: the broker has not said what became of them. */
  unsure = 0;
  /** Data-points of the input that were not refused. */
  taken = 0;
  private readonly outstanding: Promise<void>[] = [];

  constructor(private readonly options: SenderOptions) {}

  /** Sends all blocks; resolves when everything is in its queue. Ends early, without an error, when the signal fires. */
  async send(blocks: AsyncIterable<Block>): Promise<void> {
    const { signal } = this.options;
    try {
      for await (const block of blocks) await this.sendBlock(block);
      while (this.outstanding.length > 0) await this.outstanding.shift();
    } catch (error) {
      await Promise.allSettled(this.outstanding);
      if (!signal.aborted) throw error;
    }
  }

  private async sendBlock(block: Block): Promise<void> {
    const { making, rejects, pace, signal, repeatable, onRefused, onProgress } = this.options;
    const { parcels, refused } = tasksOf(block, making);
    rejects.add(refused);
    for (const item of refused) onRefused(item);
    this.taken += sum(parcels);
    for (const portion of portionsOf(parcels, pace.portion)) {
      await pace.take(sum(portion), signal);
      if (repeatable) signal.throwIfAborted();
      while (this.outstanding.length >= OUTSTANDING) await this.outstanding.shift();
      this.outstanding.push(this.sendPortion(portion));
      onProgress();
    }
  }

  private sendPortion(portion: readonly Parcel[]): Promise<void> {
    const pointsOf = new Map(portion.map(({ task, points }) => [task, points]));
    const queued = (task: OutgoingTask) => {
      this.points += pointsOf.get(task) ?? 0;
      this.tasks += 1;
    };
    const sending = this.options.writer.send([...pointsOf.keys()], queued).then(
      () => this.options.onProgress(),
      (error: unknown) => {
        if (error instanceof TasksNotSent) this.unsure += error.unsure;
        throw error;
      },
    );
    // It is awaited in turn; until then a failure waits here.
    sending.catch(() => {});
    return sending;
  }
}

/** Consecutive tasks with at most so many data-points together, one task at least. */
function* portionsOf(parcels: readonly Parcel[], most: number): Iterable<readonly Parcel[]> {
  let portion: Parcel[] = [];
  let points = 0;
  for (const parcel of parcels) {
    if (portion.length > 0 && (points + parcel.points > most || portion.length >= MOST_TASKS)) {
      yield portion;
      portion = [];
      points = 0;
    }
    portion.push(parcel);
    points += parcel.points;
  }
  if (portion.length > 0) yield portion;
}

/** Tasks of one call of the writer: what one transaction of the embedded queue takes. */
const MOST_TASKS = 1_024;

function sum(portion: readonly Parcel[]): number {
  return portion.reduce((total, { points }) => total + points, 0);
}
