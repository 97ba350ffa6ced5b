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
import { readTlsFiles, type TlsContents } from '../../config/tls-files.js';
import type { Logger } from '../../observability/logger.js';
import { type Backoff, steps } from '../../runtime/backoff.js';
import { Busyness, machineLoad } from '../../runtime/busyness.js';
import { type Clock, systemClock } from '../../runtime/clock.js';
import type { Deadline } from '../../runtime/deadline.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import { Reminder } from '../../runtime/reminder.js';
import type { Service } from '../../runtime/service.js';
import { leaveOutBrokenTables, leaveOutHeaderTables } from './header-tables.js';
import { refusalOf, unreachableBecause, whereIs } from './refusal.js';

/** So many heartbeats without an answer on a channel, though the connection itself lives, and the channel is taken for dead. */
const ANSWER_HEARTBEATS = 5;
/** A first attempt that takes longer is told of. */
const SILENT_MS = 2_000;
/** A connection that is silent for so many heartbeats is lost at the latest, for either side. */
const SILENT_HEARTBEATS = 3;
/** amqplib's words for a server that was silent for two heartbeats and more. */
const HEARTBEAT_TIMEOUT = 'Heartbeat timeout';
/** The goodbye to a server is waited for this long. */
const CLOSE_MS = 1_000;

/** A server that accepts a connection and then says nothing for so long is none. */
const HANDSHAKE_MS = 10_000;
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
  private readonly busyness: Busyness;
  private model: ChannelModel | null = null;
  private socket = new AbortController();
  private stopped = false;
  private blockedWhy: string | null = null;
  private droppedWhy: string | null = null;
  private trouble_: string | null = null;
  private brokenTablesTold = false;
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
    this.busyness = new Busyness(this.clock, SILENT_HEARTBEATS * broker.heartbeatMs);
  }

  get isUp(): boolean {
    return this.model !== null;
  }

  /** Why it was lost, or could not be made when it was tried last, and what to do where the broker refuses it; null while it is up. */
  get trouble(): string | null {
    return this.trouble_;
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
    this.busyness.start();
    await this.establish(null);
  }

  async stop(deadline?: Deadline): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.busyness.stop();
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

  /**
   * What the broker answers to `question`, named by `what`. Throws QUEUE_UNAVAILABLE as soon as the connection is lost, and where none
   * comes for five heartbeats: then the connection is given up, because nothing else ends a channel that hangs. (A quorum queue
   * that the broker forgot in a crash never answers who begins to consume it: topology.ts.)
   */
  async answer<T>(question: Promise<T>, what: string): Promise<T> {
    const { model, clock } = this;
    if (model === null) {
      question.catch(() => {});
      throw unavailable('there is no connection to the broker at the moment');
    }
    let settled = () => {};
    const none = new Promise<never>((_, reject) => {
      const ignore = this.onDown((why) => reject(unavailable(`${what}: the connection is lost: ${why}`)));
      const cancel = clock.after(ANSWER_HEARTBEATS * this.options.broker.heartbeatMs, () => {
        const why = `the broker does not answer (${what})`;
        if (this.model === model) this.drop(why);
        reject(unavailable(why));
      });
      settled = () => {
        ignore();
        cancel();
      };
    });
    try {
      return await Promise.race([question, none]);
    } finally {
      settled();
    }
  }

  /** Resolves when the channel is closed, or is gone in another way. */
  async closeChannel(channel: Channel): Promise<void> {
    // Where the connection dies meanwhile, amqplib tells the end of the channel and leaves its promise as it is.
    const closed = new Promise<void>((resolve) => {
      channel.once('close', () => resolve());
      channel.close().catch(() => resolve());
    });
    await this.answer(closed, 'a channel is to be closed').catch(() => {});
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
      const channel = await this.answer(create(model), 'a channel is to be opened');
      // Without a listener the error would be one of the whole connection.
      channel.on('error', (error) => closed(messageOf(error)));
      return channel;
    } catch (error) {
      // A connection that was closed without a word to us.
      if (error instanceof IllegalOperationError) this.down(model, messageOf(error));
      throw error instanceof ApplicationError ? error : unavailable(messageOf(error), error);
    }
  }

  /** Tries until there is a connection or `stop` comes. `lostAt`: when the last one was lost; null for the first. */
  private async establish(lostAt: number | null): Promise<void> {
    const { broker, tries = Number.POSITIVE_INFINITY } = this.options;
    const first = lostAt === null;
    const reminder = new Reminder(this.clock, (why) => {
      this.log.warn('the broker cannot be reached; it is tried again', { why });
      this.trouble_ = why;
    });
    for (let attempt = 1; ; attempt++) {
      const cancel = this.clock.after(SILENT_MS, () => {
        if (attempt === 1) reminder.because(`no answer from ${whereIs(broker)} yet`);
      });
      try {
        this.up(await this.connect(), lostAt);
        return;
      } catch (error) {
        if (this.stopped) throw unavailable('stopped while there was no connection to the broker');
        const refusal = await refusalOf(error, broker, first);
        if (first && refusal !== null) throw refusal;
        const why = refusal?.message ?? unreachableBecause(error, broker);
        if (first && attempt >= tries) {
          throw unavailable(`the broker at ${whereIs(broker)} cannot be reached: ${why}`, error);
        }
        reminder.because(why);
      } finally {
        cancel();
      }
      await this.wait(this.backoff.nextMs());
    }
  }

  private async connect(): Promise<ChannelModel> {
    if (this.stopped) throw unavailable('stopped');
    const { broker, app, purpose } = this.options;
    this.socket = new AbortController();
    const name = `dp3-cluster ${app} ${purpose} (process ${process.pid})`;
    const model = await dial(broker, name, this.socket.signal);
    if (purpose === 'consuming') leaveOutHeaderTables(model);
    if (purpose === 'setting up') leaveOutBrokenTables(model, () => this.tellBrokenTables());
    let why = 'closed by the broker';
    model.on('error', (error) => {
      why = messageOf(error);
    });
    model.on('close', (error) => this.down(model, error === undefined ? why : messageOf(error)));
    model.on('blocked', (reason) => this.setBlocked(reason));
    model.on('unblocked', () => this.setBlocked(null));
    return model;
  }

  private up(model: ChannelModel, lostAt: number | null): void {
    if (this.stopped) {
      this.socket.abort();
      throw unavailable('stopped');
    }
    const troubled = this.trouble_ !== null;
    this.model = model;
    this.trouble_ = null;
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
    this.trouble_ = `the connection is lost: ${why}`;
    const lostAt = this.clock.monotonic();
    const busy = this.busyWith(why);
    this.log.warn('the connection to the broker is lost', { why, ...(busy !== null && { busy }) });
    for (const listener of [...this.downListeners]) listener(why);
    void this.wait(this.backoff.nextMs())
      .then(() => this.establish(lostAt))
      .catch((error) => this.log.debug('no connection any more', { why: messageOf(error) }));
  }

  /** What kept this process, or the broker on this machine, from its heartbeats; null where nothing did. */
  private busyWith(why: string): string | null {
    const { heartbeatMs } = this.options.broker;
    const heldUpMs = this.busyness.heldUpMs();
    if (heldUpMs < heartbeatMs) return why === HEARTBEAT_TIMEOUT ? machineLoad() : null;
    const heldUp = (heldUpMs / 1_000).toFixed(1);
    return `this process was held up for ${heldUp} s; its heartbeat is due every ${heartbeatMs / 1_000} s`;
  }

  /** Once: messages are read more than once, where they are carried over. */
  private tellBrokenTables(): void {
    if (!this.brokenTablesTold) this.log.warn('headers of messages cannot be read, and are left out');
    this.brokenTablesTold = true;
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

/**
 * `name` is what the broker shows of it; `signal` ends its socket. Throws what the network, the server or amqplib says, and TlsFileError.
 */
async function dial(broker: BrokerConfiguration, name: string, signal: AbortSignal): Promise<ChannelModel> {
  const { host, port, tls, username, password, virtualHost: vhost, heartbeatMs } = broker;
  const common = { clientProperties: { connection_name: name }, noDelay: true, timeout: HANDSHAKE_MS };
  // tls.connect does not know of signals: it gets a socket that does.
  const transport = tls
    ? { socket: connectSocket({ host, port, signal }), ...tlsOptionsOf(broker) }
    : { signal, writableHighWaterMark: SOCKET_BUFFER_BYTES };
  const heartbeat = Math.max(1, Math.round(heartbeatMs / 1_000));
  const protocol = tls ? 'amqps' : 'amqp';
  const options = { protocol, hostname: host, port, username, password, vhost, heartbeat };
  return amqp.connect(options, { ...common, ...transport });
}

export interface TlsOptions extends TlsContents {
  readonly servername?: string;
  readonly rejectUnauthorized: true;
}

/** What every connection to the broker is encrypted with, also to its management API, as tls.connect takes it. Throws TlsFileError. */
export function tlsOptionsOf({ tlsFiles, tlsServerName }: BrokerConfiguration): TlsOptions {
  return {
    ...readTlsFiles(tlsFiles),
    ...(tlsServerName !== null && { servername: tlsServerName }),
    rejectUnauthorized: true,
  };
}
