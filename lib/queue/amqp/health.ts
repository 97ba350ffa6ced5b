/**
 * Health of the two queues while they are consumed. BrokerProbe asks the broker: their depth, since when nothing of them can come again,
 * whether messages wait that do not come. StallWatchdog acts on that: a reader that could get tasks and gets none although some wait
 * is built anew; when that was in vain three times, the worker is to end.
 */
import type { Channel } from 'amqplib';
import type { Logger } from '../../observability/logger.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import type { PairNames } from '../names.js';
import type { QueueDepth } from '../queue.js';
import type { AmqpConnection } from './connection.js';
import type { Consumer } from './consumer.js';
import { RedeliveryHorizon } from './horizon.js';
import type { PairSession } from './session.js';

/** A message that waits for so long for a consumer with room for it is stuck. */
const STUCK_MS = 1_000;
/** A question without an answer for so long is given up, with the channel it was asked on. */
const ANSWER_MS = 5_000;
const MINUTE_MS = 60_000;
/** In each minute, as DP3 does. */
const LOOKS_AT_MS = [20_000, 50_000];
const MOST_IN_VAIN = 3;

/** Depth is asked on a channel of its own, which a missing queue may close without harm. */
export class BrokerProbe {
  private channel: Promise<Channel> | null = null;
  private known: QueueDepth = { normal: 0, priority: 0 };
  private readonly horizons = { normal: new RedeliveryHorizon(), priority: new RedeliveryHorizon() };

  constructor(
    private readonly connection: AmqpConnection,
    private readonly names: PairNames,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** What is ready and what is open here; as it was known last while the broker does not answer. */
  async depth(session: PairSession | null): Promise<QueueDepth> {
    const ready = await this.answered(this.ready());
    if (ready === null) return this.known;
    const normal = ready.normal + (session?.consumer('normal').unfinished ?? 0);
    const priority = ready.priority + (session?.consumer('priority').unfinished ?? 0);
    this.known = { normal, priority };
    return this.known;
  }

  /** The moment before which all is settled, in either queue; null while it is not known. */
  async redeliveryHorizon(session: PairSession | null): Promise<number | null> {
    if (session !== null) await Promise.all([this.look(session, 'normal'), this.look(session, 'priority')]);
    const { normal, priority } = this.horizons;
    return normal.before === null || priority.before === null ? null : Math.min(normal.before, priority.before);
  }

  /** Its tags begin anew. */
  channelGone({ priority }: Consumer): void {
    this.horizons[priority ? 'priority' : 'normal'].lost();
  }

  /** Whether messages wait in a queue whose consumer could have them and gets none. Takes a moment. */
  async isStalled(from: Consumer): Promise<boolean> {
    const { received } = from;
    const silent = () => from.received === received && from.hasCredit;
    if (!silent() || !(await this.somethingWaits(from))) return false;
    await new Promise<void>((resolve) => this.clock.after(STUCK_MS, resolve, true));
    return silent() && (await this.somethingWaits(from)) && silent();
  }

  private async somethingWaits({ priority }: Consumer): Promise<boolean> {
    const ready = await this.answered(this.ready());
    return ready !== null && (priority ? ready.priority : ready.normal) > 0;
  }

  private async look(session: PairSession, kind: keyof PairNames): Promise<void> {
    const from = session.consumer(kind);
    const look = await this.answered(from.look(this.clock.monotonic()));
    if (look !== null && from.state !== 'ended') this.horizons[kind].looked(look);
  }

  private async ready(): Promise<QueueDepth> {
    const opening = this.channel ?? this.connection.openChannel(() => {});
    this.channel = opening;
    try {
      const channel = await opening;
      const both = [channel.checkQueue(this.names.normal), channel.checkQueue(this.names.priority)] as const;
      const [normal, priority] = await this.inTime(Promise.all(both));
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
      return await this.inTime(question);
    } catch (error) {
      if (this.log.debugOn) this.log.debug('the broker does not tell about the queues', { error });
      return null;
    }
  }

  private async inTime<T>(question: Promise<T>): Promise<T> {
    if (await Deadline.in(ANSWER_MS, this.clock).allows(question)) return question;
    throw new Error(`no answer for ${ANSWER_MS / 1_000} s`);
  }
}

export interface StallWatchdogOptions {
  readonly clock: Clock;
  /** Whether messages wait that the reader could have and does not get. */
  isStalled(): Promise<boolean>;
  /** `times`: how often in a row, this one included. */
  rebuild(times: number): void;
  /** All in vain. */
  failed(times: number): void;
}

export class StallWatchdog {
  private state: 'stopped' | 'watching' = 'stopped';
  private cancel = () => {};
  private inVain = 0;
  /** Messages that arrived and did not go back to the queue, now and at most so far: it is progress when that grows. */
  private received = 0;
  private most = 0;

  constructor(private readonly options: StallWatchdogOptions) {}

  start(): void {
    this.state = 'watching';
    this.schedule();
  }

  stop(): void {
    this.state = 'stopped';
    this.cancel();
  }

  arrived(): void {
    this.received++;
  }

  /** So many went back unsettled: that they come again is no progress. */
  returned(count: number): void {
    this.received -= count;
  }

  private schedule(): void {
    const { clock } = this.options;
    const inMinute = clock.now() % MINUTE_MS;
    const next = LOOKS_AT_MS.find((at) => at > inMinute) ?? MINUTE_MS + LOOKS_AT_MS[0]!;
    this.cancel = clock.after(next - inMinute, () => void this.look());
  }

  private async look(): Promise<void> {
    const { isStalled, rebuild, failed } = this.options;
    const stalled = await isStalled().catch(() => false);
    if (this.state === 'stopped') return;
    if (this.received > this.most) this.inVain = 0;
    this.most = Math.max(this.most, this.received);
    if (stalled && this.inVain === MOST_IN_VAIN) {
      failed(this.inVain);
      return;
    }
    if (stalled) rebuild(++this.inVain);
    this.schedule();
  }
}
