/**
 * Message reader: from a delivery to its work, whatever stands in it. A task of this index waits for its lane; one of another index is sent on,
 * with the id that it came under (rules.md: misrouted tasks go home); what cannot be read is put aside. Nothing is left out here.
 */
import { quarantinedResult } from '../commit/aside.js';
import type { Delivery } from '../model/delivery.js';
import type { FutureLimit } from '../model/future.js';
import { type InputCounts, InputRemarks } from '../model/input-remarks.js';
import type { TaskResult } from '../model/record.js';
import type { ModelSpec } from '../model/spec.js';
import type { Task } from '../model/task.js';
import { digestOfBytes, digestOfMessage, type TaskDigest } from '../model/task-digest.js';
import { parseMessage, taskOf } from '../model/task-parse.js';
import { TaskRefused, UnknownName } from '../model/task-refused.js';
import { type DoneWork, type LaneWork, laneWork, Work } from '../model/work.js';
import type { Events } from '../observability/events.js';
import type { Placement } from '../routing/placement.js';
import type { Clock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import { mayHaveCopies } from './recent-ids.js';

export interface MessageReaderOptions {
  readonly index: number;
  readonly placement: Placement;
  readonly spec: ModelSpec;
  /** Whether committed ids are kept in the store (effectively-once). */
  readonly inbox: boolean;
  readonly messageBytesLimit: number;
  /** A message that ended its process this often while it was read is not read again. */
  readonly maxAttempts: number;
  readonly future: FutureLimit;
  readonly clock: Clock;
  readonly events: Events;
}

export class MessageReader {
  private readonly remarks: InputRemarks;

  constructor(private readonly options: MessageReaderOptions) {
    const { future, clock, events } = options;
    this.remarks = new InputRemarks(future, () => clock.now(), {
      ignored: (first) => events.emit('input-ignored', first),
      future: (first) => events.emit('input-from-future', first),
    });
  }

  /** What the input held that somebody should know of. */
  get input(): InputCounts {
    return this.remarks.counts();
  }

  /** `mayWait`: null for a message that names what the model does not have, instead of putting it aside. */
  read(delivery: Delivery, mayWait: boolean): LaneWork | DoneWork | null {
    if (this.isUnreadable(delivery)) return this.exhausted(delivery);
    let task: Task;
    try {
      task = taskOf(this.contentOf(delivery), this.options.spec, this.remarks.ignored);
      // What our own senders send was held against the limit there, by their clocks.
      if (!delivery.own) task = this.remarks.taskInTime(task);
    } catch (error) {
      const refused = error instanceof TaskRefused ? error : this.unreadable(delivery, error);
      if (mayWait && refused.cause instanceof UnknownName) {
        this.options.events.emit('delivery-held', { id: delivery.id, why: refused.message });
        return null;
      }
      return aside(delivery, quarantinedResult({ code: refused.code, sentence: refused.message }, refused));
    }
    const { index, placement } = this.options;
    const home = placement.indexOf(task.key);
    return home === index ? laneWork(delivery, task) : forwarded(delivery, task, home);
  }

  /** Read for that where it was not read yet. */
  digestOf(delivery: Delivery): TaskDigest {
    if (delivery.digest === '') {
      try {
        if (this.isUnreadable(delivery)) delivery.digest = digestOfBytes(delivery.body);
        else this.contentOf(delivery);
      } catch {
        // It has a digest all the same; why it is refused is told when it is read.
      }
    }
    return delivery.digest;
  }

  /** What its body says, unchecked; from then on it has its digest. @throws TaskRefused */
  private contentOf(delivery: Delivery): unknown {
    const { messageBytesLimit, inbox } = this.options;
    const { body } = delivery;
    const digested = mayHaveCopies(delivery, inbox);
    delivery.reading();
    try {
      if (body.length > messageBytesLimit) {
        throw new TaskRefused(`Message: given ${body.length} bytes, allowed are ${messageBytesLimit} (message.bytes).`);
      }
      const message = parseMessage(body);
      if (digested) delivery.digest = digestOfMessage(message);
      return message;
    } catch (error) {
      if (digested) delivery.digest = digestOfBytes(body);
      throw error;
    }
  }

  private isUnreadable({ unread, attempts }: Delivery): boolean {
    return unread && attempts >= this.options.maxAttempts;
  }

  private exhausted(delivery: Delivery): DoneWork {
    const { attempts, body } = delivery;
    const { maxAttempts } = this.options;
    const sentence = `Message: its process ended ${attempts} times, the last time while it was read; allowed are ${maxAttempts} (quarantine.max_attempts).`;
    delivery.digest = digestOfBytes(body);
    return aside(delivery, quarantinedResult({ code: 'ATTEMPTS_EXHAUSTED', sentence }));
  }

  /** A mistake of ours must not end the worker: the message would end each of its successors, too. */
  private unreadable({ id }: Delivery, error: unknown): TaskRefused {
    this.options.events.emit('message-unreadable', { id, error });
    return new TaskRefused(`Message: ${messageOf(error)}`, null, null, error);
  }
}

function aside(delivery: Delivery, result: TaskResult): DoneWork {
  return new Work(delivery, null).conclude(result);
}

/** If this is done twice, the inbox of the other index finds the second one (without an inbox, its memory of ids). */
function forwarded(delivery: Delivery, task: Task, home: number): DoneWork {
  const { etype, eid, key } = task;
  const { id, receivedId, lacksId, priority, body } = delivery;
  const itself = { id: lacksId ? id : receivedId, key, index: home, priority, body, forwarded: true };
  return new Work(delivery, task).conclude({ outcome: 'forwarded', etype, eid, history: [], raw: [], derived: [] }, [
    itself,
  ]);
}
