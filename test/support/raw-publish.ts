/** Messages as they go over the wire, for what amqplib cannot write. */
import type { Writable } from 'node:stream';
import type { Channel } from 'amqplib';

export interface RawMessage {
  /** Empty for the default one. */
  readonly exchange: string;
  readonly key: string;
  readonly id: Buffer;
  readonly body: Buffer;
  /** Of headers, with its length before it. */
  readonly table: Buffer;
}

/** Publishes over the connection of a channel; what the broker says of it goes to the channel. */
export function publishRaw(channel: Channel, message: RawMessage): void {
  const { ch } = channel as unknown as { readonly ch: number };
  const { stream } = channel.connection as unknown as { readonly stream: Writable };
  stream.write(written(ch, message));
}

/** A table in a table in a table. */
export function nestedTable(levels: number): Buffer {
  const bytes = Buffer.alloc(6 * levels);
  for (let level = 0; level < levels; level++) {
    bytes.write('\0F', 6 * level, 'latin1');
    bytes.writeUInt32BE(6 * (levels - level - 1), 6 * level + 2);
  }
  return withLength(bytes);
}

/** A table with one text. */
export function tableOf(name: string, text: string): Buffer {
  return withLength(Buffer.concat([short(Buffer.from(name)), Buffer.from('S'), withLength(Buffer.from(text))]));
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

function short(text: Buffer): Buffer {
  return Buffer.concat([Buffer.from([text.length]), text]);
}

/** basic.publish with headers and an id as its only properties. */
function written(channel: number, { exchange, key, id, body, table }: RawMessage): Buffer {
  const method = Buffer.concat([
    Buffer.from([0, 60, 0, 40, 0, 0]),
    short(Buffer.from(exchange)),
    short(Buffer.from(key)),
    Buffer.from([0]),
  ]);
  const properties = Buffer.alloc(14);
  properties.writeUInt16BE(60, 0);
  properties.writeBigUInt64BE(BigInt(body.length), 4);
  properties.writeUInt16BE(0x2000 | 0x0080, 12);
  const header = Buffer.concat([properties, table, short(id)]);
  return Buffer.concat([frame(1, channel, method), frame(2, channel, header), frame(3, channel, body)]);
}
