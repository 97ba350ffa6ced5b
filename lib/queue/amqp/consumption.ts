/**
 * One queue of the pair, consumed on a channel of its own until that channel ends. What arrives is set aside in order and handed out
 * from there. Closing the channel returns everything unacknowledged to its place in the queue (measured: in exact order, on both
 * kinds of queue); `basic.cancel` and `basic.nack` do not, so neither is ever sent (product.md, rule 8).
 *
 * Messages that would take up more than the bound are not kept: they stay unacknowledged, and come again once everything before
 * them is settled and the channel is replaced. So memory is bounded whatever a producer sends, even where the prefetch turns out to be
 * too large for it.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import { messageOf } from '../../runtime/errors.js';
import { type Acks, acksOf } from './ack-frames.js';
import { Acknowledger } from './acknowledger.js';
import type { AmqpConnection } from './connection.js';
import { Fifo } from './fifo.js';
import type { MessageSizes } from './prefetch.js';
import type { QueueType } from './queue-safety.js';
import type { Look } from './settled.js';

/** Bytes of all messages that are in memory, of both queues of a pair. */
export interface HeldBytes {
  bytes: number;
  readonly limit: number;
}

/** Null where the broker does not tell. */
export type FoundType = QueueType | null;

/** Messages that are set aside may take up this much, or as much as the window. */
const LEAST_ASIDE_BYTES = 16 * 2 ** 20;

/** For a window of so many bytes. */
export function noBytesHeld(windowBytes: number): HeldBytes {
  return { bytes: 0, limit: windowBytes + Math.max(windowBytes, LEAST_ASIDE_BYTES) };
}

export interface ConsumptionParts {
  readonly queue: string;
  readonly priority: boolean;
  readonly type: FoundType;
  readonly prefetch: number;
  readonly connection: AmqpConnection;
  readonly channel: Channel;
  readonly sizes: MessageSizes;
  readonly held: HeldBytes;
}

export interface ConsumptionListener {
  /** A message was set aside, or was not kept. */
  arrived(from: Consumption): void;
  /** The channel is gone, or the server cancelled the consumer; everything open is void. Told once. */
  ended(from: Consumption, why: string): void;
}

/** A body that is a small part of a block read from the socket is copied, or it would keep all of the block in memory. */
const COPIED_BELOW = 4;

export class Consumption {
  readonly queue: string;
  readonly priority: boolean;
  readonly type: FoundType;
  readonly prefetch: number;
  readonly sizes: MessageSizes;
  /** Messages that arrived. */
  received = 0;
  /** Handed out and not settled. */
  open = 0;
  /** Nothing of it is to be handed out, so that it can be replaced. */
  holding = false;
  /** Messages were not kept: everything from there on comes again with the next channel. */
  overrun = false;
  /** Its channel is closed or to be closed: tags mean nothing any more. */
  ended = false;
  listener: ConsumptionListener | null = null;
  private readonly acks: Acks;
  private readonly acknowledger: Acknowledger;
  private readonly aside = new Fifo<ConsumeMessage>();
  private asideBytes = 0;
  private endedWhy = '';

  constructor(private readonly parts: ConsumptionParts) {
    const { queue, priority, type, prefetch, sizes, channel } = parts;
    this.queue = queue;
    this.priority = priority;
    this.type = type;
    this.prefetch = prefetch;
    this.sizes = sizes;
    this.acks = acksOf(channel);
    this.acknowledger = new Acknowledger((tag, multiple) => this.acks.add(tag, multiple), prefetch);
    let why = 'its connection is gone, or it was closed';
    channel.on('error', (error) => {
      why = messageOf(error);
    });
    channel.on('close', () => this.end(`the channel of queue ${queue} has ended: ${why}`));
  }

  /** Begins; throws what the server answers. On a quorum queue `exclusive` means nothing. */
  async consume(): Promise<void> {
    const { connection, channel, queue, prefetch, type } = this.parts;
    const exclusive = type !== 'quorum';
    const limited = channel.prefetch(prefetch);
    const consuming = channel.consume(queue, (message) => this.receive(message), { exclusive, noAck: false });
    await connection.answer(Promise.all([limited, consuming]), `the queue ${queue} is to be consumed`);
  }

  /** Told from now on, also of an end that was before. */
  listen(listener: ConsumptionListener): void {
    this.listener = listener;
    if (this.ended) listener.ended(this, this.endedWhy);
  }

  /** Whether one can be taken. */
  get hasNext(): boolean {
    return this.aside.length > 0 && !this.holding;
  }

  /** Nothing of it is in memory or open. */
  get isEmpty(): boolean {
    return this.open === 0 && this.aside.length === 0;
  }

  /** There is room again for what was not kept. */
  get couldKeep(): boolean {
    const { bytes, limit } = this.parts.held;
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
    return !this.isExhausted && !this.holding && !this.overrun;
  }

  /** The next one in order; `hasNext` must hold. It counts as open. */
  take(): ConsumeMessage {
    const message = this.aside.shift()!;
    this.asideBytes -= message.content.length;
    this.open++;
    return message;
  }

  /** An open one is done with; it is acknowledged with the next `flush`. */
  settle(tag: number, bytes: number): void {
    this.acknowledger.finished(tag);
    this.open--;
    this.parts.held.bytes -= bytes;
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
  static flushNow(queues: readonly Consumption[]): void {
    for (const each of queues) each.acknowledge(true);
    for (const each of queues) each.acks.write();
  }

  private acknowledge(all: boolean): void {
    if (this.ended) return;
    this.acknowledger.flush();
    if (all) this.acknowledger.flushBeyond();
  }

  /**
   * What settled.ts asks for, about this queue alone: what it counts by queue stands under `normal`. Throws what the server answers, and
   * where it does not know: a quorum queue that does not tell in 250 ms is said to have neither messages nor consumers.
   */
  async look(now: number): Promise<Look> {
    const { channel, queue } = this.parts;
    this.flush(true);
    const acknowledged = this.acknowledger.allBelow;
    const { messageCount, consumerCount } = await channel.checkQueue(queue);
    if (consumerCount === 0) throw new Error(`the broker does not know how many messages wait in ${queue}`);
    await channel.checkQueue(queue);
    const only = (normal: number) => ({ normal, priority: 0 });
    const { received } = this;
    return { at: now, acknowledged, depth: only(messageCount), received: only(received), newest: received };
  }

  /** How long the oldest unfinished message is unacknowledged. */
  ageMs(now: number): number {
    return this.acknowledger.ageMs(now);
  }

  /** Forgets everything open without a word to anyone; what is unacknowledged goes back when the channel closes. */
  leave(): void {
    this.listener = null;
    this.end('left');
  }

  /** Acknowledges what is finished and closes the channel; resolves when the server has confirmed that, or can not any more. */
  async close(): Promise<void> {
    this.flush(true);
    this.leave();
    const { connection, channel } = this.parts;
    await connection.closeChannel(channel);
  }

  private receive(message: ConsumeMessage | null): void {
    if (this.ended) return;
    if (message === null) {
      this.end(`the server cancelled the consumer of queue ${this.queue}`);
      return;
    }
    this.received++;
    this.acknowledger.received(message.fields.deliveryTag);
    const { length } = message.content;
    this.sizes.add(length);
    const { held } = this.parts;
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
    if (this.ended) return;
    this.ended = true;
    this.endedWhy = why;
    this.aside.drain();
    this.parts.held.bytes -= this.asideBytes;
    this.asideBytes = 0;
    this.listener?.ended(this, why);
  }
}
