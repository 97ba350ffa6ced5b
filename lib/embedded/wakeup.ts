/**
 * Wake-ups between the processes of a data folder: a byte through a Unix socket says "look again".
 *
 * A wake-up carries no data and may be repeated or lost: who is woken reads the environments, and reads them again after the next
 * one. That makes everything else simple: nothing is ever waited for. A peer that is stopped or slow has one byte of each sort under
 * way at most, one that is dead is forgotten; the sender goes on. What is lost (a peer that is just starting) is found by the slow
 * look-around of those who wait. Refused: messages over the primary (a second hop, and producers have none), watching files (events
 * of LMDB's files come in floods and not at all for writes through a map).
 *
 * On a connection the sender's name goes first, then bytes:
 *     t  there are tasks for you        w  tell me from now on when you have settled tasks of mine        s  I have settled tasks of yours
 */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError, messageOf } from '../runtime/errors.js';

/** What a wake-up says: tasks were put into the sender's outbox, the sender waits for room, the sender settled tasks. */
export type Wakeup = 'tasks' | 'waiting' | 'settled';
export type WakeupListener = (from: string, wakeup: Wakeup) => void;

const BYTES = { tasks: 't', waiting: 'w', settled: 's' } as const satisfies Record<Wakeup, string>;
const LONGEST_NAME = 64;

export class Wakeups {
  private server: Server | null = null;
  private listening: Promise<void> | null = null;
  private readonly peers = new Map<string, Peer>();
  private readonly incoming = new Set<Socket>();
  private readonly listeners = new Set<WakeupListener>();
  private readonly toSelf = new Set<Wakeup>();
  private closed = false;

  /** `sockets`: a folder of this user alone; `name`: the environment this process owns. */
  constructor(
    private readonly sockets: string,
    private readonly name: string,
    private readonly clock: Pick<Clock, 'soon'>,
  ) {}

  /** Listens from now on; only the owner of the environment may, for it takes the place of a dead owner's socket. */
  listen(): Promise<void> {
    this.listening ??= this.bind();
    return this.listening;
  }

  /**
   * Listens no more. To be called while the environment is still owned: a socket takes its name away when it closes, and once the
   * environment is released the name may be the next owner's.
   */
  async unlisten(): Promise<void> {
    await this.listening?.catch(() => {});
    this.listening = null;
    const server = this.server;
    if (server === null) return;
    this.server = null;
    for (const socket of this.incoming) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  onWakeup(listener: WakeupListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Tells the owner of an environment; at once or never, and never waits. The own name is told in the next turn. */
  notify(name: string, wakeup: Wakeup): void {
    if (this.closed) return;
    if (name === this.name) {
      this.notifySelf(wakeup);
      return;
    }
    let peer = this.peers.get(name);
    if (peer === undefined) {
      peer = new Peer(this.pathOf(name), this.name, () => this.peers.delete(name));
      this.peers.set(name, peer);
    }
    peer.send(wakeup);
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const peer of this.peers.values()) peer.close();
    await this.unlisten();
  }

  private async bind(): Promise<void> {
    const path = this.pathOf(this.name);
    const server = createServer((socket) => this.accept(socket));
    this.server = server;
    try {
      rmSync(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        // `exclusive`: a worker of Node's cluster listens itself; its primary would do it for it, and stand between the processes.
        server.listen({ path, exclusive: true }, resolve);
      });
      chmodSync(path, 0o600);
    } catch (error) {
      throw new ApplicationError('STORE_FAILED', `cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
    }
    server.on('error', () => {});
  }

  private accept(socket: Socket): void {
    this.incoming.add(socket);
    let from = '';
    let named = false;
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('close', () => this.incoming.delete(socket));
    socket.on('data', (text: string) => {
      let bytes = text;
      if (!named) {
        from += text;
        const end = from.indexOf('\n');
        if (end < 0) {
          if (from.length > LONGEST_NAME) socket.destroy();
          return;
        }
        bytes = from.slice(end + 1);
        from = from.slice(0, end);
        named = true;
      }
      for (const wakeup of ['waiting', 'settled', 'tasks'] as const)
        if (bytes.includes(BYTES[wakeup])) this.tell(from, wakeup);
    });
  }

  private notifySelf(wakeup: Wakeup): void {
    if (this.toSelf.size === 0) {
      this.clock.soon(() => {
        const wakeups = [...this.toSelf];
        this.toSelf.clear();
        for (const each of wakeups) this.tell(this.name, each);
      });
    }
    this.toSelf.add(wakeup);
  }

  private tell(from: string, wakeup: Wakeup): void {
    if (this.closed) return;
    for (const listener of this.listeners) listener(from, wakeup);
  }

  private pathOf(name: string): string {
    return join(this.sockets, `${name}.sock`);
  }
}

/** A connection to one peer, made by the first wake-up. Each sort of wake-up waits at most once. */
class Peer {
  private readonly socket: Socket;
  private readonly waiting = new Set<Wakeup>();
  /** Connecting, or the last bytes are not yet with the kernel. */
  private busy = true;

  constructor(path: string, ownName: string, closed: () => void) {
    this.socket = connect(path);
    this.socket.unref();
    this.socket.on('error', () => {});
    this.socket.on('close', closed);
    this.socket.on('connect', () => this.write(`${ownName}\n`));
  }

  send(wakeup: Wakeup): void {
    this.waiting.add(wakeup);
    if (!this.busy) this.flush();
  }

  close(): void {
    this.socket.destroy();
  }

  private flush(): void {
    const bytes = [...this.waiting].map((wakeup) => BYTES[wakeup]).join('');
    this.waiting.clear();
    this.write(bytes);
  }

  private write(bytes: string): void {
    this.busy = true;
    this.socket.write(bytes, () => {
      this.busy = false;
      if (this.waiting.size > 0) this.flush();
    });
  }
}
