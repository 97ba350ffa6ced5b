/**
 * What is asked about the two queues while they are consumed: their depth, since when nothing of them can come again, whether
 * messages wait that do not come. Depth is asked on a channel of its own, which a missing queue may close without harm.
 */
import type { Channel } from 'amqplib';
import type { Logger } from '../../observability/logger.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import type { PairNames } from '../names.js';
import type { QueueDepth } from '../queue.js';
import type { AmqpConnection } from './connection.js';
import type { Consumption } from './consumption.js';
import type { Pair } from './handout.js';
import { Settled } from './settled.js';

/** A message that waits for so long for a consumer with room for it is stuck. */
const STUCK_MS = 1_000;
/** A question without an answer for so long is given up, with the channel it was asked on. */
const ANSWER_MS = 5_000;

export class PairLooks {
  private channel: Promise<Channel> | null = null;
  private known: QueueDepth = { normal: 0, priority: 0 };
  private readonly settled = { normal: new Settled(), priority: new Settled() };

  constructor(
    private readonly connection: AmqpConnection,
    private readonly names: PairNames,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** What is ready and what is open here; as it was known last while the broker does not answer. */
  async depth(pair: Pair | null): Promise<QueueDepth> {
    const ready = await this.answered(this.ready());
    if (ready === null) return this.known;
    const normal = ready.normal + (pair?.normal.unfinished ?? 0);
    const priority = ready.priority + (pair?.priority.unfinished ?? 0);
    this.known = { normal, priority };
    return this.known;
  }

  /** The moment before which all is settled, in either queue (settled.ts). */
  async redeliveryHorizon(pair: Pair | null): Promise<number | null> {
    if (pair !== null) await Promise.all([this.look(pair, 'normal'), this.look(pair, 'priority')]);
    const { normal, priority } = this.settled;
    return normal.before === null || priority.before === null ? null : Math.min(normal.before, priority.before);
  }

  /** The channel of this queue is gone. */
  lost(kind: keyof PairNames): void {
    this.settled[kind].lost();
  }

  /** Whether messages wait in a queue whose consumer could have them and gets none. Takes a moment. */
  async isStuck(from: Consumption): Promise<boolean> {
    const { received } = from;
    const silent = () => !from.ended && from.received === received && from.hasCredit;
    if (!silent() || !(await this.somethingWaits(from))) return false;
    await new Promise<void>((resolve) => this.clock.after(STUCK_MS, resolve, true));
    return silent() && (await this.somethingWaits(from)) && silent();
  }

  private async somethingWaits({ priority }: Consumption): Promise<boolean> {
    const ready = await this.answered(this.ready());
    return ready !== null && (priority ? ready.priority : ready.normal) > 0;
  }

  private async look(pair: Pair, kind: keyof PairNames): Promise<void> {
    const from = pair[kind];
    const look = await this.answered(from.look(this.clock.monotonic()));
    if (look !== null && !from.ended) this.settled[kind].looked(look);
  }

  private async ready(): Promise<QueueDepth> {
    const opening = this.channel ?? this.connection.openChannel(() => {});
    this.channel = opening;
    try {
      const channel = await opening;
      const both = [channel.checkQueue(this.names.normal), channel.checkQueue(this.names.priority)] as const;
      const [normal, priority] = await inTime(Promise.all(both), this.clock);
      return { normal: normal.messageCount, priority: priority.messageCount };
    } catch (error) {
      if (this.channel === opening) {
        this.channel = null;
        void opening.then((channel) => this.connection.closeChannel(channel)).catch(() => {});
      }
      throw error;
    }
  }

  /** Null where the broker refuses to answer, or does not in time: that is no reason to give up a connection that delivers. */
  private async answered<T>(question: Promise<T>): Promise<T | null> {
    try {
      return await inTime(question, this.clock);
    } catch (error) {
      if (this.log.debugOn) this.log.debug('the broker does not tell about the queues', { error });
      return null;
    }
  }
}

async function inTime<T>(question: Promise<T>, clock: Clock): Promise<T> {
  if (await Deadline.in(ANSWER_MS, clock).allows(question)) return question;
  throw new Error(`no answer for ${ANSWER_MS / 1_000} s`);
}
