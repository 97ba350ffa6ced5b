/**
 * Spool: messages on disk, in order, to be read again in parts, so that memory holds one part. Its file has no name any more when it is
 * written: it is gone when the process ends, whatever ends it.
 *
 * For a quorum queue with a single active consumer, which hands out what it holds to one consumer at once. Refused: several consumers one after
 * the other, for what they hold comes back in another order when the connection is lost.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { ConsumeMessage } from 'amqplib';
import { messageOf } from '../../runtime/errors.js';

/** What is kept of a message. */
export type HeldMessage = Pick<ConsumeMessage, 'properties' | 'content'>;

/** Two lengths of 32 bits before each message. */
const HEAD_BYTES = 8;
const PART_BYTES = 64 * 1024 * 1024;

export class Spool {
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
