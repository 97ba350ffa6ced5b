/**
 * Numbering: gives the tasks that a commit puts into the outbox their indexes and ids, when the commit is built. The ids are positions of streams,
 * one for each queue that they go to, which this owner draws for itself and nobody continues (wire.md, "Ids, streams, repeats").
 *
 * A stream has no holes: what was numbered for a commit that came to nothing is numbered anew, from behind what is durable. A commit that is
 * sent again, since nobody knows what became of it, keeps its numbers.
 */
import type { OutgoingTask, UnsentTask } from '../model/task.js';
import { newStream, sequencedId } from '../model/task-id.js';
import type { DoneWork } from '../model/work.js';
import type { Placement } from '../routing/placement.js';
import { type Random, systemRandom } from '../runtime/random.js';

interface OwnStream {
  readonly name: string;
  /** Positions of commits that are durable, and of all. */
  durable: number;
  given: number;
}

export class Numbering {
  /** By queue: its index, and which one of the pair it is. */
  private readonly streams = new Map<number, OwnStream>();

  constructor(
    private readonly placement: Placement,
    private readonly random: Random = systemRandom,
  ) {}

  /** The works of a commit, which follows those that were numbered before. */
  number(works: readonly DoneWork[]): void {
    for (const work of works) {
      const { derived } = work.result;
      if (derived.length > 0) work.sends = derived.map((task) => this.place(task));
    }
  }

  /** The commit of these, which were numbered first, is durable. */
  stored(works: readonly DoneWork[]): void {
    for (const { result, sends } of works) {
      if (result.derived.length === 0) continue;
      for (const task of sends) this.streamOf(task).durable += 1;
    }
  }

  /** What was numbered and is not durable is void. */
  beginAnew(): void {
    for (const stream of this.streams.values()) stream.given = stream.durable;
  }

  private place({ key, priority, body }: UnsentTask): OutgoingTask {
    const index = this.placement.indexOf(key);
    const stream = this.streamOf({ index, priority });
    stream.given += 1;
    return { id: sequencedId({ stream: stream.name, n: stream.given }), key, index, priority, body };
  }

  private streamOf({ index, priority }: Pick<OutgoingTask, 'index' | 'priority'>): OwnStream {
    const queue = 2 * index + Number(priority);
    let stream = this.streams.get(queue);
    if (stream === undefined) {
      stream = { name: newStream(this.random), durable: 0, given: 0 };
      this.streams.set(queue, stream);
    }
    return stream;
  }
}
