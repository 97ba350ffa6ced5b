/** A message from the moment it is handed out until it is settled, whatever queue it came from. */
import type { Delivery } from '../model/delivery.js';
import { weightOf } from '../model/values.js';
import type { Past } from './attempts.js';

/** A message as its queue hands it out. */
export interface QueueMessage<Origin>
  extends Readonly<Pick<Delivery, 'id' | 'lacksId' | 'own' | 'floor' | 'body' | 'redelivered' | 'deduplicated'>> {
  /** Where it is to be settled, and under which number there: a channel and its tag, an outbox and its sequence. */
  readonly origin: Origin;
  readonly position: number;
}

/** What a delivery asks of its reader. */
export interface DeliveryOwner<Origin> {
  reading(delivery: QueueDelivery<Origin>): void;
  started(delivery: QueueDelivery<Origin>): void;
  ended(delivery: QueueDelivery<Origin>): void;
  /** How many attempts it has by now. */
  broke(delivery: QueueDelivery<Origin>): number;
  settleOne(delivery: QueueDelivery<Origin>): void;
}

export class QueueDelivery<Origin> implements Delivery {
  id: string;
  readonly receivedId: string;
  digest = '';
  readonly lacksId: boolean;
  readonly own: boolean;
  readonly floor: number | null;
  readonly body: Buffer;
  readonly redelivered: boolean;
  readonly deduplicated: boolean;
  readonly origin: Origin;
  readonly position: number;
  /** Bytes that it takes up. */
  readonly weight: number;
  attempts = 0;
  suspect = false;
  unread = false;
  /** `settling`: in a transaction that is not yet committed. */
  state: 'open' | 'settling' | 'settled' = 'open';
  /** Number of its slot among the running tasks; -1 while it does not run. */
  slot = -1;

  constructor(
    private readonly owner: DeliveryOwner<Origin>,
    message: QueueMessage<Origin>,
    readonly priority: boolean,
  ) {
    this.id = message.id;
    this.receivedId = message.id;
    this.lacksId = message.lacksId;
    this.own = message.own;
    this.floor = message.floor;
    this.body = message.body;
    this.redelivered = message.redelivered;
    this.deduplicated = message.deduplicated;
    this.origin = message.origin;
    this.position = message.position;
    this.weight = weightOf(message.body);
  }

  /** It was under way before. */
  recall({ attempts, unread }: Past): void {
    this.suspect = true;
    this.attempts = attempts;
    this.unread = unread;
  }

  get hasPast(): boolean {
    return this.suspect || this.attempts > 0;
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

  settle(): void {
    this.owner.settleOne(this);
  }
}
