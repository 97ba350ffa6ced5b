/**
 * Ack tags: which delivery tags of a channel are acknowledged, and how (rules.md: committed before acknowledged).
 *
 *   Acknowledger  many at once up to the first unfinished tag. What is finished beyond that is acknowledged singly, which costs the broker
 *                 more: once it is old, takes up half of the prefetch, or stands where more messages could come. So one slow entity does
 *                 not pin everything behind it. A `multiple` must name a tag that is still unacknowledged: RabbitMQ closes the channel
 *                 over any other (406, unknown delivery tag).
 *   AckBitmap     the tags that were acknowledged singly, one bit each: behind a task that hangs, ten million come in half an hour.
 *   acksOf        writes frames of AMQP 0-9-1 straight into the socket. amqplib passes each through two streams and writes it in a later turn of
 *                 the event loop; but a task that is acknowledged before it runs has to have left by then, for it may end this process.
 */
import { Writable } from 'node:stream';
import type { Channel } from 'amqplib';
import { ApplicationError } from '../../runtime/errors.js';

/** Parts of the prefetch: finished tags beyond the first unfinished one that may be held; */
const MOST_BEYOND = 1 / 2;
/** unacknowledged tags that may be left after many were acknowledged at once, as under full load; and where none were. */
const MOST_LEFT = 7 / 8;
const MOST_STANDING = 3 / 4;

const BITS = 8;
const FIRST_BYTES = 256;

/** Type 1 (method), channel, size, class 60 (basic), method 80 (ack), delivery tag, multiple, end. */
const FRAME_BYTES = 21;
const TYPE = 1;
const SIZE = 13;
const BASIC_ACK = (60 << 16) | 80;
const END = 0xce;
const AT = { type: 0, channel: 1, size: 3, method: 7, tagHigh: 11, tagLow: 15, multiple: 19, end: 20 } as const;
const FIRST_FRAMES = 16;

/** Sends `basic.ack`. */
export type SendAck = (tag: number, multiple: boolean) => void;

export class Acknowledger {
  /** The lowest tag that is not finished; tags count from 1 in each channel. */
  private low = 1;
  private newest = 0;
  /** The highest finished tag below `low` that is not acknowledged; 0 for none. */
  private upTo = 0;
  /** How many finished tags below `low` are not acknowledged. */
  private below = 0;
  /** Finished beyond `low`: not yet acknowledged, and acknowledged singly. */
  private beyond = new Set<number>();
  private readonly single = new AckBitmap();
  /** Since when the newest tag of a moment is open: [tag, time], for the age of the oldest. */
  private readonly moments: { readonly tag: number; readonly at: number }[] = [];

  constructor(
    private readonly send: SendAck,
    private readonly prefetch: number,
  ) {}

  /** Tags that the broker counts against the prefetch. */
  get unacknowledged(): number {
    return this.newest - (this.low - 1) - this.single.size + this.below;
  }

  /** All tags up to this one are acknowledged, once everything finished was flushed. */
  get allBelow(): number {
    return this.low - 1;
  }

  /** Tags that were received and are not finished. */
  get unfinished(): number {
    return this.newest - (this.low - 1) - this.single.size - this.beyond.size;
  }

  received(tag: number): void {
    this.newest = tag;
  }

  /** The delivery is done with; it is acknowledged by the next `flush`. */
  finished(tag: number): void {
    if (tag !== this.low) {
      this.beyond.add(tag);
      return;
    }
    this.pass(tag);
    this.low++;
    this.skip();
  }

  flush(): void {
    const { prefetch } = this;
    const most = (this.upTo > 0 ? MOST_LEFT : MOST_STANDING) * prefetch;
    if (this.upTo > 0) {
      const { upTo } = this;
      this.upTo = 0;
      this.below = 0;
      this.send(upTo, true);
    }
    if (this.unacknowledged >= most || this.beyond.size >= MOST_BEYOND * prefetch) this.flushBeyond();
  }

  /** What is finished beyond the first unfinished tag has waited long enough. */
  flushBeyond(): void {
    const { beyond } = this;
    if (beyond.size === 0) return;
    this.beyond = new Set();
    for (const tag of beyond) {
      this.single.add(tag, this.low);
      this.send(tag, false);
    }
  }

  /** How long the oldest unfinished tag is open, to the precision of the calls of this; 0 where there is none. */
  ageMs(now: number): number {
    const { moments } = this;
    while (moments.length > 0 && moments[0]!.tag < this.low) moments.shift();
    if (this.newest >= this.low && moments.at(-1)?.tag !== this.newest) moments.push({ tag: this.newest, at: now });
    return moments.length === 0 ? 0 : now - moments[0]!.at;
  }

  private pass(tag: number): void {
    this.upTo = tag;
    this.below++;
  }

  /** Moves `low` over everything that is finished. */
  private skip(): void {
    if (this.beyond.size === 0 && this.single.size === 0) return;
    for (; ; this.low++) {
      if (this.beyond.delete(this.low)) this.pass(this.low);
      else if (!this.single.delete(this.low)) return;
    }
  }
}

/** Tags below `from` are never asked for again, and are dropped when room is needed. */
export class AckBitmap {
  size = 0;
  private bytes = new Uint8Array(FIRST_BYTES);
  /** The tag of the first bit, a multiple of eight. */
  private base = 0;

  /** It must not be there yet. `from`: the lowest tag that may still be there or come, at most `tag`. */
  add(tag: number, from: number): void {
    if (tag - this.base >= BITS * this.bytes.length) this.makeRoom(tag, from);
    this.bytes[this.at(tag)]! |= bitOf(tag);
    this.size++;
  }

  /** Whether it was there. */
  delete(tag: number): boolean {
    const at = this.at(tag);
    const byte = this.bytes[at] ?? 0;
    if ((byte & bitOf(tag)) === 0) return false;
    this.bytes[at] = byte & ~bitOf(tag);
    this.size--;
    return true;
  }

  private at(tag: number): number {
    return Math.floor((tag - this.base) / BITS);
  }

  private makeRoom(tag: number, from: number): void {
    const base = from - (from % BITS);
    const kept = this.bytes.subarray(Math.min(this.bytes.length, (base - this.base) / BITS));
    const needed = Math.floor((tag - base) / BITS) + 1;
    // Twice as much: as many tags may come before the next time.
    const bytes = new Uint8Array(Math.max(FIRST_BYTES, 2 * needed));
    bytes.set(kept.subarray(0, bytes.length));
    this.bytes = bytes;
    this.base = base;
  }
}

function bitOf(tag: number): number {
  return 1 << (tag % BITS);
}

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
