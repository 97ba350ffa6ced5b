/**
 * One queue of the pair, consumed on a channel of its own until that channel ends. What arrives is set aside in order and handed out
 * from there. Closing the channel returns everything unacknowledged to its place in the queue (measured: in exact order, on both
 * kinds of queue); `basic.cancel` and `basic.nack` do not, so neither is ever sent (rules.md: drain in order).
 *
 * Messages that would take up more than the bound are not kept: they stay unacknowledged, and come again once everything before
 * them is settled and the channel is replaced. So memory is bounded whatever a producer sends, even where the prefetch turns out to be
 * too large for it.
 *
 * No other process may consume the queue. On a classic queue the consumer is exclusive: the broker refuses a second one, and the refused
 * process tries again. On a quorum queue `exclusive` means nothing: there the queue has a single active consumer, and a process waits as
 * long as anybody consumes. Single active consumers on classic queues were refused: a cancel with a backlog crashed the queue's process
 * (3.10). A queue whose type nobody tells is treated as both: what means nothing to the other kind does no harm there.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';
import { Fifo } from '../fifo.js';
import { Acknowledger, type Acks, acksOf } from './acks.js';
import type { AmqpConnection } from './connection.js';
import type { QueueLook } from './horizon.js';
import { ENOUGH_MESSAGES, type MessageSizes, type PrefetchLimits, prefetchFor } from './prefetch.js';
import type { QueueType } from './queue-safety.js';

export class QueueInUse extends Error {
  override readonly name = 'QueueInUse';

  constructor(queue: string, cause?: unknown) {
    super(`another process consumes the queue ${queue}`, { cause });
  }
}

/** Bytes of all messages that are in memory, of both queues of a pair. */
export interface HeldBytes {
  bytes: number;
  readonly limit: number;
}

/** Messages that are set aside may take up this much, or as much as the window. */
const LEAST_ASIDE_BYTES = 16 * 2 ** 20;

/** For a window of so many bytes. */
export function noBytesHeld(windowBytes: number): HeldBytes {
  return { bytes: 0, limit: windowBytes + Math.max(windowBytes, LEAST_ASIDE_BYTES) };
}

/** A queue that is to be consumed. */
export interface QueueToConsume {
  readonly queue: string;
  readonly priority: boolean;
  /** Null where the broker does not tell. */
  readonly type: QueueType | null;
  /** What is known of its messages. */
  readonly sizes: MessageSizes;
  readonly held: HeldBytes;
  readonly limits: PrefetchLimits;
  readonly connection: AmqpConnection;
  readonly clock: Clock;
}

export interface ConsumerListener {
  /** A message was set aside, or was not kept. */
  arrived(from: Consumer): void;
  /** The channel is gone, or the server cancelled the consumer; everything open is void. Told once. */
  ended(from: Consumer, why: string): void;
}

/** A body that is a small part of a block read from the socket is copied, or it would keep all of the block in memory. */
const COPIED_BELOW = 4;
/** How long messages are waited for that are known to wait. */
const FILLED_MS = 50;
/** Where a quorum queue says nothing for so long, RabbitMQ answers that there is nothing. */
const UNKNOWN_AFTER_MS = 250;
/** How long it may be so. */
const UNKNOWN_MS = 10_000;

export class Consumer {
  readonly queue: string;
  readonly priority: boolean;
  readonly type: QueueType | null;
  readonly sizes: MessageSizes;
  /** `holding`: nothing of it is handed out, so that it can be replaced. `ended`: its channel is closed or about to be: tags mean nothing. */
  state: 'consuming' | 'holding' | 'ended' = 'consuming';
  /** Messages that arrived. */
  received = 0;
  /** Handed out and not settled. */
  open = 0;
  /** Messages were not kept: everything from there on comes again with the next channel. */
  overrun = false;
  private listener: ConsumerListener | null = null;
  private readonly acks: Acks;
  private readonly acknowledger: Acknowledger;
  private readonly aside = new Fifo<ConsumeMessage>();
  private asideBytes = 0;
  private endedWhy = '';

  private constructor(
    readonly options: QueueToConsume,
    private readonly channel: Channel,
    readonly prefetch: number,
    /** Messages that waited in the queue before. */
    private readonly waited: number,
  ) {
    const { queue, priority, type, sizes } = options;
    this.queue = queue;
    this.priority = priority;
    this.type = type;
    this.sizes = sizes;
    this.acks = acksOf(channel);
    this.acknowledger = new Acknowledger((tag, multiple) => this.acks.add(tag, multiple), prefetch);
    let why = 'its connection is gone, or it was closed';
    channel.on('error', (error) => {
      why = messageOf(error);
    });
    channel.on('close', () => this.end(`the channel of queue ${queue} has ended: ${why}`));
  }

  /**
   * A classic queue with a backlog is first asked for a few messages, whose size says how many to ask for; they go back to their places.
   * Throws QueueInUse, or why it cannot be consumed.
   */
  static async open(options: QueueToConsume): Promise<Consumer> {
    const { type, sizes, limits } = options;
    if (type !== 'classic') return Consumer.openWith(options, limits.most);
    if (sizes.meanBytes === null && limits.most > ENOUGH_MESSAGES) {
      const probe = await Consumer.openWith(options, limits.most, ENOUGH_MESSAGES);
      if (probe.prefetch > ENOUGH_MESSAGES) return probe;
      await probe.filled(ENOUGH_MESSAGES);
      await probe.close();
    }
    return Consumer.openWith(options, prefetchFor(sizes.meanBytes, limits));
  }

  /** Where more wait than `probe`, that is the prefetch. */
  private static async openWith(options: QueueToConsume, prefetch: number, probe?: number): Promise<Consumer> {
    const { connection, queue, type } = options;
    const channel = await connection.openChannel(() => {});
    try {
      const { messageCount: waiting, consumerCount } = await countsOf(options, channel);
      if (type !== 'classic' && consumerCount > 0) throw new QueueInUse(queue);
      const chosen = probe !== undefined && waiting > probe ? probe : prefetch;
      const consumer = new Consumer(options, channel, chosen, waiting);
      await consumer.begin();
      return consumer;
    } catch (error) {
      await connection.closeChannel(channel);
      throw isInUse(error) ? new QueueInUse(queue, error) : error;
    }
  }

  private async begin(): Promise<void> {
    const { channel, prefetch } = this;
    const { connection, queue, type } = this.options;
    const exclusive = type !== 'quorum';
    const limited = channel.prefetch(prefetch);
    const consuming = channel.consume(queue, (message) => this.receive(message), { exclusive, noAck: false });
    await connection.answer(Promise.all([limited, consuming]), `the queue ${queue} is to be consumed`);
  }

  /** Resolves when so many of those that waited have come, or after a short while. To be called before `listen`. */
  async filled(count: number): Promise<void> {
    const enough = Math.min(this.waited, this.prefetch, count);
    if (this.received >= enough || this.state === 'ended') return;
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.after(FILLED_MS, resolve, true);
      const check = () => {
        if (this.received < enough && this.state !== 'ended' && !this.overrun) return;
        cancel();
        resolve();
      };
      this.listen({ arrived: check, ended: check });
    });
    this.listener = null;
  }

  /** Told from now on, also of an end that was before. */
  listen(listener: ConsumerListener): void {
    this.listener = listener;
    if (this.state === 'ended') listener.ended(this, this.endedWhy);
  }

  /** Nothing of it is in memory or open. */
  get isEmpty(): boolean {
    return this.open === 0 && this.aside.length === 0;
  }

  /** There is room again for what was not kept. */
  get couldKeep(): boolean {
    const { bytes, limit } = this.options.held;
    return 2 * bytes <= limit;
  }

  /** Messages that were delivered and are not done with. */
  get unfinished(): number {
    return this.acknowledger.unfinished;
  }

  /** The broker hands out no more before some of it is acknowledged. */
  get isExhausted(): boolean {
    return this.acknowledger.unacknowledged >= this.prefetch;
  }

  /** What waits in the queue is to come without anything else happening before. */
  get hasCredit(): boolean {
    return !this.isExhausted && this.state === 'consuming' && !this.overrun;
  }

  /** The next one in order, which counts as open; null where none is to be handed out. */
  take(): ConsumeMessage | null {
    if (this.state !== 'consuming') return null;
    const message = this.aside.shift();
    if (message === undefined) return null;
    this.asideBytes -= message.content.length;
    this.open++;
    return message;
  }

  /** An open one is done with; it is acknowledged with the next `flush`. */
  settle(tag: number, bytes: number): void {
    this.acknowledger.finished(tag);
    this.open--;
    this.options.held.bytes -= bytes;
  }

  /** Acknowledges what is finished. `all`: also what has waited beyond a task that is not. */
  flush(all = false): void {
    try {
      this.acknowledge(all);
      this.acks.write();
    } catch {
      // The channel is closed, and `end` is about to be told.
    }
  }

  /** Acknowledges all that is finished of these queues of one connection, in one step. Throws QUEUE_UNAVAILABLE where it is closed. */
  static flushNow(queues: readonly Consumer[]): void {
    for (const each of queues) each.acknowledge(true);
    for (const each of queues) each.acks.write();
  }

  private acknowledge(all: boolean): void {
    if (this.state === 'ended') return;
    this.acknowledger.flush();
    if (all) this.acknowledger.flushBeyond();
  }

  /**
   * What horizon.ts asks for. Throws what the server answers, and where it does not know: a quorum queue that does not tell in 250 ms is
   * said to have neither messages nor consumers.
   */
  async look(now: number): Promise<QueueLook> {
    const { channel, queue } = this;
    this.flush(true);
    const acknowledged = this.acknowledger.allBelow;
    const { messageCount, consumerCount } = await channel.checkQueue(queue);
    if (consumerCount === 0) throw new Error(`the broker does not know how many messages wait in ${queue}`);
    await channel.checkQueue(queue);
    return { at: now, acknowledged, waiting: messageCount, received: this.received };
  }

  /** How long the oldest unfinished message is unacknowledged. */
  ageMs(now: number): number {
    return this.acknowledger.ageMs(now);
  }

  /** Acknowledges what is finished and closes the channel; resolves when the server has confirmed that, or cannot any more. */
  async close(): Promise<void> {
    this.flush(true);
    this.listener = null;
    this.end('left');
    await this.options.connection.closeChannel(this.channel);
  }

  private receive(message: ConsumeMessage | null): void {
    if (this.state === 'ended') return;
    if (message === null) {
      this.end(`the server cancelled the consumer of queue ${this.queue}`);
      return;
    }
    this.received++;
    this.acknowledger.received(message.fields.deliveryTag);
    const { length } = message.content;
    this.sizes.add(length);
    const { held } = this.options;
    if (this.overrun || (held.bytes > 0 && held.bytes + length > held.limit)) this.overrun = true;
    else {
      held.bytes += length;
      this.asideBytes += length;
      if (message.content.buffer.byteLength > COPIED_BELOW * length) message.content = Buffer.from(message.content);
      this.aside.push(message);
    }
    this.listener?.arrived(this);
  }

  private end(why: string): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.endedWhy = why;
    this.aside.drain();
    this.options.held.bytes -= this.asideBytes;
    this.asideBytes = 0;
    this.listener?.ended(this, why);
  }
}

/**
 * What the queue really holds and who consumes it. A quorum queue that does not tell in 250 ms is said to hold nothing and to have no consumer,
 * so that counts only where it came sooner. Throws where the broker does not get to know it.
 */
export async function countsOf(
  { connection, queue, type, clock }: Pick<QueueToConsume, 'connection' | 'queue' | 'type' | 'clock'>,
  channel: Channel,
): Promise<{ readonly messageCount: number; readonly consumerCount: number }> {
  const giveUpAt = clock.monotonic() + UNKNOWN_MS;
  for (;;) {
    const askedAt = clock.monotonic();
    const answer = await connection.answer(channel.checkQueue(queue), `the queue ${queue} is looked for`);
    const nothing = answer.messageCount === 0 && answer.consumerCount === 0;
    if (type === 'classic' || !nothing || clock.monotonic() - askedAt < UNKNOWN_AFTER_MS) return answer;
    if (clock.monotonic() > giveUpAt) throw new Error(`the broker does not know who consumes the queue ${queue}`);
  }
}

/** RabbitMQ's words for a consumer beside an exclusive one; the same code stands for missing rights. */
function isInUse(error: unknown): boolean {
  return messageOf(error).includes('in exclusive use');
}
