/**
 * A TCP proxy on the loopback interface that reads the protocol that passes through it, and holds the first message that a test waits
 * for with all that follows it: a process that talks through it so stands exactly at that point. Or it swallows some of them.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Up goes from the client to the server. */
export type Direction = 'up' | 'down';
/** Bytes of the message that the bytes begin with, as soon as that can be told; 0 before. `first` of its connection. */
export type LengthOf = (bytes: Buffer, direction: Direction, first: boolean) => number;
/** Whether this is the message; is told of every message of one connection, in both directions. */
export type Watch = (direction: Direction, message: Buffer) => boolean;

interface Way {
  readonly direction: Direction;
  readonly to: Socket;
  waiting: Buffer;
  first: boolean;
  held: boolean;
}

interface Connection {
  readonly near: Socket;
  readonly far: Socket;
  watch: Watch | null;
}

interface Wanted {
  readonly watch: () => Watch;
  readonly reached: (release: () => void) => void;
}

export class HoldingProxy {
  private readonly connections = new Set<Connection>();
  private wanted: Wanted | null = null;
  /** What never arrives. */
  swallows: Watch = () => false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private readonly lengthOf: LengthOf,
  ) {}

  /** Listens on a free port; closed when the test ends. */
  static async to(target: { readonly host: string; readonly port: number }, lengthOf: LengthOf): Promise<HoldingProxy> {
    const server = createServer((near) => proxy.accept(near, connect(target)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const proxy = new HoldingProxy(server, port, lengthOf);
    onTestFinished(() => proxy.close());
    return proxy;
  }

  /**
   * Resolves when a message is held, with what lets it go on. `watch` is made for each connection, and looks at messages from now on.
   * What a connection holds is gone when it ends.
   */
  hold(watch: () => Watch): Promise<() => void> {
    return new Promise((reached) => {
      this.wanted = { watch, reached };
      for (const connection of this.connections) connection.watch = watch();
    });
  }

  /** Cuts every connection there is; new ones are let through. */
  cut(): void {
    for (const { near, far } of this.connections) {
      near.destroy();
      far.destroy();
    }
  }

  private async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private accept(near: Socket, far: Socket): void {
    const connection: Connection = { near, far, watch: this.wanted?.watch() ?? null };
    this.connections.add(connection);
    const end = () => {
      this.connections.delete(connection);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    this.pass(connection, near, { direction: 'up', to: far, waiting: Buffer.alloc(0), first: true, held: false });
    this.pass(connection, far, { direction: 'down', to: near, waiting: Buffer.alloc(0), first: true, held: false });
  }

  private pass(connection: Connection, from: Socket, way: Way): void {
    from.on('data', (bytes: Buffer) => {
      way.waiting = Buffer.concat([way.waiting, bytes]);
      this.goOn(connection, way);
    });
  }

  private goOn(connection: Connection, way: Way): void {
    while (!way.held) {
      const length = this.lengthOf(way.waiting, way.direction, way.first);
      if (length === 0 || way.waiting.length < length) return;
      const message = way.waiting.subarray(0, length);
      if (this.wanted !== null && connection.watch?.(way.direction, message)) {
        this.reach(connection, way);
        return;
      }
      if (!this.swallows(way.direction, message)) way.to.write(message);
      way.waiting = way.waiting.subarray(length);
      way.first = false;
    }
  }

  private reach(connection: Connection, way: Way): void {
    const reached = this.wanted?.reached;
    this.wanted = null;
    for (const each of this.connections) each.watch = null;
    way.held = true;
    reached?.(() => {
      way.held = false;
      this.goOn(connection, way);
    });
  }
}

const LENGTH_BYTES = 4;

/** Messages of PostgreSQL: a letter and a length that counts itself; the first of a client has no letter. */
export const postgresLength: LengthOf = (bytes, direction, first) => {
  const letter = direction === 'up' && first ? 0 : 1;
  return bytes.length < letter + LENGTH_BYTES ? 0 : letter + bytes.readInt32BE(letter);
};

/** The name of the prepared statement that a message of a client is about to run; null for any other message. */
export function boundStatement(message: Buffer): string | null {
  if (message.toString('latin1', 0, 1) !== 'B') return null;
  const [, statement = ''] = message.toString('latin1', 1 + LENGTH_BYTES).split('\0');
  return statement;
}

/** What a server says when a statement is over, and so its transaction. */
export function isReady(message: Buffer): boolean {
  return message.toString('latin1', 0, 1) === 'Z';
}

const AMQP_GREETING = 8;
const FRAME_HEADER = 7;
const FRAME_END = 1;
const METHOD_FRAME = 1;

/** Frames of AMQP 0-9-1: type, channel, length of what follows, an end; a client greets first. */
export const amqpLength: LengthOf = (bytes, direction, first) => {
  if (direction === 'up' && first) return AMQP_GREETING;
  return bytes.length < FRAME_HEADER ? 0 : FRAME_HEADER + bytes.readUInt32BE(3) + FRAME_END;
};

const HEADER_FRAME = 2;
const BODY_FRAME = 3;

/** Methods by class and number. */
const DELIVER = [60, 60] as const;
export const PUBLISH = [60, 40] as const;
export const ACK = [60, 80] as const;

export function isMethod(message: Buffer, [ofClass, number]: readonly [number, number]): boolean {
  if (message[0] !== METHOD_FRAME || message.length < FRAME_HEADER + LENGTH_BYTES) return false;
  return message.readUInt16BE(FRAME_HEADER) === ofClass && message.readUInt16BE(FRAME_HEADER + 2) === number;
}

/** Whether it is part of a message that a broker hands out: its method, its properties, its body. */
export const isDelivery: Watch = (direction, message) =>
  direction === 'down' && (isMethod(message, DELIVER) || message[0] === HEADER_FRAME || message[0] === BODY_FRAME);
