/**
 * Control socket: how commands talk to a running program. A Unix socket in a folder that only its owner can enter; JSON lines;
 * one request a connection. Who listens on a name is alive: a socket file left behind by kill -9 refuses connections and is
 * replaced at the next start.
 */
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Clock, systemClock } from '../runtime/clock.js';
import { Deadline } from '../runtime/deadline.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';
import type { Service } from '../runtime/service.js';
import { findSocketFolder, socketFolder } from '../runtime/socket-path.js';
import type { ControlReply, ControlRequest } from './messages.js';
import { ownSpeaker } from './protocol.js';
import { readAsked } from './request.js';

/** Bounds of a socket: connections open at once, of which the idlest makes room for another, and the length of a request in bytes. */
export interface ControlLimits {
  readonly connections: number;
  readonly requestBytes: number;
}

/** How long clients may take to read the last reply. */
const CLOSE_MS = 200;
const SOCKET_NAME = /^program-\d+(-\d+)?\.sock$/;
/** Programs that may serve the same index at once. */
const MOST_SHARING = 100;

export type ControlHandler = (request: ControlRequest, reply: (reply: ControlReply) => void) => Promise<void>;

interface Connection {
  readonly socket: Socket;
  /** It has asked and waits for its answer. */
  waits: boolean;
  /** When something last came or went. */
  activeAt: number;
}

/** Within this time a request follows its connection. */
const FRESH_MS = 1_000;

/** The listening side. */
export class ControlServer implements Service {
  readonly name = 'control socket';
  private path_ = '';
  private server: Server | null = null;
  /** The ones that were silent for longest first. */
  private readonly connections = new Set<Connection>();

  /** `place`: the first index names the socket. Where programs may share indexes (one stands by), each has a name of its own. */
  constructor(
    private readonly place: { readonly folder: string; readonly firstIndex: number; readonly mayShare: boolean },
    private limits: ControlLimits,
    private readonly handle: ControlHandler,
    private readonly clock: Pick<Clock, 'monotonic'> = systemClock,
  ) {}

  /** Where it listens, once it does. */
  get path(): string {
    return this.path_;
  }

  async start(): Promise<void> {
    this.path_ = await this.freePath();
    rmSync(this.path, { force: true });
    const server = createServer((socket) => this.accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.path, resolve);
    });
    chmodSync(this.path, 0o600);
    this.server = server;
  }

  /** From now on these hold; connections that are open stay until another one comes. */
  setLimits(limits: ControlLimits): void {
    this.limits = limits;
  }

  async stop(): Promise<void> {
    const server = this.server;
    this.server = null;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const { socket } of this.connections) socket.end().unref();
    await Deadline.in(CLOSE_MS).allows(closed);
    for (const { socket } of this.connections) socket.destroy();
  }

  private async freePath(): Promise<string> {
    const { folder, firstIndex, mayShare } = this.place;
    const sockets = socketFolder(folder);
    for (let number = 1; ; number++) {
      const path = join(sockets, number === 1 ? `program-${firstIndex}.sock` : `program-${firstIndex}-${number}.sock`);
      if (!(await answers(path))) return path;
      if (!mayShare || number === MOST_SHARING) {
        throw new ApplicationError('OWNED_ELSEWHERE', `a program already listens on ${path}; stop it first`);
      }
    }
  }

  private accept(socket: Socket): void {
    const connection: Connection = { socket, waits: false, activeAt: 0 };
    this.makeRoom();
    this.connections.add(connection);
    this.active(connection);
    socket.on('close', () => this.connections.delete(connection));
    socket.on('error', () => socket.destroy());
    const received: Buffer[] = [];
    let bytes = 0;
    const read = (chunk: Buffer) => {
      this.active(connection);
      received.push(chunk);
      bytes += chunk.length;
      if (!chunk.includes(10) && bytes < this.limits.requestBytes) return;
      socket.off('data', read);
      const line =
        Buffer.concat(received).subarray(0, this.limits.requestBytes).toString('utf8').split('\n', 1)[0] ?? '';
      void this.serve(connection, line);
    };
    socket.on('data', read);
  }

  private async serve(connection: Connection, line: string): Promise<void> {
    const { socket } = connection;
    connection.waits = true;
    const reply = (message: ControlReply) => {
      this.active(connection);
      if (socket.writable) socket.write(lineOf(message));
    };
    try {
      const asked = readAsked(line);
      if ('refusal' in asked) reply(asked.refusal);
      else await this.handle(asked.request, reply);
    } catch (error) {
      const why =
        error instanceof ApplicationError ? messageOf(error) : `the program failed at it: ${messageOf(error)}`;
      reply({ type: 'done', ok: false, sentence: why });
    }
    connection.waits = false;
    socket.end();
  }

  private active(connection: Connection): void {
    connection.activeAt = this.clock.monotonic();
    if (this.connections.delete(connection)) this.connections.add(connection);
  }

  /** Closes the idlest where there are as many as are allowed: one that has nothing to say, else one that waits, else the first. */
  private makeRoom(): void {
    const since = this.clock.monotonic() - FRESH_MS;
    while (this.connections.size >= this.limits.connections) {
      const all = [...this.connections];
      const idle = all.find(({ waits, activeAt }) => !waits && activeAt <= since);
      const idlest = idle ?? all.find(({ waits }) => waits) ?? all[0]!;
      this.connections.delete(idlest);
      const { socket, waits } = idlest;
      const why = `${all.length} connections were open (processing_core.control.connections), and another one came`;
      const sentence = `the program closed the connection: ${why}${waits ? '; what was asked for goes on' : ''}`;
      // One that does not read is not waited for.
      if (!socket.writable || socket.writableLength > 0) socket.destroy();
      else socket.end(lineOf({ type: 'done', ok: false, sentence }), () => socket.destroy());
    }
  }
}

function lineOf(message: ControlReply): string {
  return `${JSON.stringify(message)}\n`;
}

/** The sockets of all living programs of a folder, by first index. */
export async function livingPrograms(folder: string): Promise<string[]> {
  const sockets = findSocketFolder(folder);
  if (sockets === null) return [];
  const names = readdirSync(sockets).filter((name) => SOCKET_NAME.test(name));
  names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const living: string[] = [];
  for (const name of names) if (await answers(join(sockets, name))) living.push(join(sockets, name));
  return living;
}

/**
 * Sends one request and yields the replies; ends when the other side closes, or is silent for longer than `silenceMs` (0: forever), as
 * one that was stopped is, which `silent` is told. Throws NOT_RUNNING when nobody answers.
 */
export async function* ask(
  path: string,
  request: ControlRequest,
  silenceMs = 0,
  silent: () => void = () => {},
): AsyncIterable<ControlReply> {
  const socket = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) =>
      reject(new ApplicationError('NOT_RUNNING', `nothing answers on ${path}`, { cause: error })),
    );
  });
  socket.on('error', () => socket.destroy());
  socket.setTimeout(silenceMs, () => {
    silent();
    socket.destroy();
  });
  socket.write(`${JSON.stringify({ ...request, ...ownSpeaker() })}\n`);
  const lines = createInterface({ input: socket });
  // Lines end by themselves only where the other side has ended.
  socket.once('close', () => lines.close());
  try {
    for await (const line of lines) yield JSON.parse(line) as ControlReply;
  } catch (error) {
    if (!isClosed(error)) throw error;
  } finally {
    socket.destroy();
  }
}

/** The other side has closed while something was written. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
