/** The streams of one run of `send`: ids of its tasks, one stream for each index, in order and without holes. */
import { newStream, sequencedId } from '../../model/task-id.js';

export class TaskStreams {
  private readonly streams = new Map<number, { readonly stream: string; n: number }>();

  /** The id of the next task of an index. It must be sent: nothing may refuse it any more. */
  nextId(index: number): string {
    let own = this.streams.get(index);
    if (own === undefined) {
      own = { stream: newStream(), n: 0 };
      this.streams.set(index, own);
    }
    own.n += 1;
    return sequencedId(own);
  }

  /** By index, those that were used. */
  get numbers(): Record<string, string> {
    const sorted = [...this.streams].sort(([a], [b]) => a - b);
    return Object.fromEntries(sorted.map(([index, { stream }]) => [index, stream]));
  }
}
