/**
 * Duplicates: what is on its way or was done in this epoch is left out, whatever the delivery; a copy that comes while the first is on its way
 * waits for it (rules.md: a repeat changes nothing).
 *
 * A copy has the same id and the same task. Another task under an id that is known is told from it by its digest, and processed under an id of
 * its own: whoever reads or guesses ids cannot keep the task out that an id was given to.
 */
import type { Delivery } from '../model/delivery.js';
import { idOfAnother, newTaskId } from '../model/task-id.js';
import type { Work } from '../model/work.js';
import type { Events } from '../observability/events.js';
import type { TaskReader } from '../queue/queue.js';
import type { Clock } from '../runtime/clock.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Random } from '../runtime/random.js';
import type { MessageReader } from './message-reader.js';
import { mayHaveCopies, RecentIds } from './recent-ids.js';

export interface DuplicatesOptions {
  /** Whether committed ids are kept in the store (effectively-once). */
  readonly inbox: boolean;
  readonly messages: Pick<MessageReader, 'digestOf'>;
  readonly reader: Pick<TaskReader, 'settle'>;
  readonly clock: Pick<Clock, 'soon'>;
  readonly random: Random;
  readonly events: Events;
  /** The store failed for good. */
  failed(reason: unknown): void;
}

export class Duplicates {
  private readonly ids = new RecentIds();
  /** Done before, and to be settled at the end of this turn, all together. */
  private knownOnes: Delivery[] = [];

  constructor(private readonly options: DuplicatesOptions) {}

  /** Whether this one is to be processed now; otherwise it is a copy, and sees to itself. It may have another id afterwards. */
  isNew(delivery: Delivery): boolean {
    if (!this.mayHaveCopies(delivery)) return true;
    // What is open at the same time as another of its name is not a second copy of it.
    const { id, lacksId } = delivery;
    if (lacksId && (this.ids.has(id) || (isAnother(delivery) && this.ids.isDone(id)))) this.named(delivery);
    while (this.isOfAnother(delivery)) this.another(delivery);
    const seen = this.ids.arrived(delivery);
    if (seen === 'done') this.known([delivery]);
    return seen === 'new';
  }

  /** Whether its id is remembered as that of another task. */
  isOfAnother(delivery: Delivery): boolean {
    const digest = this.ids.digestOf(delivery.id);
    return digest !== undefined && digest !== this.options.messages.digestOf(delivery);
  }

  /** These are durable, or have left their queue for good: a copy of theirs that came meanwhile is done, too. */
  done(works: readonly Pick<Work, 'delivery'>[]): void {
    for (const { delivery } of works) {
      if (this.mayHaveCopies(delivery)) this.known(this.ids.done(delivery));
    }
  }

  /** These were done before: there is nothing to be done about them. */
  known(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return;
    if (this.knownOnes.length === 0) this.options.clock.soon(() => this.settleKnown());
    this.knownOnes.push(...deliveries);
  }

  /** Its id is that of another task: it gets one of its own, the same each time that it comes. */
  another(delivery: Delivery): void {
    const before = delivery.id;
    delivery.id = idOfAnother(before, this.options.messages.digestOf(delivery));
    this.ids.renamed(before, delivery);
    this.options.events.emit('task-renamed', { id: delivery.id, before });
  }

  /** It gets a new id, under which it is applied. Were it and its twin delivered again after a crash, they could not be told apart. */
  named(delivery: Delivery): void {
    delivery.id = newTaskId(this.options.random);
    this.options.events.emit('task-ambiguous', { id: delivery.id });
  }

  /** Forgets what is on its way; what is done stays so. */
  clear(): void {
    this.ids.clear();
  }

  private mayHaveCopies(delivery: Delivery): boolean {
    return mayHaveCopies(delivery, this.options.inbox);
  }

  private settleKnown(): void {
    const { reader, failed, events } = this.options;
    const settled = this.knownOnes;
    this.knownOnes = [];
    try {
      reader.settle(settled);
    } catch (error) {
      // With their connection: they come again, and are known then, too.
      if (!(error instanceof ApplicationError) || error.follows !== 'retry') failed(error);
      return;
    }
    for (const { id } of settled) events.emit('task-known', { id });
  }
}

/** A message without an id that the broker has never delivered before is no copy of one that was: somebody sent the same body again. */
export function isAnother({ lacksId, redelivered }: Delivery): boolean {
  return lacksId && !redelivered;
}
