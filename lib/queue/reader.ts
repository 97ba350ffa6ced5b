/**
 * Reads a queue pair within a window: priority first, but normal tasks in their turn. One reader for every kind of queue, over a Source.
 *
 * A delivery is open until it is settled, and counts against the window until then. What is at hand is handed out in one go, and noted
 * before as being read: should the process die meanwhile, attempts.ts knows. Where the source loses everything that is open, the window is
 * empty again at once.
 */
import type { Delivery } from '../model/delivery.js';
import type { Clock } from '../runtime/clock.js';
import type { Deadline } from '../runtime/deadline.js';
import type { Attempts } from './attempts.js';
import { type DeliveryOwner, QueueDelivery } from './delivery.js';
import { Fifo } from './fifo.js';
import { PairOrder } from './pair.js';
import type { QueueDepth, ReaderEvents, ReadLimits, TaskReader } from './queue.js';
import type { Source, SourceReader } from './source.js';

/** Deliveries handed out in one go, before other things have their turn. */
const MOST_A_TURN = 256;

export class QueueReader<Origin> implements TaskReader, SourceReader<Origin>, DeliveryOwner<Origin> {
  private readonly order: PairOrder;
  private state: 'new' | 'opening' | 'reading' | 'stopped' = 'new';
  private onDelivery: ReaderEvents['onDelivery'] = () => {};
  private paused = false;
  /** Taken from the source, and not handed out yet; that outlives a turn only where somebody pauses the reader meanwhile. */
  private readonly atHand = new Fifo<QueueDelivery<Origin>>();
  /** Is handed out just now, and was noted with all that is. */
  private handingOut: QueueDelivery<Origin> | null = null;
  private taking = false;
  private turn: 'none' | 'scheduled' = 'none';
  private tasks = 0;
  private bytes = 0;

  constructor(
    private readonly source: Source<Origin>,
    private readonly attempts: Attempts,
    private readonly limits: ReadLimits,
    private readonly clock: Pick<Clock, 'soon'>,
  ) {
    this.order = new PairOrder(limits.normalEvery);
  }

  get name(): string {
    return this.source.name;
  }

  get window(): TaskReader['window'] {
    const { tasks, bytes, limits } = this;
    const full = !this.windowHasRoom || this.source.isExhausted === true;
    return { tasks, bytes, tasksLimit: limits.tasks, bytesLimit: limits.bytes, full };
  }

  get trouble(): string | null {
    return this.source.trouble ?? null;
  }

  get skipped(): readonly string[] {
    return this.source.skipped ?? [];
  }

  get hasRoom(): boolean {
    return this.state === 'reading' && !this.paused && this.windowHasRoom;
  }

  start(): Promise<void> {
    return this.source.start();
  }

  async consume(events: ReaderEvents): Promise<void> {
    if (this.state !== 'new') throw new Error(`${this.name} consumes already`);
    this.state = 'opening';
    this.onDelivery = events.onDelivery.bind(events);
    await this.source.open(this, events);
    if (this.state !== 'opening') return;
    try {
      this.attempts.open();
    } catch (error) {
      await this.source.stop();
      throw error;
    }
    this.state = 'reading';
    this.takeSoon();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.takeSoon();
  }

  requeueAll(): void {
    this.source.requeueAll?.();
  }

  settle(deliveries: readonly Delivery[]): void {
    if (this.state !== 'reading') return;
    this.source.settleNow(() => {
      for (const delivery of deliveries) delivery.settle();
    });
  }

  committing(deliveries: readonly Delivery[]): void {
    if (this.state !== 'reading') return;
    const names: string[] = [];
    for (const delivery of deliveries) {
      if (delivery instanceof QueueDelivery && delivery.state === 'open') names.push(this.source.nameOf(delivery));
    }
    this.attempts.committing(names);
  }

  absolve(): void {
    this.attempts.close();
  }

  depth(): Promise<QueueDepth> {
    return this.source.depth();
  }

  redeliveryHorizon(): Promise<number | null> {
    return this.source.redeliveryHorizon();
  }

  /** What is open is left to the next owner, in order; nobody is to blame for it. */
  async stop(deadline?: Deadline): Promise<void> {
    this.state = 'stopped';
    this.attempts.close();
    await this.source.stop(deadline);
  }

  take(): void {
    if (this.taking) return;
    this.taking = true;
    try {
      for (let taken = 0; taken < MOST_A_TURN; ) {
        const count = this.takeAtHand(MOST_A_TURN - taken);
        if (count === 0 || this.paused) return;
        this.handOut();
        taken += count;
      }
      this.takeSoon();
    } finally {
      this.taking = false;
    }
  }

  takeSoon(): void {
    if (this.turn === 'scheduled') return;
    this.turn = 'scheduled';
    this.clock.soon(() => {
      this.turn = 'none';
      this.take();
    });
  }

  /** It no longer runs, and no attempt of it is remembered. */
  settling(delivery: QueueDelivery<Origin>): void {
    delivery.state = 'settling';
    this.ended(delivery);
    if (delivery.hasPast) this.attempts.forget(this.source.nameOf(delivery));
  }

  unsettled(delivery: QueueDelivery<Origin>): void {
    delivery.state = 'open';
    if (delivery.hasPast) this.attempts.recall(this.source.nameOf(delivery), delivery);
  }

  settled(delivery: QueueDelivery<Origin>): void {
    delivery.state = 'settled';
    this.tasks--;
    this.bytes -= delivery.weight;
  }

  voidAll(): void {
    this.atHand.drain();
    this.tasks = 0;
    this.bytes = 0;
  }

  reading(delivery: QueueDelivery<Origin>): void {
    if (delivery !== this.handingOut && delivery.state === 'open') this.note([delivery]);
  }

  /** What is settled already never comes again: nobody will ask whether it ran. */
  started(delivery: QueueDelivery<Origin>): void {
    if (delivery.slot < 0 && delivery.state === 'open') {
      delivery.slot = this.attempts.started(this.source.nameOf(delivery));
    }
  }

  ended(delivery: QueueDelivery<Origin>): void {
    if (delivery.slot < 0) return;
    this.attempts.ended(delivery.slot);
    delivery.slot = -1;
  }

  /** What is settled already never comes again: its attempts are remembered only as long as it is. */
  broke(delivery: QueueDelivery<Origin>): number {
    if (delivery.state !== 'open') return delivery.attempts + 1;
    return this.attempts.broke(this.source.nameOf(delivery));
  }

  settleOne(delivery: QueueDelivery<Origin>): void {
    if (delivery.state === 'open' && this.state === 'reading') this.source.settle(delivery);
  }

  private get windowHasRoom(): boolean {
    return this.tasks < this.limits.tasks && this.bytes < this.limits.bytes;
  }

  /** How many are at hand then; so many at most. */
  private takeAtHand(most: number): number {
    if (this.state !== 'reading') return 0;
    while (this.hasRoom && this.atHand.length < most) {
      const delivery = this.next();
      if (delivery === null) break;
      this.atHand.push(delivery);
    }
    return this.atHand.length;
  }

  private handOut(): void {
    // A suspect is read alone, later.
    this.note(this.atHand.toArray().filter(({ suspect }) => !suspect));
    while (!this.paused) {
      const delivery = this.atHand.shift();
      if (delivery === undefined) break;
      this.handingOut = delivery.suspect ? null : delivery;
      this.onDelivery(delivery);
    }
    this.handingOut = null;
  }

  private note(deliveries: readonly QueueDelivery<Origin>[]): void {
    if (deliveries.length > 0) this.attempts.reading(deliveries.map((delivery) => this.source.nameOf(delivery)));
  }

  private next(): QueueDelivery<Origin> | null {
    const priorityFirst = !this.order.normalIsDue;
    let priority = priorityFirst;
    let message = this.source.next(priority);
    if (message === null) {
      priority = !priorityFirst;
      message = this.source.next(priority);
    }
    if (message === null) return null;
    this.order.taken(priority);
    const delivery = new QueueDelivery(this, message, priority);
    const past = this.attempts.isEmpty ? null : this.attempts.of(this.source.nameOf(delivery));
    if (past !== null) delivery.recall(past);
    this.tasks++;
    this.bytes += delivery.weight;
    return delivery;
  }
}
