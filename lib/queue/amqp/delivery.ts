/** A message of a queue, from the moment it is handed out until it is settled. */
import type { ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../model/delivery.js';
import { weightOf } from '../../model/values.js';
import type { Past } from '../past.js';
import type { Consumption } from './consumption.js';
import type { Identity } from './message.js';

/** What a delivery asks of its reader. */
export interface DeliveryOwner {
  reading(delivery: AmqpDelivery): void;
  started(delivery: AmqpDelivery): void;
  ended(delivery: AmqpDelivery): void;
  /** How many attempts it has by now. */
  broke(delivery: AmqpDelivery): number;
  settle(delivery: AmqpDelivery): void;
}

export class AmqpDelivery implements Delivery {
  readonly body: Buffer;
  readonly priority: boolean;
  readonly redelivered: boolean;
  /** The broker delivers a settled message again where its acknowledgement was lost. */
  readonly deduplicated = false;
  readonly tag: number;
  /** Bytes that it takes up. */
  readonly weight: number;
  readonly receivedId: string;
  readonly own: boolean;
  readonly floor: number | null;
  readonly lacksId: boolean;
  id: string;
  digest = '';
  settled = false;
  /** Number of its slot among the running tasks; -1 while it does not run. */
  slot = -1;
  attempts: number;
  readonly suspect: boolean;
  readonly unread: boolean;

  constructor(
    private readonly owner: DeliveryOwner,
    /** A tag is valid only in the channel it came by. */
    readonly from: Consumption,
    { content, fields }: ConsumeMessage,
    { id, lacksId, own, floor }: Identity,
    past: Past | null,
  ) {
    this.id = id;
    this.receivedId = id;
    this.lacksId = lacksId;
    this.own = own;
    this.floor = floor;
    this.body = content;
    this.weight = weightOf(content);
    this.priority = from.priority;
    this.redelivered = fields.redelivered;
    this.attempts = past?.attempts ?? 0;
    this.suspect = past !== null;
    this.unread = past?.unread ?? false;
    this.tag = fields.deliveryTag;
  }

  reading(): void {
    this.owner.reading(this);
  }

  started(): void {
    this.owner.started(this);
  }

  ended(): void {
    this.owner.ended(this);
  }

  broke(): void {
    this.attempts = this.owner.broke(this);
  }

  /** Ignored once the reader was told that the channel is gone: then nothing runs. */
  settle(): void {
    this.owner.settle(this);
  }
}
