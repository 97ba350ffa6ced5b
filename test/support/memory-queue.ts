/**
 * The queue pair of an index in memory: hands out within a window, priority first, and can lose its connection: then every open
 * delivery is void, and what was not settled is handed out again in its order, as redelivered.
 */
import type { Delivery } from '../../lib/model/delivery.js';
import type { ReaderEvents, TaskReader } from '../../lib/queue/queue.js';
import { nextTurn } from './deliveries.js';

export interface MemoryMessage {
  readonly id: string;
  readonly body: Buffer;
  readonly priority?: boolean;
  readonly deduplicated?: boolean;
  readonly attempts?: number;
  readonly suspect?: boolean;
  readonly unread?: boolean;
  readonly redelivered?: boolean;
  readonly lacksId?: boolean;
}

interface Stored {
  readonly message: MemoryMessage;
  attempts: number;
  readonly number: number;
  redelivered: boolean;
}

class MemoryDelivery implements Delivery {
  readonly own = true;
  readonly floor = null;
  digest = '';
  runs = 0;
  id: string;

  constructor(
    private readonly queue: MemoryQueue,
    readonly stored: Stored,
    private readonly connection: number,
  ) {
    this.id = stored.message.id;
  }

  get receivedId(): string {
    return this.stored.message.id;
  }

  get lacksId(): boolean {
    return this.stored.message.lacksId ?? false;
  }

  get body(): Buffer {
    return this.stored.message.body;
  }

  get priority(): boolean {
    return this.stored.message.priority ?? false;
  }

  get redelivered(): boolean {
    return this.stored.redelivered;
  }

  get deduplicated(): boolean {
    return this.stored.message.deduplicated ?? false;
  }

  get attempts(): number {
    return this.stored.attempts;
  }

  get suspect(): boolean {
    return this.stored.message.suspect ?? this.attempts > 0;
  }

  get unread(): boolean {
    return this.stored.message.unread ?? false;
  }

  reading(): void {}

  started(): void {
    this.runs++;
  }

  ended(): void {
    if (this.runs > 0) this.runs--;
  }

  broke(): void {
    this.stored.attempts++;
  }

  settle(): void {
    if (this.queue.cannotSettle !== null) throw this.queue.cannotSettle;
    if (this.connection === this.queue.connection) this.queue.settled(this);
  }
}

export class MemoryQueue implements TaskReader {
  readonly name = 'memory queue';
  connection = 0;
  /** How many messages were settled. */
  settledMessages = 0;
  /** How often many were settled together. */
  settlings = 0;
  /** What every `settle` throws. */
  cannotSettle: Error | null = null;
  /** What was said to be committed last. */
  committed: readonly string[] = [];
  paused = false;
  stopped = false;
  private readonly ready = { priority: [] as Stored[], normal: [] as Stored[] };
  private readonly open = new Set<MemoryDelivery>();
  private events: ReaderEvents | null = null;
  private connected = true;
  private numbers = 0;

  constructor(private readonly windowTasks = 1_000) {}

  get window(): TaskReader['window'] {
    const { size: tasks } = this.open;
    return { tasks, bytes: 0, tasksLimit: this.windowTasks, bytesLimit: 1, full: tasks >= this.windowTasks };
  }

  settle(deliveries: readonly Delivery[]): void {
    this.settlings++;
    for (const delivery of deliveries) delivery.settle();
  }

  committing(deliveries: readonly Delivery[]): void {
    this.committed = deliveries.map(({ id }) => id);
  }

  absolve(): void {}

  async depth(): Promise<{ normal: number; priority: number }> {
    return { normal: this.ready.normal.length, priority: this.ready.priority.length };
  }

  async redeliveryHorizon(): Promise<number | null> {
    return this.left === 0 ? performance.now() : null;
  }

  /** Messages that are not settled. */
  get left(): number {
    return this.ready.normal.length + this.ready.priority.length + this.open.size;
  }

  /** Deliveries that are counted as running. */
  get runs(): number {
    return [...this.open].reduce((sum, { runs }) => sum + runs, 0);
  }

  put(...messages: readonly MemoryMessage[]): void {
    for (const message of messages) {
      const list = message.priority ? this.ready.priority : this.ready.normal;
      const { redelivered = false, attempts = 0 } = message;
      list.push({ message, attempts, number: this.numbers++, redelivered });
    }
    this.handOut();
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.stopped = true;
    this.events = null;
    this.takeBack();
  }

  async consume(events: ReaderEvents): Promise<void> {
    this.events = events;
    this.handOut();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.handOut();
  }

  requeueAll(): void {
    void this.lose();
  }

  /** The connection is gone and comes back; resolves when the reader consumes again. */
  async lose(): Promise<void> {
    const { events } = this;
    if (!events || !this.connected) return;
    this.connected = false;
    this.takeBack();
    await events.onLost();
    await nextTurn();
    this.connected = true;
    events.onRestored();
    this.handOut();
  }

  settled(delivery: MemoryDelivery): void {
    if (!this.open.delete(delivery)) return;
    this.settledMessages++;
    this.handOut();
  }

  private takeBack(): void {
    this.connection++;
    const back = [...this.open].map(({ stored }) => stored).sort((one, other) => one.number - other.number);
    this.open.clear();
    for (const stored of back) stored.redelivered = true;
    this.ready.priority.unshift(...back.filter(({ message }) => message.priority));
    this.ready.normal.unshift(...back.filter(({ message }) => !message.priority));
  }

  private handOut(): void {
    setImmediate(() => {
      while (this.events && this.connected && !this.paused && this.open.size < this.windowTasks) {
        const stored = this.ready.priority.shift() ?? this.ready.normal.shift();
        if (stored === undefined) return;
        const delivery = new MemoryDelivery(this, stored, this.connection);
        this.open.add(delivery);
        this.events.onDelivery(delivery);
      }
    });
  }
}
