/**
 * Sender: lots become tasks and go to the writer, a few portions at a time. The order within an entity is that of the calls: the writer
 * keeps it. What counts as sent is durable in its queue.
 *
 * With a journal each lot is a block: opened before its first task is published, marked once the last one is in its queue. One is opened
 * while the one before is on its way.
 */
import type { OutgoingTask } from '../model/task.js';
import { TasksNotSent, type TaskWriter } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import { REFUSED } from './journal/digests.js';
import type { Journal } from './journal/journal.js';
import { OPEN_AT_ONCE, type OpenBlock } from './journal/open-blocks.js';
import type { Lot } from './lots.js';
import type { Pace } from './pace.js';
import { type Parcel, type RefusedItem, type TaskMaking, tasksOf } from './tasks.js';

/** Calls of the writer under way at once: the next block is made while the last one is written. */
const OUTSTANDING = 3;

export interface SenderOptions {
  readonly making: TaskMaking;
  readonly writer: TaskWriter;
  readonly pace: Pace;
  /** Null for an input that is sent once; then what was read of it is sent even when the signal fires. */
  readonly journal: Journal | null;
  /** Fires when no more is to be sent. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Told of what is refused of a lot, before the rest of it is sent; what it throws ends the sending. */
  refused(items: readonly RefusedItem[]): void;
  /** Told after each portion. */
  progress(): void;
}

export class Sender {
  /** Data-points and tasks that are in their queues. */
  points = 0;
  tasks = 0;
  /** Those of the data-points that an earlier send had begun to send. */
  repeated = 0;
  /** Tasks that may be in their queues: the broker has not said what became of them. */
  unsure = 0;
  /** Data-points of the input that were not refused and not sent before. */
  taken = 0;
  /** Data-points of the input that were sent before. */
  known = 0;
  private readonly outstanding: Promise<void>[] = [];
  private readonly unmarked: Promise<void>[] = [];

  constructor(private readonly options: SenderOptions) {}

  /** Sends all lots; resolves when everything is in its queue. Ends early, without an error, when the signal fires. */
  async send(lots: AsyncIterable<Lot>): Promise<void> {
    await this.whole(async () => {
      for await (const lot of lots) await this.sendLot(lot);
    });
  }

  /** Sends blocks that were opened by an earlier send, under the ids that they were opened with. */
  async repeat(blocks: readonly OpenBlock[], journal: Journal): Promise<void> {
    await this.whole(async () => {
      for (const block of blocks) {
        await this.sendOpened(block, journal, (points) => {
          this.repeated += points;
        });
      }
    });
  }

  private async whole(act: () => Promise<void>): Promise<void> {
    const { signal } = this.options;
    try {
      await act();
      for (const waiting of [this.outstanding, this.unmarked]) while (waiting.length > 0) await waiting.shift();
    } catch (error) {
      await Promise.allSettled([...this.outstanding.splice(0), ...this.unmarked.splice(0)]);
      if (!signal.aborted) throw error;
    }
  }

  private async sendLot(lot: Lot): Promise<void> {
    const { making, pace, signal, journal, clock } = this.options;
    // What was read of a file is read again.
    if (journal !== null) signal.throwIfAborted();
    const { items, lines } = lot;
    const { parcels, refused } = tasksOf(
      items.filter((_, at) => lines?.known?.[at] !== true),
      making,
    );
    if (refused.length > 0) this.options.refused(refused);
    this.taken += sum(parcels);
    if (journal === null || lines === null) {
      await this.publish(parcels);
      return;
    }
    await pace.take(sum(parcels), signal);
    signal.throwIfAborted();
    this.known += lines.known?.filter((isKnown) => isKnown).length ?? 0;
    const block = journal.blockOf({
      lines: withoutRefused(lot, refused),
      span: lot.span,
      tasks: parcels,
      range: [items[0]?.line ?? 0, items.at(-1)?.line ?? 0],
      numProcesses: making.placement.numProcesses,
      now: clock.now(),
    });
    while (this.unmarked.length >= OPEN_AT_ONCE) await this.unmarked.shift();
    signal.throwIfAborted();
    // One without tasks as well: where it is missing between others, what it says of its lines is.
    await journal.open(block);
    await this.sendOpened(block, journal);
  }

  /** Resolves when it is handed over to the writer. */
  private async sendOpened(block: OpenBlock, journal: Journal, sent?: (points: number) => void): Promise<void> {
    const portions = await this.publish(block.tasks, sent);
    // A block is marked after the one before, whichever is in its queues first.
    const marked = Promise.all([this.unmarked.at(-1), ...portions]).then(() => journal.mark(block));
    // It is awaited in turn; until then a failure waits here.
    marked.catch(() => {});
    this.unmarked.push(marked);
  }

  private async publish(parcels: readonly Parcel[], sent?: (points: number) => void): Promise<Promise<void>[]> {
    const { pace, signal, journal, progress } = this.options;
    const portions: Promise<void>[] = [];
    for (const portion of portionsOf(parcels, pace.portion)) {
      if (journal === null) await pace.take(sum(portion), signal);
      while (this.outstanding.length >= OUTSTANDING) await this.outstanding.shift();
      const sending = this.sendPortion(portion, sent);
      portions.push(sending);
      this.outstanding.push(sending);
      progress();
    }
    return portions;
  }

  private sendPortion(portion: readonly Parcel[], sent: (points: number) => void = () => {}): Promise<void> {
    const pointsOf = new Map(portion.map(({ task, points }) => [task, points]));
    const queued = (task: OutgoingTask) => {
      const points = pointsOf.get(task) ?? 0;
      this.points += points;
      this.tasks += 1;
      sent(points);
    };
    const sending = this.options.writer.send([...pointsOf.keys()], queued).then(
      () => this.options.progress(),
      (error: unknown) => {
        if (error instanceof TasksNotSent) this.unsure += error.unsure;
        throw error;
      },
    );
    sending.catch(() => {});
    return sending;
  }
}

function withoutRefused({ items, lines }: Lot, refused: readonly RefusedItem[]) {
  const { digests = [], known = null } = lines ?? {};
  const positions = new Set(refused.map(({ position }) => position));
  return { digests: digests.map((digest, at) => (positions.has(items[at]!.position) ? REFUSED : digest)), known };
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
