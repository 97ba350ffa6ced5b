/**
 * A connection to the broker that is made again whenever it is lost, after 1, 2, 5, 10, 30, 30 ... s as DP3 does.
 *
 * It restores the connection alone: whoever has channels on it makes them again when told `onUp`. Each change of state is one line
 * in the log. Refused: amqplib's own `recovery`, which listens to the new connection only after its set-up has run, so that one that
 * dies meanwhile is never made again, or ends the process; this loop listens before it does anything else. A connection is given
 * up with its socket: amqplib only half-closes it, and where the other side swallows packets it would stay for many minutes.
 */
import { connect as connectSocket } from 'node:net';
import amqp, { type Channel, type ChannelModel, type ConfirmChannel, IllegalOperationError } from 'amqplib';
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Logger } from '../../observability/logger.js';
import { type Backoff, steps } from '../../runtime/backoff.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import type { Deadline } from '../../runtime/deadline.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { Service } from '../../runtime/service.js';
import { gatherWrites } from './gather.js';
import { refusalOf, whereIs } from './refusal.js';

/** A server that accepts a connection and then says nothing for so long is none. */
const HANDSHAKE_MS = 10_000;
/** The goodbye to a server is waited for this long. */
const CLOSE_MS = 1_000;
/** Bytes that a socket takes before it wants to be drained; small ones cost a turn of the event loop each. */
const SOCKET_BUFFER_BYTES = 256 * 1024;

export interface AmqpConnectionOptions {
  readonly broker: BrokerConfiguration;
  /** Publishers are blocked by the broker's alarms, and consumers of the same connection with them: so each purpose has its own. */
  readonly purpose: 'publishing' | 'consuming' | 'setting up';
  readonly app: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly backoff?: Backoff;
  /** Attempts at the first connection; without a limit where it is not given. */
  readonly tries?: number;
}

export class AmqpConnection implements Service {
  readonly name: string;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly backoff: Backoff;
  private model: ChannelModel | null = null;
  private socket = new AbortController();
  private stopped = false;
  private blockedWhy: string | null = null;
  private droppedWhy: string | null = null;
  private readonly pauses = new Set<() => void>();
  private readonly upListeners = new Set<() => void>();
  private readonly downListeners = new Set<(why: string) => void>();
  private readonly blockedListeners = new Set<(why: string | null) => void>();

  constructor(private readonly options: AmqpConnectionOptions) {
    const { purpose, broker, log, clock, backoff } = options;
    this.name = `connection for ${purpose}`;
    this.log = log.child({ broker: whereIs(broker), purpose });
    this.clock = clock ?? systemClock;
    this.backoff = backoff ?? steps();
  }

  get isUp(): boolean {
    return this.model !== null;
  }

  /** Version of the server, such as 3.10.8; empty while there is no connection. */
  get serverVersion(): string {
    const version: unknown = this.model?.connection.serverProperties.version;
    return typeof version === 'string' || Buffer.isBuffer(version) ? version.toString() : '';
  }

  /**
   * Connects, waiting for a server that does not answer. Throws QUEUE_REFUSED where the server does not take the user or has not the
   * virtual host; QUEUE_UNAVAILABLE when all tries failed or `stop` came first.
   */
  async start(): Promise<void> {
    await this.establish(null);
  }

  async stop(deadline?: Deadline): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    for (const end of this.pauses) end();
    const { model } = this;
    this.model = null;
    if (model !== null) {
      let cancel = () => {};
      const late = new Promise<void>((resolve) => {
        cancel = this.clock.after(Math.min(CLOSE_MS, deadline?.leftMs ?? CLOSE_MS), resolve, true);
      });
      await Promise.race([model.close().catch(() => {}), late]);
      cancel();
    }
    this.socket.abort();
  }

  /**
   * Throws QUEUE_UNAVAILABLE while there is no connection. What the broker says against a channel closes it alone; it is told to
   * `closed`, or logged where nobody is told.
   */
  openChannel(closed?: (why: string) => void): Promise<Channel> {
    return this.open((model) => model.createChannel(), closed);
  }

  openConfirmChannel(closed?: (why: string) => void): Promise<ConfirmChannel> {
    return this.open((model) => model.createConfirmChannel(), closed);
  }

  /** Called after each connection but the first, for which `start` resolves. */
  onUp(listener: () => void): () => void {
    this.upListeners.add(listener);
    return () => this.upListeners.delete(listener);
  }

  /** Called as soon as a connection is lost, its channels being closed already; not for `stop`. */
  onDown(listener: (why: string) => void): () => void {
    this.downListeners.add(listener);
    return () => this.downListeners.delete(listener);
  }

  /** Called with the reason when the broker takes no more messages, with null when it does again. */
  onBlocked(listener: (why: string | null) => void): () => void {
    this.blockedListeners.add(listener);
    return () => this.blockedListeners.delete(listener);
  }

  /** Gives the connection up as if it had been lost, and makes another one. `onDown` is called in a later turn of the event loop. */
  drop(why: string): void {
    this.droppedWhy = why;
    this.socket.abort();
  }

  /** Waits for something to try again. Resolves at once when the connection is stopped, then with false. */
  async wait(ms: number): Promise<boolean> {
    if (this.stopped) return false;
    await new Promise<void>((resolve) => {
      const end = () => {
        cancel();
        this.pauses.delete(end);
        resolve();
      };
      const cancel = this.clock.after(ms, end, true);
      this.pauses.add(end);
    });
    return !this.stopped;
  }

  private async open<C extends Channel>(
    create: (model: ChannelModel) => Promise<C>,
    closed = (why: string) => this.log.warn('the broker closed a channel', { why }),
  ): Promise<C> {
    const { model } = this;
    if (model === null) throw unavailable('there is no connection to the broker at the moment');
    try {
      const channel = await create(model);
      // Without a listener the error would be one of the whole connection.
      channel.on('error', (error) => closed(messageOf(error)));
      return channel;
    } catch (error) {
      // A connection that was closed without a word to us.
      if (error instanceof IllegalOperationError) this.down(model, messageOf(error));
      throw unavailable(messageOf(error), error);
    }
  }

  /** Tries until there is a connection or `stop` comes. `lostAt`: when the last one was lost; null for the first. */
  private async establish(lostAt: number | null): Promise<void> {
    let told: string | null = null;
    for (let attempt = 1; ; attempt++) {
      try {
        this.up(await this.connect(), lostAt, told !== null);
        return;
      } catch (error) {
        if (this.stopped) throw unavailable('stopped while there was no connection to the broker');
        const first = lostAt === null;
        const refusal = refusalOf(error, this.options.broker);
        if (first && refusal !== null) throw refusal;
        const why = refusal?.message ?? messageOf(error);
        if (first && attempt >= (this.options.tries ?? Number.POSITIVE_INFINITY)) {
          throw unavailable(`the broker at ${whereIs(this.options.broker)} can not be reached: ${why}`, error);
        }
        if (why !== told) this.log.warn('the broker can not be reached; it is tried again', { why });
        told = why;
        await this.wait(this.backoff.nextMs());
      }
    }
  }

  private async connect(): Promise<ChannelModel> {
    if (this.stopped) throw unavailable('stopped');
    const { broker, app, purpose } = this.options;
    const { host, port, tls, username, password, virtualHost: vhost, heartbeatMs } = broker;
    this.socket = new AbortController();
    const { signal } = this.socket;
    const clientProperties = { connection_name: `dp3-cluster ${app} ${purpose} (process ${process.pid})` };
    const common = { clientProperties, noDelay: true, timeout: HANDSHAKE_MS };
    // tls.connect does not know of signals: it gets a socket that does.
    const transport = tls
      ? { socket: connectSocket({ host, port, signal }) }
      : { signal, writableHighWaterMark: SOCKET_BUFFER_BYTES };
    const heartbeat = Math.max(1, Math.round(heartbeatMs / 1_000));
    const protocol = tls ? 'amqps' : 'amqp';
    const model = await amqp.connect(
      { protocol, hostname: host, port, username, password, vhost, heartbeat },
      { ...common, ...transport },
    );
    gatherWrites(model.connection);
    let why = 'closed by the broker';
    model.on('error', (error) => {
      why = messageOf(error);
    });
    model.on('close', (error) => this.down(model, error === undefined ? why : messageOf(error)));
    model.on('blocked', (reason) => this.setBlocked(reason));
    model.on('unblocked', () => this.setBlocked(null));
    return model;
  }

  private up(model: ChannelModel, lostAt: number | null, troubled: boolean): void {
    if (this.stopped) {
      this.socket.abort();
      throw unavailable('stopped');
    }
    this.model = model;
    this.backoff.reset();
    if (lostAt !== null) {
      this.log.info('connected to the broker again', { awayMs: Math.round(this.clock.monotonic() - lostAt) });
      for (const listener of [...this.upListeners]) listener();
    } else {
      this.log.info('connected to the broker', { version: this.serverVersion, ...(troubled && { after: 'waiting' }) });
    }
  }

  private down(model: ChannelModel, reason: string): void {
    if (this.model !== model) return;
    this.model = null;
    this.socket.abort();
    this.setBlocked(null);
    const why = this.droppedWhy ?? reason;
    this.droppedWhy = null;
    const lostAt = this.clock.monotonic();
    this.log.warn('the connection to the broker is lost', { why });
    for (const listener of [...this.downListeners]) listener(why);
    void this.wait(this.backoff.nextMs())
      .then(() => this.establish(lostAt))
      .catch((error) => this.log.debug('no connection any more', { why: messageOf(error) }));
  }

  private setBlocked(why: string | null): void {
    if (this.blockedWhy === why) return;
    this.blockedWhy = why;
    if (why !== null) this.log.warn('the broker takes no messages for now', { why });
    else if (this.isUp) this.log.info('the broker takes messages again');
    for (const listener of [...this.blockedListeners]) listener(why);
  }
}

function unavailable(why: string, cause?: unknown): ApplicationError {
  return new ApplicationError('QUEUE_UNAVAILABLE', why, { cause });
}
