/**
 * All that a queue holds, read without taking any of it: nothing is acknowledged, and everything goes back to its place with `close`. A
 * classic queue is read in parts, each on a channel of its own, so that only one part is in memory; a quorum queue has a single active
 * consumer, whose prefetch is the most that can be read, and what it gets is put on disk.
 */
import type { Channel } from 'amqplib';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { AmqpConnection } from './connection.js';
import { countsOf } from './opening.js';
import type { QueueType } from './queue-safety.js';
import { type HeldMessage, Spool } from './spool.js';

const PART = 2_000;
/** A broker counts a consumer on a quorum queue for a moment after its channel was closed. */
const LOOK_MS = 50;
const LOOKS = 40;
/** A prefetch has 16 bits. */
export const MOST_OF_QUORUM = 65_535;

export class HeldQueue {
  private readonly channels: Channel[] = [];
  private taken = 0;
  private spool: Spool | null = null;

  private constructor(
    private readonly connection: AmqpConnection,
    readonly name: string,
    private readonly type: QueueType,
    /** Messages that were in it at first. */
    readonly count: number,
  ) {}

  /** Throws QUEUE_REFUSED where anybody consumes it, or where it holds more than can be read. */
  static async open(connection: AmqpConnection, name: string, type: QueueType): Promise<HeldQueue> {
    const count = await countAlone(connection, name, type);
    if (type === 'quorum' && count > MOST_OF_QUORUM) {
      throw refused(`the quorum queue "${name}" holds ${count} messages: at most ${MOST_OF_QUORUM} can be moved`);
    }
    return new HeldQueue(connection, name, type, count);
  }

  /** All messages in order, each as it arrives; none is kept. Throws QUEUE_UNAVAILABLE when the connection is lost. */
  async read(each: (message: HeldMessage) => void): Promise<void> {
    while (this.taken < this.count) await this.readPart(each);
  }

  /** The next messages in order; none when all were read. Throws QUEUE_UNAVAILABLE when the connection is lost. */
  async next(): Promise<readonly HeldMessage[]> {
    if (this.type === 'quorum') return this.nextOfQuorum();
    const messages: HeldMessage[] = [];
    if (this.taken < this.count) await this.readPart((message) => messages.push(message));
    return messages;
  }

  private async nextOfQuorum(): Promise<readonly HeldMessage[]> {
    if (this.spool === null) {
      const spool = new Spool();
      this.spool = spool;
      await this.read((message) => spool.add(message));
    }
    return this.spool.next(PART);
  }

  private async readPart(each: (message: HeldMessage) => void): Promise<void> {
    const { connection, name, type, count } = this;
    const wanted = Math.min(count - this.taken, type === 'quorum' ? MOST_OF_QUORUM : PART);
    const channel = await connection.openChannel(() => {});
    this.channels.push(channel);
    let received = 0;
    let failure: unknown = null;
    let arrived = () => {};
    await connection.answer(channel.prefetch(wanted), `the queue ${name} is to be read`);
    const consuming = channel.consume(name, (message) => {
      if (message !== null) {
        received++;
        try {
          each(message);
        } catch (error) {
          failure ??= error;
        }
      }
      arrived();
    });
    await connection.answer(consuming, `the queue ${name} is to be read`);
    while (received < wanted) {
      const before = received;
      const more = new Promise<void>((resolve) => {
        arrived = () => received > before && resolve();
      });
      await connection.answer(more, `messages of ${name} are waited for`);
    }
    if (failure !== null) throw failure;
    this.taken += wanted;
  }

  async close(): Promise<void> {
    this.spool?.close();
    this.spool = null;
    for (const channel of this.channels.splice(0)) await this.connection.closeChannel(channel);
  }
}

/** How many messages it holds. Throws QUEUE_REFUSED where anybody consumes it. */
export async function countAlone(connection: AmqpConnection, name: string, type: QueueType): Promise<number> {
  const channel = await connection.openChannel(() => {});
  try {
    for (let looks = 1; ; looks++) {
      const counts = await countsOf({ connection, queue: name, type, clock: systemClock }, channel);
      if (counts.consumerCount === 0) return counts.messageCount;
      if (looks === LOOKS) {
        throw refused(`the queue "${name}" has consumers (${counts.consumerCount}): stop all programs that read it`);
      }
      await connection.wait(LOOK_MS);
    }
  } finally {
    await connection.closeChannel(channel);
  }
}

export function refused(sentence: string): ApplicationError {
  return new ApplicationError('QUEUE_REFUSED', sentence);
}
