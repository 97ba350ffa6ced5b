/**
 * All that a queue holds, read without taking any of it: nothing is acknowledged, and everything goes back to its place with `close`. A
 * classic queue is read in parts, each on a channel of its own, so that only one part is in memory; a quorum queue has a single active
 * consumer, whose prefetch is the most that can be read, and what it gets is put on disk. Refused: several consumers one after the other,
 * for what they hold comes back in another order when the connection is lost.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { Channel, ConsumeMessage } from 'amqplib';
import { systemClock } from '../../runtime/clock.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { AmqpConnection } from './connection.js';
import { countsOf } from './consumer.js';
import type { QueueType } from './queue-safety.js';

/** What is kept of a message. */
export type HeldMessage = Pick<ConsumeMessage, 'properties' | 'content'>;

/** Two lengths of 32 bits before each message. */
const HEAD_BYTES = 8;
const PART_BYTES = 64 * 1024 * 1024;

const PART = 2_000;
/** A broker counts a consumer on a quorum queue for a moment after its channel was closed. */
const LOOK_MS = 50;
const LOOKS = 40;
/** A prefetch has 16 bits. */
export const MOST_OF_QUORUM = 65_535;

export class HeldQueue {
  private readonly channels: Channel[] = [];
  private taken = 0;
  private spool: MessageSpool | null = null;

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
      const spool = new MessageSpool();
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

/**
 * Messages on disk, in order, to be read again in parts, so that memory holds one part. The file has no name any more when it is written: it
 * is gone when the process ends, whatever ends it.
 */
export class MessageSpool {
  private readonly file: number;
  private readAt = 0;
  private writtenTo = 0;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'dp3-repair-'));
    try {
      this.file = openSync(join(folder, 'messages'), 'wx+', 0o600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Throws with the folder where its disk is full. */
  add({ properties, content }: HeldMessage): void {
    const described = serialize(properties);
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32LE(described.length, 0);
    head.writeUInt32LE(content.length, 4);
    const whole = Buffer.concat([head, described, content]);
    try {
      writeFileSync(this.file, whole);
    } catch (error) {
      throw new Error(`messages that are copied are kept in ${tmpdir()}: ${messageOf(error)}`, { cause: error });
    }
    this.writtenTo += whole.length;
  }

  /** The next messages, at most so many; none at the end. */
  next(most: number): readonly HeldMessage[] {
    const messages: HeldMessage[] = [];
    const end = this.readAt + PART_BYTES;
    while (this.readAt < Math.min(this.writtenTo, end) && messages.length < most) {
      const head = this.read(HEAD_BYTES);
      const properties = deserialize(this.read(head.readUInt32LE(0))) as ConsumeMessage['properties'];
      messages.push({ properties, content: this.read(head.readUInt32LE(4)) });
    }
    return messages;
  }

  close(): void {
    closeSync(this.file);
  }

  private read(bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    for (let done = 0; done < bytes; ) {
      const count = readSync(this.file, buffer, done, bytes - done, this.readAt + done);
      if (count === 0) throw new Error('a file of messages was cut short');
      done += count;
    }
    this.readAt += bytes;
    return buffer;
  }
}
