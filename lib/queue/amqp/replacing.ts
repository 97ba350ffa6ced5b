/**
 * Replaces the consumer of one queue while nothing of it is open, so that nobody notices: nothing more is handed out, what is open is
 * settled, the channel closes, which returns what was set aside, and a new one takes over. For two reasons: messages were not kept
 * because they were too large (then it is done as soon as what was kept is settled), or the prefetch does not suit their size (then
 * it is tried for a moment only: other tasks must not wait for a slow one).
 */
import type { Logger } from '../../observability/logger.js';
import { messageOf } from '../../runtime/errors.js';
import type { Consumption } from './consumption.js';
import type { Pair } from './handout.js';
import { type Opening, openQueue } from './opening.js';
import { isOutOfScale } from './prefetch.js';

/** How long a consumer may hand out nothing for a better prefetch, and how long it rests after that was in vain. */
const TRY_MS = 50;
const REST_MS = 10_000;
/** Between two looks at the sizes, in messages. */
const LOOK_EVERY = 64;

export interface ReplacingOptions {
  readonly log: Logger;
  opening(): Opening;
  /** The pair that is consumed now. */
  pair(): Pair | null;
  /** This one stands in the pair from now on. */
  replaced(by: Consumption): void;
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
    if (from.holding ? from.open > 0 : !from.overrun || !from.isEmpty) return;
    from.holding = true;
    void this.replace(from);
  }

  private look(from: Consumption): void {
    const { opening, pump } = this.options;
    const { classic, limits, clock } = opening();
    if (!classic || from.holding || clock.monotonic() < this.restUntil) return;
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
    const { queue, priority, sizes, prefetch } = old;
    await old.close();
    try {
      const { consumption } = await openQueue({ ...opening(), held: pair.held, queue, priority, sizes });
      if (current() !== pair) {
        await consumption.close();
        return;
      }
      log.info('a queue is consumed by another channel', { queue, prefetch: consumption.prefetch, before: prefetch });
      pair[priority ? 'priority' : 'normal'] = consumption;
      replaced(consumption);
      pump();
    } catch (error) {
      if (current() === pair) failed(messageOf(error));
    }
  }
}
