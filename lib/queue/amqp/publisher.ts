/**
 * The channel on which a writer publishes, with what is under way on it. What becomes of each task is told once: it is confirmed,
 * rejected by a full queue, returned because no queue takes it, or lost with the channel (then it may be in its queue or not).
 *
 * Confirmations are counted here by their delivery tags instead of giving amqplib a function for each publish.
 */
import type { ConfirmChannel, Message } from 'amqplib';
import { messageOf } from '../../runtime/errors.js';
import type { AmqpConnection } from './connection.js';
import type { QueuedTask } from './publish-queue.js';
import { OWN_APP_ID } from './received-message.js';

export interface PublisherEvents {
  confirmed(queued: QueuedTask): void;
  rejected(queued: QueuedTask): void;
  returned(queued: QueuedTask): void;
  /** The channel is gone; these were under way, in their order. `refusal`: what the broker closed it over; null if it went with its connection. */
  lost(tasks: readonly QueuedTask[], refusal: string | null): void;
}

const CONTENT_TYPE = 'application/json';

export class Publisher {
  /** Bytes of the bodies under way. */
  bytes = 0;
  private channel: ConfirmChannel | null = null;
  private readonly underWay = new Map<number, QueuedTask>();
  private tag = 0;

  constructor(
    private readonly connection: AmqpConnection,
    private readonly events: PublisherEvents,
  ) {}

  get isOpen(): boolean {
    return this.channel !== null;
  }

  /** Tasks under way. */
  get count(): number {
    return this.underWay.size;
  }

  /** Throws QUEUE_UNAVAILABLE without a connection. */
  async open(): Promise<void> {
    const channel = await this.connection.openConfirmChannel();
    let refusal: string | null = null;
    channel.on('error', (error) => {
      refusal = messageOf(error);
    });
    channel.on('close', () => this.close(refusal));
    channel.on('ack', ({ deliveryTag, multiple }) => this.settle(deliveryTag, multiple, true));
    channel.on('nack', ({ deliveryTag, multiple }) => this.settle(deliveryTag, multiple, false));
    channel.on('return', (message) => this.markReturned(message));
    this.tag = 0;
    this.channel = channel;
  }

  /** False where the channel is about to close and takes nothing any more. Throws what amqplib says against the message itself. */
  publish(queued: QueuedTask): boolean {
    const { task, queue, streamed } = queued;
    try {
      this.channel?.publish(queue.exchange, String(task.index), task.body, {
        messageId: task.id,
        appId: OWN_APP_ID,
        contentType: CONTENT_TYPE,
        ...(streamed !== null && { correlationId: String(streamed.floor) }),
        persistent: true,
        mandatory: true,
      });
    } catch (error) {
      if (error instanceof Error && error.name === 'IllegalOperationError') return false;
      throw error;
    }
    queued.unsure = true;
    this.underWay.set(++this.tag, queued);
    this.bytes += task.body.length;
    return true;
  }

  /** Forgets the channel; what is under way is lost. */
  close(refusal: string | null = null): void {
    if (this.channel === null) return;
    this.channel = null;
    const lost = [...this.underWay.values()];
    this.underWay.clear();
    this.bytes = 0;
    this.events.lost(lost, refusal);
  }

  private settle(tag: number, multiple: boolean, taken: boolean): void {
    if (!multiple) {
      this.outcome(tag, taken);
      return;
    }
    for (const each of this.underWay.keys()) {
      if (each > tag) return;
      this.outcome(each, taken);
    }
  }

  private outcome(tag: number, taken: boolean): void {
    const queued = this.underWay.get(tag);
    if (queued === undefined) return;
    this.underWay.delete(tag);
    this.bytes -= queued.task.body.length;
    queued.unsure = false;
    if (!taken) this.events.rejected(queued);
    else if (queued.unroutable) this.events.returned(queued);
    else this.events.confirmed(queued);
  }

  /** A return comes before the confirmation of the same message. The same task may be under way to several indexes. */
  private markReturned({ fields: { exchange, routingKey }, properties: { messageId } }: Message): void {
    for (const queued of this.underWay.values()) {
      const { task, queue, unroutable } = queued;
      if (task.id !== messageId || unroutable || queue.exchange !== exchange || String(task.index) !== routingKey)
        continue;
      queued.unroutable = true;
      return;
    }
  }
}
