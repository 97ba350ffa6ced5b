/** A TCP proxy on the loopback interface that can cut, stall and delay the connections through it, for faults of the network. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpProxy {
  private readonly pairs = new Set<Pair>();
  private stalled = false;
  private delayMs = 0;
  private refusing = false;
  private cutTimer: NodeJS.Timeout | undefined;
  /** Connections that were accepted so far, and that were refused. */
  connections = 0;
  refused = 0;
  /** Bytes that came from the near side, also those that were swallowed. */
  bytesUp = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** Listens on a free port; closed when the test ends. With `tls`, what comes in is encrypted and goes on in plain. */
  static async to(target: { readonly host: string; readonly port: number }, tls?: TlsOptions): Promise<TcpProxy> {
    const accept = (near: Socket) => proxy.accept(near, connect({ ...target, allowHalfOpen: true }));
    const server = tls === undefined ? createServer({ allowHalfOpen: true }, accept) : createTlsServer(tls, accept);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const proxy = new TcpProxy(server, typeof address === 'object' && address !== null ? address.port : 0);
    onTestFinished(() => proxy.close());
    return proxy;
  }

  /** Cuts every connection there is; new ones are let through. */
  cut(): void {
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Ends the near side of every connection, of which the far side does not hear. */
  cutNear(): void {
    for (const { near } of this.pairs) near.removeAllListeners('end').removeAllListeners('close').destroy();
  }

  /** Cuts every `ms` until it is called with null. */
  cutEvery(ms: number | null): void {
    clearInterval(this.cutTimer);
    if (ms !== null) this.cutTimer = setInterval(() => this.cut(), ms);
  }

  /**
   * Swallows everything in both directions while the connections stay open; new ones are accepted and get no answer either. Afterwards
   * those that lost something are cut.
   */
  stall(stalled: boolean): void {
    if (this.stalled && !stalled) this.cut();
    this.stalled = stalled;
  }

  /** Holds every packet back for so long, each way. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Ends new connections at once, as a server that is not there. */
  refuse(refusing: boolean): void {
    this.refusing = refusing;
  }

  async close(): Promise<void> {
    this.cutEvery(null);
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private accept(near: Socket, far: Socket): void {
    const pair = { near, far };
    for (const socket of [near, far]) {
      // Errors are the point of it; the other side learns of them as an end.
      socket.on('error', () => {});
    }
    if (this.refusing) {
      this.refused++;
      near.destroy();
      far.destroy();
      return;
    }
    this.connections++;
    this.pairs.add(pair);
    near.on('data', (bytes: Buffer) => {
      this.bytesUp += bytes.length;
    });
    this.pass(near, far);
    this.pass(far, near);
    const end = () => {
      // An end is a packet, too: in a stall nobody hears of it.
      if (this.stalled) return;
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('end', end).on('close', end);
  }

  private pass(from: Socket, to: Socket): void {
    from.on('data', (bytes: Buffer) => {
      if (this.stalled) return;
      if (this.delayMs > 0) setTimeout(() => to.write(bytes), this.delayMs);
      else if (!to.write(bytes)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
  }
}
