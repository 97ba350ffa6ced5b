/**
 * One life of the consumers of a queue pair: from the moment both queues are consumed until they are not any more. They end together: a
 * channel that is gone, a cancelled consumer, a lost connection mean that all open deliveries are void (rules.md: a lost connection voids
 * open deliveries); reader.ts then begins the next session.
 *
 *   consuming       messages are handed out
 *   settling-down   we want it to end: nothing more is handed out, and what runs is finished and acknowledged first (rules.md: drain in order)
 *   ended           `ended` resolves once the owner has settled down and the channels are closed
 *
 * Within a session one consumer may be replaced by another channel while nothing of it is open, so that nobody notices: nothing more is
 * handed out, what is open is settled, the channel closes, which returns what was set aside, and a new one takes over. For two reasons:
 * messages were not kept because they were too large (then it is done as soon as what was kept is settled and the other queue leaves
 * room again: before that they would not be kept the next time either), or the prefetch does not suit their size (then it is tried for a
 * moment only: other tasks must not wait for a slow one).
 */
import type { Logger } from '../../observability/logger.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import { messageOf } from '../../runtime/errors.js';
import type { PairNames } from '../names.js';
import type { AmqpConnection } from './connection.js';
import { Consumer, noBytesHeld, QueueInUse, type QueueToConsume } from './consumer.js';
import { isOutOfScale, MessageSizes } from './prefetch.js';
import type { QueueTypes } from './topology.js';

/** Messages of each queue that are waited for before the first is handed out: only then do both have their turns. */
const FILLED_WITH = 256;
/** How long a consumer may hand out nothing for a better prefetch, and how long it rests after that was in vain. */
const TRY_MS = 50;
const REST_MS = 10_000;
/** A broker counts our consumer on a quorum queue for a moment after its channel was closed, and a process that stands by may look in. */
const IN_USE_MS = 5_000;
const IN_USE_AGAIN_MS = 50;
/** Between two looks at the sizes, in messages. */
const LOOK_EVERY = 64;

/** What hears of a session. */
export interface SessionOwner {
  arrived(from: Consumer): void;
  /** Something may be handed out that could not be before. */
  mayHaveMore(): void;
  /** The channel of a consumer is gone: what it held comes again. */
  channelGone(from: Consumer): void;
  /** Everything open is void from this moment on. */
  voided(): void;
  /** Nothing new is handed out; resolves when what runs has come to its end. */
  settleDown(): Promise<void>;
}

export interface PairSessionOptions {
  readonly names: PairNames;
  readonly types: QueueTypes;
  readonly prefetch: number;
  readonly windowBytes: number;
  readonly connection: AmqpConnection;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PairSession {
  state: 'consuming' | 'settling-down' | 'ended' = 'consuming';
  /** Rejects with what the owner throws when it is to settle down. */
  readonly ended: Promise<unknown>;
  private tellEnded: (after: Promise<unknown>) => void = () => {};
  private owner: SessionOwner | null = null;
  private settledDown: Promise<void> | null = null;
  private restUntil = 0;
  private flushing: 'none' | 'scheduled' = 'none';

  private constructor(
    private readonly options: PairSessionOptions,
    private priority: Consumer,
    private normal: Consumer,
  ) {
    this.ended = new Promise((resolve) => {
      this.tellEnded = resolve;
    });
  }

  /**
   * Consumes both queues, priority first: two processes could get one queue each, so whoever has no second one lets go of the first. Throws
   * QueueInUse.
   */
  static async open(options: PairSessionOptions): Promise<PairSession> {
    const { names, types, prefetch, windowBytes, connection, clock } = options;
    const limits = { most: prefetch, bytes: Math.floor(windowBytes / 2) };
    const held = noBytesHeld(windowBytes);
    const common = { held, limits, connection, clock };
    const open = (queue: string, priority: boolean) =>
      Consumer.open({ ...common, queue, priority, type: types.get(queue) ?? null, sizes: new MessageSizes() });
    const priority = await open(names.priority, true);
    try {
      const normal = await open(names.normal, false);
      await Promise.all([priority.filled(FILLED_WITH), normal.filled(FILLED_WITH)]);
      return new PairSession(options, priority, normal);
    } catch (error) {
      await priority.close();
      throw error;
    }
  }

  /** Told from now on; at once where it has ended already. */
  begin(owner: SessionOwner): void {
    this.owner = owner;
    for (const each of this.consumers) this.listen(each);
  }

  consumer(kind: keyof PairNames): Consumer {
    return this[kind];
  }

  get consumers(): readonly [Consumer, Consumer] {
    return [this.priority, this.normal];
  }

  /** What is settled together is acknowledged together, in a later turn of the event loop. */
  flushSoon(): void {
    if (this.flushing === 'scheduled') return;
    this.flushing = 'scheduled';
    this.options.clock.soon(() => {
      this.flushing = 'none';
      if (this.state === 'ended') return;
      for (const each of this.consumers) {
        each.flush();
        this.replaceIfDue(each);
      }
      this.owner?.mayHaveMore();
    });
  }

  /** Before this returns. Throws QUEUE_UNAVAILABLE where that cannot be. */
  flushNow(): void {
    if (this.state !== 'ended') Consumer.flushNow(this.consumers);
  }

  /** Acknowledges also what waits beyond a slow task; how long the oldest open one is unacknowledged. */
  sweep(): number {
    if (this.state === 'ended') return 0;
    const now = this.options.clock.monotonic();
    for (const each of this.consumers) each.flush(true);
    return Math.max(...this.consumers.map((each) => each.ageMs(now)));
  }

  /** At once: whatever is open is void. */
  end(why: string): void {
    const { owner } = this;
    if (this.state === 'ended' || owner === null) return;
    this.options.log.warn('the queues are consumed anew', { why });
    const closed = this.leave();
    owner.voided();
    this.tellEnded(Promise.all([closed, this.settledDown ?? owner.settleDown()]));
  }

  /** What runs is finished first, and what is finished within `mostMs` is acknowledged. */
  async endInOrder(why: string, mostMs: number): Promise<void> {
    const { owner } = this;
    if (this.state !== 'consuming' || owner === null) return;
    this.state = 'settling-down';
    this.settledDown = owner.settleDown();
    // An owner that cannot settle down is told of by `ended`.
    await Deadline.in(mostMs, this.options.clock)
      .allows(this.settledDown)
      .catch(() => {});
    this.end(why);
  }

  /** Acknowledges what is finished and lets go of the rest, which goes back to its place. */
  async close(): Promise<void> {
    if (this.state === 'ended') return;
    const closed = this.leave();
    this.tellEnded(closed);
    await closed;
  }

  private leave(): Promise<unknown> {
    this.state = 'ended';
    const closed = Promise.all(this.consumers.map((each) => each.close()));
    for (const each of this.consumers) this.owner?.channelGone(each);
    return closed;
  }

  private listen(to: Consumer): void {
    to.listen({
      arrived: (from) => {
        this.owner?.arrived(from);
        if (from.overrun) this.replaceIfDue(from);
        else if (from.received % LOOK_EVERY === 0) this.tryBetterPrefetch(from);
      },
      ended: (_, why) => this.end(why),
    });
  }

  private tryBetterPrefetch(from: Consumer): void {
    const { clock } = this.options;
    if (from.type !== 'classic' || from.state !== 'consuming' || clock.monotonic() < this.restUntil) return;
    if (!isOutOfScale(from.prefetch, from.sizes.meanBytes, from.options.limits)) return;
    this.restUntil = clock.monotonic() + REST_MS;
    from.state = 'holding';
    clock.after(TRY_MS, () => {
      if (from.state !== 'holding' || from.open === 0) return;
      from.state = 'consuming';
      this.owner?.mayHaveMore();
    });
    this.replaceIfDue(from);
  }

  private replaceIfDue(from: Consumer): void {
    if (from.state === 'ended' || this.state === 'ended') return;
    const due = from.state === 'holding' ? from.open === 0 : from.overrun && from.isEmpty && from.couldKeep;
    if (!due) return;
    from.state = 'holding';
    void this.replace(from);
  }

  private async replace(old: Consumer): Promise<void> {
    const { log } = this.options;
    await old.close();
    try {
      const consumer = await this.openAgain(old.options);
      if (this.hasEnded) {
        await consumer.close();
        return;
      }
      log.info('a queue is consumed by another channel', {
        queue: old.queue,
        prefetch: consumer.prefetch,
        before: old.prefetch,
      });
      this[old.priority ? 'priority' : 'normal'] = consumer;
      this.owner?.channelGone(old);
      this.listen(consumer);
      this.owner?.mayHaveMore();
      // What was set aside went back, so that the other one may have room again.
      this.replaceIfDue(old.priority ? this.normal : this.priority);
    } catch (error) {
      this.end(messageOf(error));
    }
  }

  /** Throws QueueInUse where it is still in use after a while. */
  private async openAgain(queue: QueueToConsume): Promise<Consumer> {
    const { clock } = this.options;
    const giveUpAt = clock.monotonic() + IN_USE_MS;
    for (;;) {
      try {
        return await Consumer.open(queue);
      } catch (error) {
        const again = error instanceof QueueInUse && clock.monotonic() < giveUpAt && !this.hasEnded;
        if (!again) throw error;
        await new Promise<void>((resolve) => clock.after(IN_USE_AGAIN_MS, resolve, true));
      }
    }
  }

  /** For after a wait: meanwhile it may have ended. */
  private get hasEnded(): boolean {
    return this.state === 'ended';
  }
}
