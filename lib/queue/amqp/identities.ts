/**
 * Ids for messages that have none. Such a message is known by its body alone, so that its redelivery finds it in the inbox. Two
 * senders, or one twice, may mean the same body as two tasks: a twin of a message seen before, which the broker says it never
 * delivered, is certainly another task. It gets an id of its own, is applied, and counts as ambiguous, since after a crash the
 * two can not be told apart.
 */
import type { ConsumeMessage } from 'amqplib';
import { deliveryIdOf, newTaskId } from '../../model/task-id.js';
import { idOf } from './message.js';

/** Bodies without an id that are remembered; more than any window holds. */
const MOST_SEEN = 65_536;

export class Identities {
  private readonly seen = new Set<string>();
  /** Those of the channel that is open now: what it delivers twice are two messages, redelivered or not. */
  private readonly open = new Set<string>();

  constructor(private readonly ambiguous: (id: string) => void) {}

  /** Once for each delivery. */
  of(message: ConsumeMessage): string {
    return idOf(message) ?? this.ofBody(message);
  }

  /** Every open delivery is void and comes again. */
  reopened(): void {
    this.open.clear();
  }

  private ofBody({ content, fields }: ConsumeMessage): string {
    const id = deliveryIdOf(undefined, content);
    const twin = fields.redelivered ? this.open.has(id) : this.seen.has(id);
    this.open.add(id);
    remember(this.open);
    this.seen.add(id);
    remember(this.seen);
    if (!twin) return id;
    const own = newTaskId();
    this.ambiguous(own);
    return own;
  }
}

/** Forgets the oldest. */
function remember(ids: Set<string>): void {
  if (ids.size <= MOST_SEEN) return;
  for (const oldest of ids) {
    ids.delete(oldest);
    return;
  }
}
