/** An owner of a reader that keeps what comes, unsettled, and what it was told. */
import type { Delivery } from '../../lib/model/delivery.js';
import type { ReaderEvents, TaskReader } from '../../lib/queue/queue.js';

export class Taken {
  readonly deliveries: Delivery[] = [];
  readonly told: string[] = [];
  private readonly waiting = new Set<() => void>();
  /** What the owner does before it lets the reader consume again. */
  settlesDown: () => Promise<void> = async () => {};

  consume(reader: TaskReader): Promise<void> {
    const events: ReaderEvents = {
      onDelivery: (delivery) => {
        this.deliveries.push(delivery);
        this.look();
      },
      onLost: async () => {
        this.tell('lost');
        await this.settlesDown();
      },
      onRestored: () => this.tell('restored'),
      onStandby: () => this.tell('standby'),
      onFailed: () => this.tell('failed'),
    };
    return reader.consume(events);
  }

  get ids(): string[] {
    return this.deliveries.map(({ id }) => id);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  async take(count: number): Promise<Delivery[]> {
    await this.until(() => this.deliveries.length >= count);
    return this.deliveries.splice(0, count);
  }

  private tell(what: string): void {
    this.told.push(what);
    this.look();
  }

  private look(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
