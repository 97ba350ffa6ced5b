/**
 * Floors: how far the streams of a writer are confirmed without a hole. Each message carries the floor of its stream, so that its reader knows what
 * must have been in the queue before it (wire.md, "A loss is told").
 *
 * A sender publishes the tasks of a stream in order, and from the first one that is not confirmed: so everything before the first position
 * that a writer is handed was confirmed by one before it. Forwarded tasks are some of a stream of somebody else, and carry none.
 */
import { Ranges } from '../../model/ranges.js';
import type { OutgoingTask } from '../../model/task.js';
import { sequencedOf } from '../../model/task-id.js';

/** The stream of a writer's tasks. */
class SenderStream {
  private readonly confirmed = new Ranges();

  constructor(public floor: number) {}

  confirm(n: number): void {
    if (n < this.floor) return;
    this.confirmed.add(n);
    this.floor = this.confirmed.firstMissing(this.floor);
    this.confirmed.cut(this.floor);
  }
}

/** A task's place in its stream. */
export class StreamPosition {
  constructor(
    private readonly stream: SenderStream,
    private readonly n: number,
  ) {}

  /** All positions of the stream below it are confirmed. */
  get floor(): number {
    return this.stream.floor;
  }

  confirm(): void {
    this.stream.confirm(this.n);
  }
}

export class Floors {
  private readonly streams = new Map<string, SenderStream>();

  /** To be asked in the order in which tasks are handed in; null for one that is in no stream of its sender. */
  placeOf({ id, forwarded }: Pick<OutgoingTask, 'id' | 'forwarded'>): StreamPosition | null {
    const sequenced = forwarded ? null : sequencedOf(id);
    if (sequenced === null) return null;
    const { stream: name, n } = sequenced;
    let stream = this.streams.get(name);
    if (stream === undefined) {
      stream = new SenderStream(n);
      this.streams.set(name, stream);
    }
    return new StreamPosition(stream, n);
  }
}

/** The floor as a message carries it. */
export function floorOf(correlationId: unknown): number | null {
  return typeof correlationId === 'string' && FLOOR.test(correlationId) ? Number(correlationId) : null;
}

/** Of at most 40 bits. */
const FLOOR = /^[1-9]\d{0,12}$/;
