/**
 * Reads the queue pair of an index from RabbitMQ: one session (session.ts) after the other. Between two it waits until both queues can be
 * consumed: for the connection, for queues that were deleted, and for another process that consumes them, which is asked four times a second.
 *
 * Once a second it looks how long tasks are unacknowledged: RabbitMQ closes a channel over a message that is so for its consumer time-out
 * (30 minutes); long before that the session ends in order.
 */
import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Logger } from '../../observability/logger.js';
import { steps } from '../../runtime/backoff.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import { ApplicationError, messageOf } from '../../runtime/errors.js';
import type { QueueDelivery, QueueMessage } from '../delivery.js';
import { type PairNames, queueNames } from '../names.js';
import type { QueueDepth, ReaderEvents, ReadLimits } from '../queue.js';
import { QueueReader } from '../reader.js';
import type { Source, SourceReader } from '../source.js';
import { attemptName, brokerAttempts } from './attempts.js';
import type { AmqpConnection } from './connection.js';
import { type Consumer, QueueInUse } from './consumer.js';
import { BrokerProbe, StallWatchdog } from './health.js';
import { isTransient, receivedMessage } from './received-message.js';
import { PairSession, type SessionOwner } from './session.js';
import { ensureTopology, type QueueTypes, type Topology } from './topology.js';

export interface AmqpReaderOptions {
  readonly app: string;
  readonly index: number;
  readonly limits: ReadLimits;
  readonly broker: BrokerConfiguration;
  /** Deliveries are settled before they run, and must be acknowledged by then. */
  readonly atMostOnce: boolean;
  /** Where attempts are counted. */
  readonly runtimeDir: string;
  /** For consuming alone: a broker in trouble blocks connections that publish. */
  readonly connection: AmqpConnection;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Part of the broker's consumer time-out that the owner may take to settle down before its deliveries are returned. */
const SETTLE_DOWN = 0.1;
/** Part of the time-out after which a task is unacknowledged for too long. */
const TOO_OLD = 0.75;
const SWEEP_MS = 1_000;
/** Between two attempts of a process that stands by. */
const STANDBY_MS = 250;
/** An attempt to consume that lasts longer hangs, whatever it waits for. */
const OPENING_MS = 60_000;
/** How long closing may take where nobody says. */
const STOP_MS = 5_000;
/** Told once; DP3 sends such messages. */
const TRANSIENT =
  'messages arrive that are not persistent: a restart of the broker loses those that wait in this classic queue; a quorum queue keeps them';

export class AmqpReader extends QueueReader<Consumer> {
  constructor(options: AmqpReaderOptions) {
    const { runtimeDir, index, limits, clock } = options;
    super(new AmqpSource(options), brokerAttempts(runtimeDir, index), limits, clock);
  }
}

class AmqpSource implements Source<Consumer>, SessionOwner {
  readonly name: string;
  private readonly names: PairNames;
  private readonly probe: BrokerProbe;
  private readonly watchdogs: { readonly priority: StallWatchdog; readonly normal: StallWatchdog };
  private state: 'running' | 'stopped' = 'running';
  private session: PairSession | null = null;
  private reader: SourceReader<Consumer> | null = null;
  private events: ReaderEvents | null = null;
  private types: QueueTypes = new Map();
  /** Why there is no session, though the broker answers. */
  private openingTrouble: string | null = null;
  private openingSince: number | null = null;
  private wake = () => {};
  private cancelSweep = () => {};
  private prefetchHeld = false;
  private transientTold = false;

  constructor(private readonly options: AmqpReaderOptions) {
    const { app, index, connection, clock, log } = options;
    this.name = `reader of index ${index}`;
    this.names = queueNames(app, index);
    this.probe = new BrokerProbe(connection, this.names, clock, log);
    this.watchdogs = { priority: this.watchdog('priority'), normal: this.watchdog('normal') };
  }

  get trouble(): string | null {
    return this.session === null ? (this.options.connection.trouble ?? this.openingTrouble) : null;
  }

  get isExhausted(): boolean {
    return this.session?.consumers.some((each) => each.isExhausted) ?? false;
  }

  async start(): Promise<void> {
    await this.options.connection.start();
    for (const remark of await this.ensureQueues()) remark(this.options.log);
  }

  /** Stands by as long as another process consumes. Throws QUEUE_UNAVAILABLE where `stop` comes first, STORE_MISMATCH. */
  async open(reader: SourceReader<Consumer>, events: ReaderEvents): Promise<void> {
    this.reader = reader;
    this.events = events;
    const session = await this.nextSession();
    if (session === null)
      throw new ApplicationError('QUEUE_UNAVAILABLE', `${this.name} was stopped before it consumed`);
    void this.consume(session).catch((error: unknown) => this.fail(error));
    for (const each of Object.values(this.watchdogs)) each.start();
    this.scheduleSweep();
  }

  next(priority: boolean): QueueMessage<Consumer> | null {
    const { session } = this;
    if (session === null || session.state !== 'consuming') return null;
    const from = session.consumer(priority ? 'priority' : 'normal');
    const message = from.take();
    if (message === null) return null;
    // A quorum queue keeps them.
    if (!this.transientTold && from.type !== 'quorum' && isTransient(message)) {
      this.transientTold = true;
      this.options.log.warn(TRANSIENT, { queue: from.queue });
    }
    return receivedMessage(message, from);
  }

  nameOf({ receivedId }: QueueDelivery<Consumer>): string {
    return attemptName(receivedId);
  }

  settle(delivery: QueueDelivery<Consumer>): void {
    const { origin, position, body } = delivery;
    if (origin.state === 'ended') return;
    this.reader?.settling(delivery);
    origin.settle(position, body.length);
    this.reader?.settled(delivery);
    this.session?.flushSoon();
  }

  settleNow(settle: () => void): void {
    settle();
    if (this.options.atMostOnce) this.session?.flushNow();
  }

  requeueAll(): void {
    this.session?.end('open deliveries go back to their queues');
  }

  depth(): Promise<QueueDepth> {
    return this.probe.depth(this.session);
  }

  redeliveryHorizon(): Promise<number | null> {
    return this.probe.redeliveryHorizon(this.session);
  }

  /** What is finished is acknowledged; all else goes back to its place in the queue with the channels. */
  async stop(deadline: Deadline = Deadline.in(STOP_MS, this.options.clock)): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.wake();
    for (const each of Object.values(this.watchdogs)) each.stop();
    this.cancelSweep();
    const { session } = this;
    this.session = null;
    if (session !== null) await deadline.allows(session.close());
    await this.options.connection.stop(deadline);
  }

  arrived({ priority }: Consumer): void {
    this.watchdogs[priority ? 'priority' : 'normal'].arrived();
    this.reader?.takeSoon();
  }

  mayHaveMore(): void {
    this.reader?.take();
  }

  channelGone(from: Consumer): void {
    this.probe.channelGone(from);
    this.watchdogs[from.priority ? 'priority' : 'normal'].returned(from.unfinished);
  }

  voided(): void {
    this.session = null;
    this.reader?.voidAll();
  }

  settleDown(): Promise<void> {
    return this.events?.onLost() ?? Promise.resolve();
  }

  /** One session after the other, until it is stopped. */
  private async consume(first: PairSession): Promise<void> {
    for (let session: PairSession | null = first; session !== null; session = await this.nextSession()) {
      if (this.isStopped) return session.close();
      if (session !== first) this.events?.onRestored();
      this.session = session;
      session.begin(this);
      this.reader?.take();
      await session.ended;
      if (this.isStopped) return;
    }
  }

  /** Null when it was stopped. Throws STORE_MISMATCH. */
  private async nextSession(): Promise<PairSession | null> {
    const { connection, log } = this.options;
    const pauses = steps();
    let isStandby = false;
    let areQueuesThere = false;
    while (!this.isStopped) {
      if (!connection.isUp) {
        await this.untilConnected(null);
        pauses.reset();
        continue;
      }
      try {
        // Looked at anew: who stood by for an index may have done so while its queues were moved.
        if (!areQueuesThere) await this.prepareQueues();
        areQueuesThere = true;
        const session = await this.attempt();
        this.openingTrouble = null;
        if (isStandby) log.info('takes over, since no other process consumes any more', { queue: this.names.normal });
        if (!this.isStopped) return session;
        await session.close();
      } catch (error) {
        if (this.isStopped) return null;
        if (error instanceof ApplicationError && error.code === 'STORE_MISMATCH') throw error;
        areQueuesThere = connection.isUp && error instanceof QueueInUse;
        // What a lost connection means is told by the connection.
        if (!connection.isUp) continue;
        if (error instanceof QueueInUse) {
          this.openingTrouble = null;
          if (!isStandby) this.standBy(error.message);
          isStandby = true;
          await this.untilConnected(STANDBY_MS);
        } else {
          this.openingTrouble = messageOf(error);
          log.warn('the queues cannot be consumed; it is tried again', { why: this.openingTrouble });
          await this.untilConnected(pauses.nextMs());
        }
      }
    }
    return null;
  }

  private async attempt(): Promise<PairSession> {
    const { connection, clock, log, broker, limits } = this.options;
    const { names, types } = this;
    this.openingSince = clock.monotonic();
    try {
      const windowBytes = limits.bytes;
      return await PairSession.open({ names, types, prefetch: broker.prefetch, windowBytes, connection, clock, log });
    } finally {
      this.openingSince = null;
    }
  }

  private standBy(why: string): void {
    this.options.log.info('stands by until the other process ends', { why });
    this.events?.onStandby?.(why);
  }

  /** Until the connection is back, for a while at most where one is given, or until a stop. */
  private async untilConnected(mostMs: number | null): Promise<void> {
    const { connection, clock } = this.options;
    if (this.isStopped) return;
    await new Promise<void>((resolve) => {
      const ignore = connection.onUp(resolve);
      const cancel = mostMs === null ? () => {} : clock.after(mostMs, resolve, true);
      this.wake = () => {
        ignore();
        cancel();
        resolve();
      };
    });
    this.wake();
  }

  private async ensureQueues(): Promise<Topology['remarks']> {
    const { connection, app, index, broker, log } = this.options;
    const { types, remarks } = await ensureTopology(connection, { app, indexes: [index], broker, log });
    this.types = types;
    return remarks;
  }

  /** A queue whose type the broker does not tell is what the configuration says. Its prefetch is the same as long as this process lives. */
  private async prepareQueues(): Promise<void> {
    const { broker } = this.options;
    await this.ensureQueues();
    const types = Object.values(this.names).map((name) => this.types.get(name) ?? broker.queueType);
    if (this.prefetchHeld || !types.includes('quorum')) return;
    await this.events?.onQuorum?.(broker.prefetch);
    this.prefetchHeld = true;
  }

  private scheduleSweep(): void {
    const { clock, broker } = this.options;
    this.cancelSweep = clock.after(SWEEP_MS, () => {
      const oldestMs = this.session?.sweep() ?? 0;
      const tooOld = oldestMs > TOO_OLD * broker.consumerTimeoutMs;
      if (tooOld) this.endInOrder(`a task is unacknowledged for ${Math.round(oldestMs / 1_000)} s`);
      this.scheduleSweep();
    });
  }

  private endInOrder(why: string): void {
    void this.session?.endInOrder(why, SETTLE_DOWN * this.options.broker.consumerTimeoutMs);
  }

  /** Each queue by itself: the other one may go on while one is stuck. */
  private watchdog(kind: keyof PairNames): StallWatchdog {
    const { clock, connection } = this.options;
    const what = `messages wait in ${this.names[kind]} and none arrive`;
    return new StallWatchdog({
      clock,
      isStalled: () => this.isStalled(kind),
      rebuild: (times) => {
        const why = `${what} (${times} times in a row)`;
        if (this.session === null) connection.drop(why);
        else this.endInOrder(why);
      },
      failed: (times) => {
        const sentence = `${what}, though the reader was built anew ${times} times`;
        this.fail(new ApplicationError('QUEUE_STUCK', sentence));
      },
    });
  }

  /** An attempt to open a session that hangs is stalled, too. A process that stands by is not, nor one whose owner settles down. */
  private async isStalled(kind: keyof PairNames): Promise<boolean> {
    const { session } = this;
    const { clock } = this.options;
    if (session === null) return this.openingSince !== null && clock.monotonic() - this.openingSince > OPENING_MS;
    const could = () => session.state === 'consuming' && this.reader?.hasRoom === true;
    return could() && (await this.probe.isStalled(session.consumer(kind))) && could();
  }

  private fail(reason: unknown): void {
    if (this.isStopped) return;
    this.options.log.error('the reader cannot go on', { error: reason });
    this.events?.onFailed?.(reason);
  }

  /** For after a wait: meanwhile it may have been stopped. */
  private get isStopped(): boolean {
    return this.state === 'stopped';
  }
}
