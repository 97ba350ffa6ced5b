/**
 * Acknowledgements, as frames of AMQP 0-9-1 that are written straight into the socket. amqplib passes each frame through two streams and
 * writes it in a later turn of the event loop; but a task that is acknowledged before it runs has to have left by then, for it may
 * end this process. It costs less, too: most of what a task costs where each is acknowledged alone.
 */
import { Writable } from 'node:stream';
import type { Channel } from 'amqplib';
import { ApplicationError } from '../../runtime/errors.js';

/** Type 1 (method), channel, size, class 60 (basic), method 80 (ack), delivery tag, multiple, end. */
const FRAME_BYTES = 21;
const TYPE = 1;
const SIZE = 13;
const BASIC_ACK = (60 << 16) | 80;
const END = 0xce;
const AT = { type: 0, channel: 1, size: 3, method: 7, tagHigh: 11, tagLow: 15, multiple: 19, end: 20 } as const;
const FIRST_FRAMES = 16;

/** Acknowledgements of one channel. */
export interface Acks {
  /** Leaves with the next `write` of any channel of its connection. */
  add(tag: number, multiple: boolean): void;
  /** Hands all to the socket in one step, before it returns. Throws QUEUE_UNAVAILABLE where that is gone. */
  write(): void;
}

/** One for each socket: what the channels of a connection acknowledge together leaves together. */
const framesOf = new WeakMap<Writable, Frames>();

/** Where amqplib does not keep its socket where it did, its own way is taken, which is later. */
export function acksOf(channel: Channel): Acks {
  const { ch, connection } = channel as unknown as { ch?: unknown; connection?: { stream?: unknown } };
  const socket = connection?.stream;
  if (!(socket instanceof Writable) || typeof ch !== 'number') {
    return { add: (tag, multiple) => channel.ack(named(tag), multiple), write: () => {} };
  }
  const frames = framesOf.get(socket) ?? new Frames(socket);
  framesOf.set(socket, frames);
  return { add: (tag, multiple) => frames.add(ch, tag, multiple), write: () => frames.write() };
}

class Frames {
  private frames = Buffer.allocUnsafe(FIRST_FRAMES * FRAME_BYTES);
  private bytes = 0;

  constructor(private readonly socket: Writable) {}

  add(channel: number, tag: number, multiple: boolean): void {
    const start = this.bytes;
    if (start === this.frames.length) this.frames = Buffer.concat([this.frames], 2 * start);
    const { frames } = this;
    frames[start + AT.type] = TYPE;
    frames.writeUInt16BE(channel, start + AT.channel);
    frames.writeUInt32BE(SIZE, start + AT.size);
    frames.writeUInt32BE(BASIC_ACK, start + AT.method);
    frames.writeUInt32BE(Math.floor(tag / 2 ** 32), start + AT.tagHigh);
    frames.writeUInt32BE(tag % 2 ** 32, start + AT.tagLow);
    frames[start + AT.multiple] = multiple ? 1 : 0;
    frames[start + AT.end] = END;
    this.bytes += FRAME_BYTES;
  }

  write(): void {
    if (this.bytes === 0) return;
    // The socket may keep what it is given.
    const frames = Buffer.from(this.frames.subarray(0, this.bytes));
    this.bytes = 0;
    if (this.socket.writable) this.socket.write(frames);
    // What the system refuses ends a socket at once.
    if (!this.socket.writable)
      throw new ApplicationError('QUEUE_UNAVAILABLE', 'the connection to the broker is closed');
  }
}

/** amqplib acknowledges a message, of which it looks at the tag alone. */
function named(deliveryTag: number): Parameters<Channel['ack']>[0] {
  const fields = { deliveryTag, redelivered: false, exchange: '', routingKey: '' };
  return { fields } as Parameters<Channel['ack']>[0];
}
