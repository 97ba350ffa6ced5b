/**
 * Replaces the consumer of one queue while nothing of it is open, so that nobody notices: nothing more is handed out, what is open is
 * settled, the channel closes, which returns what was set aside, and a new one takes over. For two reasons: messages were not kept
 * because they were too large (then it is done as soon as what was kept is settled and the other queue leaves room again: before that
 * they would not be kept the next time either), or the prefetch does not suit their size (then it is tried for a moment only: other
 * tasks must not wait for a slow one).
 */
import type { Logger } from '../../observability/logger.js';
import { messageOf } from '../../runtime/errors.js';
import type { Consumption } from './consumption.js';
import type { Pair } from './handout.js';
import { type Opening, openQueue, QueueInUse, type QueueToOpen } from './opening.js';
import { isOutOfScale } from './prefetch.js';

/** How long a consumer may hand out nothing for a better prefetch, and how long it rests after that was in vain. */
const TRY_MS = 50;
const REST_MS = 10_000;
/** A broker counts our consumer on a quorum queue for a moment after its channel was closed, and a process that stands by may look in. */
const IN_USE_MS = 5_000;
const IN_USE_AGAIN_MS = 50;
/** Between two looks at the sizes, in messages. */
const LOOK_EVERY = 64;

export interface ReplacingOptions {
  readonly log: Logger;
  opening(): Opening;
  /** The pair that is consumed now. */
  pair(): Pair | null;
  /** This one stands in the pair from now on. */
  replaced(by: Consumption, old: Consumption): void;
  /** The queue is not consumed any more, and why. */
  failed(why: string): void;
  /** There may be something to be handed out. */
  pump(): void;
}

export class Replacing {
  private restUntil = 0;

  constructor(private readonly options: ReplacingOptions) {}

  /** After a message arrived. */
  arrived(from: Consumption): void {
    if (from.overrun) this.settled(from);
    else if (from.received % LOOK_EVERY === 0) this.look(from);
  }

  /** After something of it was settled. */
  settled(from: Consumption): void {
    if (from.ended) return;
    const ready = from.holding ? from.open === 0 : from.overrun && from.isEmpty && from.couldKeep;
    if (!ready) return;
    from.holding = true;
    void this.replace(from);
  }

  private look(from: Consumption): void {
    const { opening, pump } = this.options;
    const { limits, clock } = opening();
    if (from.type !== 'classic' || from.holding || clock.monotonic() < this.restUntil) return;
    if (!isOutOfScale(from.prefetch, from.sizes.meanBytes, limits)) return;
    this.restUntil = clock.monotonic() + REST_MS;
    from.holding = true;
    clock.after(TRY_MS, () => {
      if (from.ended || from.open === 0) return;
      from.holding = false;
      pump();
    });
    this.settled(from);
  }

  private async replace(old: Consumption): Promise<void> {
    const { opening, pair: current, replaced, failed, pump, log } = this.options;
    const pair = current();
    if (pair === null) return;
    const { queue, priority, type, sizes, prefetch } = old;
    await old.close();
    try {
      const consumption = await this.open(pair, { ...opening(), held: pair.held, queue, priority, type, sizes });
      if (current() !== pair) {
        await consumption.close();
        return;
      }
      log.info('a queue is consumed by another channel', { queue, prefetch: consumption.prefetch, before: prefetch });
      pair[priority ? 'priority' : 'normal'] = consumption;
      replaced(consumption, old);
      pump();
      // What was set aside went back, so that the other one may have room again.
      this.settled(priority ? pair.normal : pair.priority);
    } catch (error) {
      if (current() === pair) failed(messageOf(error));
    }
  }

  /** Throws QueueInUse where it is still in use after a while. */
  private async open(pair: Pair, queue: QueueToOpen): Promise<Consumption> {
    const { clock } = queue;
    const giveUpAt = clock.monotonic() + IN_USE_MS;
    for (;;) {
      try {
        return (await openQueue(queue)).consumption;
      } catch (error) {
        const again = error instanceof QueueInUse && clock.monotonic() < giveUpAt && this.options.pair() === pair;
        if (!again) throw error;
        await new Promise<void>((resolve) => clock.after(IN_USE_AGAIN_MS, resolve, true));
      }
    }
  }
}
