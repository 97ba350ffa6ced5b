/**
 * Numbering: gives the tasks that a commit puts into the outbox their ids, when the commit is built. They are positions of streams, one
 * for each index that they go to, which this owner draws for itself and nobody continues (wire.md, "Ids, streams, repeats").
 *
 * A stream has no holes: what was numbered for a commit that came to nothing is numbered anew, from behind what is durable. A commit that is
 * sent again, since nobody knows what became of it, keeps its numbers.
 */
import type { OutgoingTask } from '../model/task.js';
import { newStream, sequencedId } from '../model/task-id.js';
import type { DoneWork } from '../model/work.js';

interface OwnStream {
  readonly name: string;
  /** Positions of commits that are durable, and of all. */
  durable: number;
  given: number;
}

export class Numbering {
  /** By queue: its index, and which one of the pair it is. */
  private readonly streams = new Map<number, OwnStream>();

  /** The works of a commit, which follows those that were numbered before. */
  number(works: readonly DoneWork[]): void {
    for (const work of works) {
      if (!hasOwnTasks(work)) continue;
      const derived = work.result.derived.map((task) => ({ ...task, id: this.next(this.streamOf(task)) }));
      work.result = { ...work.result, derived };
    }
  }

  /** The commit of these, which were numbered first, is durable. */
  stored(works: readonly DoneWork[]): void {
    for (const work of works) {
      if (!hasOwnTasks(work)) continue;
      for (const task of work.result.derived) this.streamOf(task).durable += 1;
    }
  }

  /** What was numbered and is not durable is void. */
  beginAnew(): void {
    for (const stream of this.streams.values()) stream.given = stream.durable;
  }

  private next(stream: OwnStream): string {
    stream.given += 1;
    return sequencedId({ stream: stream.name, n: stream.given });
  }

  private streamOf({ index, priority }: OutgoingTask): OwnStream {
    const queue = 2 * index + Number(priority);
    let stream = this.streams.get(queue);
    if (stream === undefined) {
      stream = { name: newStream(), durable: 0, given: 0 };
      this.streams.set(queue, stream);
    }
    return stream;
  }
}

/** A forwarded task keeps the id of its sender. */
function hasOwnTasks({ result: { derived, outcome } }: DoneWork): boolean {
  return derived.length > 0 && outcome !== 'forwarded';
}
