/**
 * Emissions: tasks that no delivery has caused (of jobs, of the sweeper, `emit` of modules), on their way into commits. They become durable
 * behind the same fence as the results of tasks: whoever has lost its index emits nothing any more, whenever it finds out. What is
 * committed waits in the outbox for its queue, like any derived task.
 */
import type { Delivery } from '../model/delivery.js';
import type { OutgoingTask } from '../model/task.js';
import { newTaskId } from '../model/task-id.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Entry } from './entry.js';

type Add = (entry: Entry<never>) => void;

/** One call of `send`. */
interface Emission {
  left: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

const nothing = () => {};

export class Emissions {
  private add: Add | null = null;
  private over: unknown = new ApplicationError('OWNERSHIP_LOST', 'nothing can be emitted: the index is not owned yet');
  private readonly open = new Set<Emission>();

  /** From now on they go into commits. */
  begin(add: Add): void {
    this.add = add;
  }

  /** No more of them; whoever waits is told why. */
  end(why: unknown): void {
    this.add = null;
    this.over = why;
    for (const { failed } of this.open) failed(why);
    this.open.clear();
  }

  /** Resolves when all are committed. Rejects where that cannot happen any more, with what `end` was told. */
  readonly send = (tasks: readonly OutgoingTask[]): Promise<void> => {
    const { add } = this;
    if (add === null) return Promise.reject(this.over);
    if (tasks.length === 0) return Promise.resolve();
    return new Promise((resolve, failed) => {
      const done = () => {
        this.open.delete(emission);
        resolve();
      };
      const emission: Emission = { left: tasks.length, done, failed };
      this.open.add(emission);
      for (const task of tasks) add(entryOf(task, emission));
    });
  };
}

/** An entry for each task: one that cannot be stored is put aside alone. */
function entryOf(task: OutgoingTask, emission: Emission): Entry<never> {
  const [etype = '', eid = ''] = task.key.split(/:(.*)/s);
  return {
    delivery: deliveryOf(task),
    result: { outcome: 'applied', etype, eid, history: [], raw: [], derived: [task] },
    key: null,
    again: null,
    durable() {
      if (--emission.left === 0) emission.done();
    },
  };
}

/** Nobody delivers it again, so the inbox need not know it; it goes to quarantine under this id where it cannot be stored. */
function deliveryOf({ body, priority }: OutgoingTask): Delivery {
  const id = newTaskId();
  return {
    id,
    receivedId: id,
    digest: '',
    lacksId: false,
    own: true,
    floor: null,
    body,
    priority,
    redelivered: false,
    deduplicated: true,
    attempts: 0,
    suspect: false,
    unread: false,
    reading: nothing,
    started: nothing,
    ended: nothing,
    broke: nothing,
    settle: nothing,
  };
}
