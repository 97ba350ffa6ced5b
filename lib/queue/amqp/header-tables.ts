/**
 * Tables of headers are left out of what a connection receives, unread: nothing of them is asked for here, and a publisher may send one
 * that no decoder survives. amqplib's calls itself for each level, and knows not all types: where it fails the connection is lost, the
 * message comes again with the next one, and so forever. Refused: a decoder of our own for all frames; a bound for the levels (what is
 * beyond it would still have to be put aside).
 *
 * The frame of a message's properties (AMQP 0-9-1, 4.2.6.1): type, channel, size, class, weight, size of the body, flags that say which
 * properties follow, and these in order. The flag of the table is cleared, and what follows it moves to its place; what then stands
 * behind the last property is not read.
 */
import type { ChannelModel } from 'amqplib';

const TYPE_HEADER = 2;
const CLASS_BASIC = 60;
const END_BYTES = 1;
const AT = { type: 0, size: 3, class: 7, flags: 19, properties: 21 } as const;
const FLAG = { contentType: 0x8000, contentEncoding: 0x4000, headers: 0x2000 } as const;

/** Levels of a table that are carried over: what takes messages out and puts them back must write them, too. */
const MOST_LEVELS = 100;

interface Received {
  /** Bytes that were read from the socket and are not decoded yet. */
  rest?: unknown;
  recvFrame?: unknown;
}

/** What amqplib makes of a frame; only that of a message's properties may have headers. */
interface Frame {
  readonly fields?: { headers?: unknown };
}

/** Where amqplib does not keep its frames where it did, it decodes them whole. */
export function leaveOutHeaderTables(model: ChannelModel): void {
  aroundFrames(model, (received, receive) => {
    if (Buffer.isBuffer(received.rest)) leaveOut(received.rest);
    return receive();
  });
}

/** The same of those alone that cannot be carried over; `told` is called at each. */
export function leaveOutBrokenTables(model: ChannelModel, told: () => void): void {
  aroundFrames(model, (received, receive) => {
    const { rest } = received;
    try {
      const frame = receive();
      const fields = frame === false ? undefined : frame.fields;
      if (fields?.headers === undefined || !isDeeper(fields.headers, MOST_LEVELS)) return frame;
      fields.headers = undefined;
      told();
      return frame;
    } catch (error) {
      if (!Buffer.isBuffer(rest) || !leaveOut(rest)) throw error;
      received.rest = rest;
      told();
      return receive();
    }
  });
}

function aroundFrames(
  { connection }: ChannelModel,
  around: (received: Received, receive: () => Frame | false) => Frame | false,
): void {
  const received = connection as Received;
  const { recvFrame } = received;
  if (typeof recvFrame !== 'function') return;
  received.recvFrame = () => around(received, () => recvFrame.call(received) as Frame | false);
}

/** Found without recursion. */
function isDeeper(table: unknown, most: number): boolean {
  let level = [table];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null && !Buffer.isBuffer(value) ? Object.values(value) : [],
    );
  }
  return false;
}

/** Out of the first frame, once all of it is there; whether it had one. */
export function leaveOut(bytes: Buffer): boolean {
  if (bytes.length < AT.properties || bytes[AT.type] !== TYPE_HEADER) return false;
  const end = AT.class + bytes.readUInt32BE(AT.size);
  if (bytes.length < end + END_BYTES || bytes.readUInt16BE(AT.class) !== CLASS_BASIC) return false;
  const flags = bytes.readUInt16BE(AT.flags);
  if ((flags & FLAG.headers) === 0) return false;
  let table: number = AT.properties;
  for (const before of [FLAG.contentType, FLAG.contentEncoding]) if (flags & before) table += 1 + (bytes[table] ?? 0);
  const behind = table + 4 + (table + 4 <= end ? bytes.readUInt32BE(table) : 0);
  if (behind > end) return false;
  bytes.writeUInt16BE(flags & ~FLAG.headers, AT.flags);
  bytes.copyWithin(table, behind, end);
  return true;
}
