/** A task that was read from an outbox, until it is settled. */
import type { Delivery } from '../../model/delivery.js';
import { weightOf } from '../../model/values.js';
import type { Past } from '../past.js';
import type { Source, SourceTask } from './source.js';

/** Open; settled in a transaction that is not yet committed; done with (or its reader has stopped). */
export type DeliveryState = 'open' | 'settling' | 'closed';

/** What a delivery asks of its reader. */
export interface DeliveryOwner {
  reading(delivery: EmbeddedDelivery): void;
  started(delivery: EmbeddedDelivery): void;
  ended(delivery: EmbeddedDelivery): void;
  /** How many attempts it has by now. */
  broke(delivery: EmbeddedDelivery): number;
  settleOne(delivery: EmbeddedDelivery): void;
}

export class EmbeddedDelivery implements Delivery {
  readonly receivedId: string;
  id: string;
  digest = '';
  readonly body: Buffer;
  readonly redelivered: boolean;
  readonly deduplicated: boolean;
  /** Every sender of ours names what he sends. */
  readonly lacksId = false;
  /** Nothing can be lost on the way. */
  readonly floor = null;
  readonly own = true;
  readonly sequence: number;
  /** Bytes that it takes up. */
  readonly weight: number;
  state: DeliveryState = 'open';
  /** Number of its slot among the running tasks; -1 while it does not run. */
  slot = -1;
  attempts: number;
  readonly suspect: boolean;
  readonly unread: boolean;

  constructor(
    private readonly owner: DeliveryOwner,
    readonly source: Source,
    readonly priority: boolean,
    past: Past | null,
    task: SourceTask,
  ) {
    this.id = task.id;
    this.receivedId = task.id;
    this.body = task.body;
    this.weight = weightOf(task.body);
    this.deduplicated = task.once;
    this.redelivered = task.redelivered;
    this.sequence = task.sequence;
    this.attempts = past?.attempts ?? 0;
    this.suspect = past !== null;
    this.unread = past?.unread ?? false;
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
