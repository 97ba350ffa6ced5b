/**
 * Settled: since when nothing in a queue pair can come again (product.md, rule 14), though the broker tells no message's age.
 *
 * A look asks the broker for the depth of both queues, twice in a row, on the channel that consumes. What was there at the first answer
 * either waited in a queue or was on its way to us or held by us. Queues are first in, first out: once as many deliveries have come as
 * waited, all that waited have come; and what was on its way before the first answer came before the second one, in the order of the
 * channel. So from some tag on everything is newer than the look, and when all tags up to it are acknowledged, what was there is gone. An
 * acknowledgement counts when a later question was answered: before that it may be lost with its connection.
 *
 * Refused: to wait until the queues are empty and nothing is held. Under steady load that never happens, and ids would be kept for ever.
 */
import type { QueueDepth } from '../queue.js';

export interface Look {
  /** Milliseconds of Clock.monotonic() before the first question. */
  readonly at: number;
  /** All tags of the channel up to this one had been acknowledged before the first question. */
  readonly acknowledged: number;
  /** Messages that were ready at the first answer. */
  readonly depth: QueueDepth;
  /** Deliveries of this channel, by queue, when the second answer had come. */
  readonly received: QueueDepth;
  /** The newest tag then; 0 for none. */
  readonly newest: number;
}

interface Measurement {
  readonly at: number;
  /** Deliveries by queue after which all that waited has come. */
  readonly until: QueueDepth;
  /** All that was there has a tag up to this one; null while some of it waits in a queue. */
  readonly tag: number | null;
}

export class Settled {
  private measurement: Measurement | null = null;
  private before_: number | null = null;

  /** All that was put into the pair before this moment is settled for good; null while no such moment is known. It only grows. */
  get before(): number | null {
    return this.before_;
  }

  looked(look: Look): void {
    const { measurement } = this;
    if (measurement !== null) this.measurement = withTag(measurement, look);
    this.conclude(look);
    if (this.measurement === null || endsSooner(look, this.measurement)) {
      const until = {
        normal: look.received.normal + look.depth.normal,
        priority: look.received.priority + look.depth.priority,
      };
      this.measurement = withTag({ at: look.at, until, tag: null }, look);
      this.conclude(look);
    }
  }

  /** The channel is gone: what it held unacknowledged is in its queue again, and tags begin anew. */
  lost(): void {
    this.measurement = null;
  }

  private conclude({ acknowledged }: Look): void {
    const { measurement } = this;
    if (measurement === null || measurement.tag === null || acknowledged < measurement.tag) return;
    this.before_ = measurement.at;
    this.measurement = null;
  }
}

function withTag(measurement: Measurement, { received, newest }: Look): Measurement {
  const { tag, until } = measurement;
  if (tag !== null || received.normal < until.normal || received.priority < until.priority) return measurement;
  return { ...measurement, tag: newest };
}

/** Whether less waits now than is still missing: the queues got shorter in another way, or were emptied between two answers. */
function endsSooner({ depth, received }: Look, { tag, until }: Measurement): boolean {
  if (tag !== null) return false;
  return depth.normal <= until.normal - received.normal && depth.priority <= until.priority - received.priority;
}
