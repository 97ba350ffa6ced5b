/**
 * Acknowledgements, as frames of AMQP 0-9-1 that are written straight into the socket. amqplib passes each frame through two streams and
 * writes it in a later turn of the event loop; but a task that is acknowledged before it runs has to have left by then, for it may
 * end this process. It costs less, too: most of what a task costs where each is acknowledged alone.
 */
import { Writable } from 'node:stream';
import type { Channel } from 'amqplib';

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
  /** Leaves with the next `write`. */
  add(tag: number, multiple: boolean): void;
  /** Hands all to the system before it returns. Throws where the channel is closed. */
  write(): void;
}

/** Where amqplib does not keep its socket where it did, its own way is taken, which is later. */
export function acksOf(channel: Channel): Acks {
  const { ch, connection } = channel as unknown as { ch?: unknown; connection?: { stream?: unknown } };
  const socket = connection?.stream;
  if (socket instanceof Writable && typeof ch === 'number') return new AckFrames(socket, ch);
  return { add: (tag, multiple) => channel.ack(named(tag), multiple), write: () => {} };
}

class AckFrames implements Acks {
  private frames = Buffer.allocUnsafe(FIRST_FRAMES * FRAME_BYTES);
  private bytes = 0;

  constructor(
    private readonly socket: Writable,
    private readonly channel: number,
  ) {}

  add(tag: number, multiple: boolean): void {
    const start = this.bytes;
    if (start === this.frames.length) this.frames = Buffer.concat([this.frames], 2 * start);
    const { frames } = this;
    frames[start + AT.type] = TYPE;
    frames.writeUInt16BE(this.channel, start + AT.channel);
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
    if (!this.socket.writable) throw new Error('the connection is closed');
    this.socket.write(frames);
  }
}

/** amqplib acknowledges a message, of which it looks at the tag alone. */
function named(deliveryTag: number): Parameters<Channel['ack']>[0] {
  const fields = { deliveryTag, redelivered: false, exchange: '', routingKey: '' };
  return { fields } as Parameters<Channel['ack']>[0];
}
