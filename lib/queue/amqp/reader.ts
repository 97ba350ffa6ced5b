/**
 * Reads the queue pair of an index from RabbitMQ.
 *
 *   standby.ts      waits until both queues can be consumed
 *   opening.ts      consumes them, so that nobody else does
 *   consumption.ts  one queue on its channel: what arrived, what is acknowledged
 *   handout.ts      both as one stream within the window
 *   replacing.ts    a channel with another prefetch, unnoticed
 *   pair-watch.ts   the watchdog
 *
 * This file is what happens when channels end. They end together: one that is gone, a cancelled consumer, a lost connection mean
 * that open deliveries are void, the owner is told and settles down (product.md, rule 7), then both queues are consumed anew. Where
 * we want them to end (rule 8), nothing more is handed out, and what is running is finished and acknowledged before they close.
 */

import type { BrokerConfiguration } from '../../config/configuration.js';
import type { Delivery } from '../../model/delivery.js';
import type { Logger } from '../../observability/logger.js';
import type { Clock } from '../../runtime/clock.js';
import { Deadline } from '../../runtime/deadline.js';
import { ApplicationError } from '../../runtime/errors.js';
import { queueNames } from '../names.js';
import type { QueueDepth, ReaderEvents, ReadLimits, TaskReader } from '../queue.js';
import { BrokerAttempts } from './attempts.js';
import type { AmqpConnection } from './connection.js';
import { type Consumption, noBytesHeld } from './consumption.js';
import { AmqpDelivery } from './delivery.js';
import { HandOut, type Pair } from './handout.js';
import { PairLooks } from './looks.js';
import type { Opening } from './opening.js';
import { PairWatch } from './pair-watch.js';
import { Replacing } from './replacing.js';
import { Standby } from './standby.js';
import { Sweep } from './sweep.js';
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
/** Told once; DP3 sends such messages. */
const TRANSIENT =
  'messages arrive that are not persistent: a restart of the broker loses those that wait in this classic queue; a quorum queue keeps them';
/** How long closing may take where nobody says. */
const STOP_MS = 5_000;

export class AmqpReader implements TaskReader {
  readonly name: string;
  private readonly log: Logger;
  private readonly attempts: BrokerAttempts;
  private readonly handOut: HandOut;
  private readonly replacing: Replacing;
  private readonly watch: PairWatch;
  private readonly sweep: Sweep;
  private readonly looks: PairLooks;
  private readonly standby: Standby;
  private events: ReaderEvents | null = null;
  private pair: Pair | null = null;
  /** Resolves when the pair has ended, its owner has settled down and its channels are closed. */
  private over: Promise<unknown> = Promise.resolve();
  private tellOver: (after: Promise<unknown>) => void = () => {};
  /** While the owner settles down before we end the pair ourselves. */
  private settlingDown: Promise<void> | null = null;
  private stopped = false;
  private types: QueueTypes = new Map();
  private prefetchHeld = false;

  constructor(private readonly options: AmqpReaderOptions) {
    const { app, index, limits, broker, runtimeDir, connection, clock, log } = options;
    const names = queueNames(app, index);
    this.name = `reader of index ${index}`;
    this.log = log;
    this.attempts = new BrokerAttempts(runtimeDir, index);
    this.handOut = new HandOut({
      limits,
      attempts: this.attempts,
      onDelivery: (delivery) => this.events?.onDelivery(delivery),
      onTransient: ({ queue }) => log.warn(TRANSIENT, { queue }),
      settled: (from) => this.replacing.settled(from),
    });
    this.replacing = new Replacing({
      opening: () => this.opening(),
      pair: () => this.pair,
      replaced: (by, old) => {
        this.wentBack(old);
        this.listen(by);
      },
      failed: (why) => this.lose(why),
      pump: () => this.handOut.pump(),
      log,
    });
    this.sweep = new Sweep({
      clock,
      consumerTimeoutMs: broker.consumerTimeoutMs,
      pair: () => this.pair,
      tooOld: (ageMs) => this.endInOrder(`a task is unacknowledged for ${Math.round(ageMs / 1_000)} s`),
    });
    this.looks = new PairLooks(connection, names, clock, log);
    this.standby = new Standby({
      names,
      log,
      standsBy: (why) => this.events?.onStandby?.(why),
      opening: () => this.opening(),
      ensureQueues: async () => {
        await this.ensureQueues();
        await this.holdPrefetch();
      },
    });
    const { standby, looks, handOut } = this;
    this.watch = new PairWatch({
      names,
      clock,
      connection,
      standby,
      looks,
      handOut,
      pair: () => this.pair,
      endInOrder: (why) => this.endInOrder(why),
      failed: (error) => this.fail(error),
    });
  }

  get window(): TaskReader['window'] {
    return this.handOut.window;
  }

  get trouble(): string | null {
    return this.pair === null ? (this.options.connection.trouble ?? this.standby.trouble) : null;
  }

  async start(): Promise<void> {
    await this.options.connection.start();
    for (const remark of await this.ensureQueues()) remark(this.log);
  }

  /** Stands by as long as another process consumes; resolves when this one does. Throws QUEUE_UNAVAILABLE where `stop` comes first, STORE_MISMATCH. */
  async consume(events: ReaderEvents): Promise<void> {
    if (this.events !== null) throw new Error(`${this.name} consumes already`);
    this.events = events;
    // Looked at anew: who stood by for an index may have done so while its queues were moved.
    const pair = await this.standby.open();
    if (pair === null) throw new ApplicationError('QUEUE_UNAVAILABLE', `${this.name} was stopped before it consumed`);
    try {
      this.attempts.open();
    } catch (error) {
      await closed(pair);
      throw error;
    }
    this.attach(pair);
    void this.keepOpen().catch((error: unknown) => this.fail(error));
    this.watch.start();
    this.sweep.start();
  }

  pause(): void {
    this.handOut.pause(true);
  }

  resume(): void {
    this.handOut.pause(false);
  }

  requeueAll(): void {
    this.lose('open deliveries go back to their queues');
  }

  settle(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) delivery.settle();
    if (this.options.atMostOnce) this.handOut.flushNow();
  }

  committing(deliveries: readonly Delivery[]): void {
    const open = deliveries.filter((each) => each instanceof AmqpDelivery).filter(({ settled }) => !settled);
    this.attempts.committing(open.map(({ receivedId }) => receivedId));
  }

  absolve(): void {
    this.attempts.close();
  }

  depth(): Promise<QueueDepth> {
    return this.looks.depth(this.pair);
  }

  redeliveryHorizon(): Promise<number | null> {
    return this.looks.redeliveryHorizon(this.pair);
  }

  /** What is finished is acknowledged; all else goes back to its place in the queue with the channels. */
  async stop(deadline: Deadline = Deadline.in(STOP_MS, this.options.clock)): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.standby.stop();
    this.watch.stop();
    this.sweep.stop();
    const { pair } = this;
    if (pair !== null) {
      const closing = this.leave(pair);
      this.tellOver(closing);
      await deadline.allows(closing);
    }
    this.attempts.close();
    await this.options.connection.stop(deadline);
  }

  /** Consumes again each time the pair has ended. */
  private async keepOpen(): Promise<void> {
    while (!this.stopped) {
      await this.over;
      const pair = this.stopped ? null : await this.standby.open();
      if (pair === null) return;
      this.events?.onRestored();
      this.attach(pair);
    }
  }

  private attach(pair: Pair): void {
    this.pair = pair;
    this.over = new Promise((resolve) => {
      this.tellOver = resolve;
    });
    this.listen(pair.priority);
    this.listen(pair.normal);
    if (this.pair === pair) this.handOut.attach(pair);
  }

  private listen(to: Consumption): void {
    to.listen({
      arrived: (from) => {
        this.watch.arrived(from);
        this.handOut.pump();
        this.replacing.arrived(from);
      },
      ended: (_, why) => this.lose(why),
    });
  }

  /** Rule 7: everything open is void from this moment on. */
  private lose(why: string): void {
    const { pair, events } = this;
    if (pair === null || events === null) return;
    this.log.warn('the queues are consumed anew', { why });
    const closing = this.leave(pair);
    const settled = this.settlingDown ?? events.onLost();
    this.tellOver(Promise.all([closing, settled]));
  }

  /** Rule 8: the owner settles down first, and what it has finished by then is acknowledged. */
  private endInOrder(why: string): void {
    const { pair, events } = this;
    if (pair === null || events === null || this.settlingDown !== null) return;
    const { broker, clock } = this.options;
    this.handOut.hold(true);
    const settled = events.onLost();
    this.settlingDown = settled;
    void Deadline.in(broker.consumerTimeoutMs * SETTLE_DOWN, clock)
      .allows(settled)
      .catch((error: unknown) => this.fail(error))
      .then(() => {
        if (this.pair === pair) this.lose(why);
        this.settlingDown = null;
        this.handOut.hold(false);
      });
  }

  private leave(pair: Pair): Promise<unknown> {
    this.pair = null;
    const closing = closed(pair);
    this.handOut.detach();
    this.wentBack(pair.priority);
    this.wentBack(pair.normal);
    return closing;
  }

  /** With its channel: tags begin anew. */
  private wentBack(from: Consumption): void {
    this.looks.lost(from.priority ? 'priority' : 'normal');
    this.watch.gone(from);
  }

  private fail(reason: unknown): void {
    if (this.stopped) return;
    this.log.error('the reader can not go on', { error: reason });
    this.events?.onFailed?.(reason);
  }

  private opening(): Opening {
    const { connection, clock, broker } = this.options;
    const { bytes } = this.options.limits;
    const limits = { most: broker.prefetch, bytes: Math.floor(bytes / 2) };
    return { connection, types: this.types, limits, held: noBytesHeld(bytes), clock };
  }

  private async ensureQueues(): Promise<Topology['remarks']> {
    const { connection, app, index, broker, log } = this.options;
    const { types, remarks } = await ensureTopology(connection, { app, indexes: [index], broker, log });
    this.types = types;
    return remarks;
  }

  /** Once: it is the same as long as this process lives. A queue whose type the broker does not tell is what the configuration says. */
  private async holdPrefetch(): Promise<void> {
    const { app, index, broker } = this.options;
    const types = Object.values(queueNames(app, index)).map((name) => this.types.get(name) ?? broker.queueType);
    if (this.prefetchHeld || !types.includes('quorum')) return;
    await this.events?.onQuorum?.(broker.prefetch);
    this.prefetchHeld = true;
  }
}

function closed({ priority, normal }: Pair): Promise<unknown> {
  return Promise.all([priority.close(), normal.close()]);
}
