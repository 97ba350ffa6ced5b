/**
 * What is asked about the two queues while they are consumed: their depth, since when nothing of them can come again, whether
 * messages wait that do not come. Depth is asked on a channel of its own, which a missing queue may close without harm.
 */
import type { Channel } from 'amqplib';
import type { Logger } from '../../observability/logger.js';
import type { Clock } from '../../runtime/clock.js';
import type { PairNames } from '../names.js';
import type { QueueDepth } from '../queue.js';
import type { AmqpConnection } from './connection.js';
import type { Consumption } from './consumption.js';
import type { Pair } from './handout.js';
import { Settled } from './settled.js';

/** A message that waits for so long for a consumer with room for it is stuck. */
const STUCK_MS = 1_000;

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
  async settledBefore(pair: Pair | null): Promise<number | null> {
    if (pair !== null) await Promise.all([this.look(pair, 'normal'), this.look(pair, 'priority')]);
    const { normal, priority } = this.settled;
    return normal.before === null || priority.before === null ? null : Math.min(normal.before, priority.before);
  }

  /** Channels are gone: those of one queue, or of both. */
  lost(kind?: keyof PairNames): void {
    if (kind !== 'priority') this.settled.normal.lost();
    if (kind !== 'normal') this.settled.priority.lost();
  }

  /** Whether messages wait in a queue whose consumer could have them and gets none. Takes a moment. */
  async isStuck(pair: Pair): Promise<boolean> {
    const consumptions = [pair.normal, pair.priority];
    const before = consumptions.map(({ received }) => received);
    if (!(await this.anyWaits(consumptions))) return false;
    await new Promise<void>((resolve) => this.clock.after(STUCK_MS, resolve, true));
    const silent = consumptions.filter((each, i) => !each.ended && each.received === before[i]);
    return silent.length === consumptions.length && this.anyWaits(silent);
  }

  private async anyWaits(consumptions: readonly Consumption[]): Promise<boolean> {
    const ready = await this.answered(this.ready());
    if (ready === null) return false;
    return consumptions.some(({ priority, isSaturated, holding, overrun }) => {
      const could = !isSaturated && !holding && !overrun;
      return could && (priority ? ready.priority : ready.normal) > 0;
    });
  }

  private async look(pair: Pair, kind: keyof PairNames): Promise<void> {
    const from = pair[kind];
    const look = await this.answered(from.look(this.clock.now()));
    if (look !== null && !from.ended) this.settled[kind].looked(look);
  }

  private async ready(): Promise<QueueDepth> {
    const opening = this.channel ?? this.connection.openChannel(() => {});
    this.channel = opening;
    try {
      const channel = await opening;
      const [normal, priority] = await Promise.all([
        channel.checkQueue(this.names.normal),
        channel.checkQueue(this.names.priority),
      ]);
      return { normal: normal.messageCount, priority: priority.messageCount };
    } catch (error) {
      if (this.channel === opening) this.channel = null;
      throw error;
    }
  }

  private async answered<T>(question: Promise<T>): Promise<T | null> {
    try {
      return await question;
    } catch (error) {
      if (this.log.debugOn) this.log.debug('the broker does not tell about the queues', { error });
      return null;
    }
  }
}
