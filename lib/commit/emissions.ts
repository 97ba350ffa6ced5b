/**
 * Emissions: tasks that no delivery has caused (of jobs, of the sweeper, `emit` of modules), on their way into commits. They become durable
 * behind the same fence as the results of tasks: whoever has lost its index emits nothing any more, whenever it finds out. What is
 * committed waits in the outbox for its queue, like any derived task.
 */
import { detached } from '../model/delivery.js';
import type { UnsentTask } from '../model/task.js';
import { newTaskId } from '../model/task-id.js';
import { type DoneWork, Work } from '../model/work.js';
import { ApplicationError } from '../runtime/errors.js';
import { type Random, systemRandom } from '../runtime/random.js';
import type { Committer } from './committer.js';

/** One call of `send`. */
interface Emission {
  left: number;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class Emissions {
  private commits: Pick<Committer, 'add' | 'hurry'> | null = null;
  private over: unknown = new ApplicationError('OWNERSHIP_LOST', 'nothing can be emitted: the index is not owned yet');
  private readonly open = new Set<Emission>();

  constructor(private readonly random: Random = systemRandom) {}

  /** From now on they go into commits. */
  begin(commits: Pick<Committer, 'add' | 'hurry'>): void {
    this.commits = commits;
  }

  /** No more of them; whoever waits is told why. */
  end(why: unknown): void {
    this.commits = null;
    this.over = why;
    for (const { failed } of this.open) failed(why);
    this.open.clear();
  }

  /** Resolves when all are committed. Rejects where that cannot happen any more, with what `end` was told. */
  readonly send = (tasks: readonly UnsentTask[]): Promise<void> => {
    const { commits } = this;
    if (commits === null) return Promise.reject(this.over);
    if (tasks.length === 0) return Promise.resolve();
    return new Promise((resolve, failed) => {
      const done = () => {
        this.open.delete(emission);
        resolve();
      };
      const emission: Emission = { left: tasks.length, done, failed };
      this.open.add(emission);
      for (const task of tasks) commits.add(workOf(task, newTaskId(this.random), emission));
      commits.hurry();
    });
  };
}

/** A work for each task: one that cannot be stored is put aside alone, in quarantine under this id. */
function workOf(task: UnsentTask, id: string, emission: Emission): DoneWork {
  const [etype = '', eid = ''] = task.key.split(/:(.*)/s);
  const durable = () => {
    if (--emission.left === 0) emission.done();
  };
  const work = new Work(detached(id, task), null, durable);
  return work.conclude({ outcome: 'applied', etype, eid, history: [], raw: [], derived: [task] });
}
