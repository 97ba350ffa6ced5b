/**
 * Hands out what the two queues of a pair hold: priority first, but normal ones in their turn, as long as the window has room; and
 * settles what was handed out. It outlives the channels: after each loss it is given new ones and counts from nothing again.
 */
import { PairOrder } from '../pair.js';
import type { ReadLimits, TaskReader } from '../queue.js';
import type { BrokerAttempts } from './attempts.js';
import { Consumption, type HeldBytes } from './consumption.js';
import { AmqpDelivery, type DeliveryOwner } from './delivery.js';
import { identityOf, isTransient } from './message.js';

export interface HandOutOptions {
  readonly limits: ReadLimits;
  readonly attempts: BrokerAttempts;
  onDelivery(delivery: AmqpDelivery): void;
  /** The first message came that a restart of the broker would have lost. */
  onTransient(from: Consumption): void;
  /** Deliveries of it were settled, and are acknowledged. */
  settled(from: Consumption): void;
}

/** The two queues while both are consumed; either may be replaced by a new channel for the same queue. */
export interface Pair {
  priority: Consumption;
  normal: Consumption;
  /** Of both. */
  readonly held: HeldBytes;
}

export class HandOut implements DeliveryOwner {
  private pair: Pair | null = null;
  private paused = false;
  private held = false;
  private tasks = 0;
  private bytes = 0;
  private pumping = false;
  private turnScheduled = false;
  private transient = false;
  private readonly order;

  constructor(private readonly options: HandOutOptions) {
    this.order = new PairOrder(options.limits.normalEvery);
  }

  get window(): TaskReader['window'] {
    const { tasks, bytes } = this.options.limits;
    const full = !this.hasRoom || this.isExhausted;
    return { tasks: this.tasks, bytes: this.bytes, tasksLimit: tasks, bytesLimit: bytes, full };
  }

  get hasRoom(): boolean {
    const { tasks, bytes } = this.options.limits;
    return this.tasks < tasks && this.bytes < bytes;
  }

  /** The broker hands out no more of a queue. */
  private get isExhausted(): boolean {
    if (this.pair === null) return false;
    const { priority, normal } = this.pair;
    return normal.isExhausted || priority.isExhausted;
  }

  get isPaused(): boolean {
    return this.paused || this.held;
  }

  /** For whoever uses the reader. */
  pause(paused: boolean): void {
    this.paused = paused;
    this.pump();
  }

  /** For the reader itself. */
  hold(held: boolean): void {
    this.held = held;
    this.pump();
  }

  /** From these channels, one of which may be new. */
  attach(pair: Pair): void {
    this.pair = pair;
    this.pump();
  }

  /** Every open delivery is void. */
  detach(): void {
    this.pair = null;
    this.tasks = 0;
    this.bytes = 0;
  }

  /** Hands out what there is. */
  pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.hasRoom && !this.isPaused) {
        const from = this.choose();
        if (from === null) return;
        this.handOut(from);
      }
    } finally {
      this.pumping = false;
    }
  }

  reading(delivery: AmqpDelivery): void {
    if (!delivery.settled) this.options.attempts.reading(delivery.receivedId);
  }

  /** What is settled already never comes again: nobody will ask whether it ran. */
  started(delivery: AmqpDelivery): void {
    if (delivery.slot < 0 && !delivery.settled) delivery.slot = this.options.attempts.started(delivery.receivedId);
  }

  ended(delivery: AmqpDelivery): void {
    if (delivery.slot < 0) return;
    this.options.attempts.ended(delivery.slot);
    delivery.slot = -1;
  }

  /** What is settled already never comes again: its attempts are remembered only as long as it is. */
  broke({ settled, receivedId, attempts }: AmqpDelivery): number {
    return settled ? attempts + 1 : this.options.attempts.broke(receivedId);
  }

  settle(delivery: AmqpDelivery): void {
    if (delivery.settled) return;
    delivery.settled = true;
    const { from, tag, body, weight } = delivery;
    if (from.ended) return;
    const { attempts } = this.options;
    from.settle(tag, body.length);
    this.ended(delivery);
    if (delivery.suspect || delivery.attempts > 0) attempts.forget(delivery.receivedId);
    this.tasks--;
    this.bytes -= weight;
    this.scheduleTurn();
  }

  /** What is settled is acknowledged before this returns. Throws QUEUE_UNAVAILABLE where it can not be. */
  flushNow(): void {
    if (this.pair !== null) Consumption.flushNow([this.pair.priority, this.pair.normal]);
  }

  private choose(): Consumption | null {
    if (this.pair === null) return null;
    const { priority, normal } = this.pair;
    if (this.order.normalIsDue && normal.hasNext) return normal;
    if (priority.hasNext) return priority;
    return normal.hasNext ? normal : null;
  }

  private handOut(from: Consumption): void {
    const { attempts, onDelivery, onTransient } = this.options;
    const message = from.take();
    // A quorum queue keeps them.
    if (!this.transient && from.type !== 'quorum' && isTransient(message)) {
      this.transient = true;
      onTransient(from);
    }
    const identity = identityOf(message);
    this.order.taken(from.priority);
    this.tasks++;
    const delivery = new AmqpDelivery(this, from, message, identity, attempts.of(identity.id));
    this.bytes += delivery.weight;
    onDelivery(delivery);
  }

  /** A commit settles many at once: they are acknowledged together, and what follows them comes afterwards. */
  private scheduleTurn(): void {
    if (this.turnScheduled) return;
    this.turnScheduled = true;
    setImmediate(() => {
      this.turnScheduled = false;
      if (this.pair === null) return;
      for (const each of [this.pair.priority, this.pair.normal]) {
        each.flush();
        this.options.settled(each);
      }
      this.pump();
    });
  }
}
