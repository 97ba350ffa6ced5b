/**
 * Redelivery horizon of a queue: since when nothing of it can come again (rules.md: an id is forgotten when it cannot come again), though
 * the broker tells no message's age.
 *
 * A look asks the broker how many messages wait, twice in a row, on the channel that consumes. What was there at the first answer either
 * waited in the queue or was on its way to us or held by us. The queue is first in, first out: once as many deliveries have come as
 * waited, all that waited have come; and what was on its way before the first answer came before the second one, in the order of the
 * channel. So from some tag on everything is newer than the look, and when all tags up to it are acknowledged, what was there is gone. An
 * acknowledgement counts when a later question was answered: before that it may be lost with its connection.
 *
 * Refused: to wait until the queue is empty and nothing is held. Under steady load that never happens, and ids would be kept forever.
 */

export interface QueueLook {
  /** Milliseconds of Clock.monotonic() before the first question. */
  readonly at: number;
  /** All tags of the channel up to this one had been acknowledged before the first question. */
  readonly acknowledged: number;
  /** Messages that were ready at the first answer. */
  readonly waiting: number;
  /** Deliveries of this channel when the second answer had come; the newest tag is the same number. */
  readonly received: number;
}

interface Measurement {
  readonly at: number;
  /** Deliveries after which all that waited has come. */
  readonly until: number;
  /** All that was there has a tag up to this one; null while some of it waits in the queue. */
  readonly tag: number | null;
}

export class RedeliveryHorizon {
  private measurement: Measurement | null = null;
  private horizon: number | null = null;

  /** All that was put into the queue before this moment is settled for good; null while no such moment is known. It only grows. */
  get before(): number | null {
    return this.horizon;
  }

  looked(look: QueueLook): void {
    const { measurement } = this;
    if (measurement !== null) this.measurement = withTag(measurement, look);
    this.conclude(look);
    if (this.measurement === null || endsSooner(look, this.measurement)) {
      this.measurement = withTag({ at: look.at, until: look.received + look.waiting, tag: null }, look);
      this.conclude(look);
    }
  }

  /** The channel is gone: what it held unacknowledged is in its queue again, and tags begin anew. */
  lost(): void {
    this.measurement = null;
  }

  private conclude({ acknowledged }: QueueLook): void {
    const { measurement } = this;
    if (measurement === null || measurement.tag === null || acknowledged < measurement.tag) return;
    this.horizon = measurement.at;
    this.measurement = null;
  }
}

function withTag(measurement: Measurement, { received }: QueueLook): Measurement {
  const { tag, until } = measurement;
  return tag !== null || received < until ? measurement : { ...measurement, tag: received };
}

/** Whether less waits now than is still missing: the queue got shorter in another way, or was emptied between two answers. */
function endsSooner({ waiting, received }: QueueLook, { tag, until }: Measurement): boolean {
  return tag === null && waiting <= until - received;
}
