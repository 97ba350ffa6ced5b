/** What is told of a task once its commit is durable, by how it ended. */
import type { Outcome } from '../model/record.js';
import type { DoneWork } from '../model/work.js';
import type { Events } from '../observability/events.js';

const nothing = () => {};

/** Events of tasks that change no record of this index. What was applied is counted where it was executed. */
const AFTER_TASK: Readonly<Record<Outcome, (work: DoneWork, events: Events) => void>> = {
  applied: nothing,
  denied: nothing,
  deleted: nothing,
  'nothing-to-delete': nothing,
  forwarded({ delivery, sends }, events) {
    for (const { key, index } of sends) events.emit('task-forwarded', { id: delivery.id, key, index });
  },
  quarantined({ delivery, result, key }, events) {
    const { code, sentence: reason } = result.reason ?? { code: 'MESSAGE_INVALID', sentence: 'no reason was given' };
    events.emit('task-quarantined', { id: delivery.id, key, code, reason });
  },
};

/** The commit of these is durable. */
export function tellCommitted(works: readonly DoneWork[], events: Events): void {
  for (const work of works) AFTER_TASK[work.result.outcome](work, events);
}
