/**
 * Tables of headers are left out of what a connection receives, unread: nothing of them is asked for here, and a publisher may send one
 * that no decoder survives. amqplib's calls itself for each level, and knows not all types: where it fails the connection is lost, the
 * message comes again with the next one, and so for ever. Refused: a decoder of our own for all frames; a bound for the levels (what is
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

interface Received {
  /** Bytes that were read from the socket and are not decoded yet. */
  readonly rest?: unknown;
  recvFrame?: unknown;
}

/** Where amqplib does not keep its frames where it did, it decodes them whole. */
export function leaveOutHeaderTables({ connection }: ChannelModel): void {
  const received = connection as Received;
  const { recvFrame } = received;
  if (typeof recvFrame !== 'function') return;
  received.recvFrame = () => {
    if (Buffer.isBuffer(received.rest)) leaveOut(received.rest);
    return recvFrame.call(received);
  };
}

/** Out of the first frame, once all of it is there. */
export function leaveOut(bytes: Buffer): void {
  if (bytes.length < AT.properties || bytes[AT.type] !== TYPE_HEADER) return;
  const end = AT.class + bytes.readUInt32BE(AT.size);
  if (bytes.length < end + END_BYTES || bytes.readUInt16BE(AT.class) !== CLASS_BASIC) return;
  const flags = bytes.readUInt16BE(AT.flags);
  if ((flags & FLAG.headers) === 0) return;
  let table: number = AT.properties;
  for (const before of [FLAG.contentType, FLAG.contentEncoding]) if (flags & before) table += 1 + (bytes[table] ?? 0);
  const behind = table + 4 + (table + 4 <= end ? bytes.readUInt32BE(table) : 0);
  if (behind > end) return;
  bytes.writeUInt16BE(flags & ~FLAG.headers, AT.flags);
  bytes.copyWithin(table, behind, end);
}
