/** Jobs: the scheduled hooks of the modules in the form that the scheduler takes, those of this process index alone. */
import type { Schedule } from '../model/schedule.js';
import type { Task } from '../model/task.js';
import type { Instant } from '../model/time.js';
import { JobContext } from './context.js';
import type { HookResult, ScheduledHook } from './hook.js';
import type { HookRunner } from './run.js';
import type { TaskMaker } from './task-maker.js';

export interface ModuleJob {
  readonly module: string;
  /** Unique among the jobs of its module. */
  readonly name: string;
  readonly schedule: Schedule;
  /** One run; resolves with the tasks it made, with none where it failed. */
  readonly run: (due: Instant) => readonly Task[] | Promise<readonly Task[]>;
}

/** The jobs that run in the process of `index`. */
export function jobsOf(
  scheduled: readonly ScheduledHook[],
  { index, runner, maker }: { readonly index: number; readonly runner: HookRunner; readonly maker: TaskMaker },
): ModuleJob[] {
  return scheduled
    .filter(({ on }) => on === 'all' || index === 0)
    .map((hook) => ({
      module: hook.module.name,
      name: hook.name,
      schedule: hook.schedule,
      run: (due) => {
        const result = runner.run(hook, new JobContext(hook, maker, due), '', null);
        return result instanceof Promise ? result.then(tasksOf) : tasksOf(result);
      },
    }));
}

function tasksOf(result: HookResult): readonly Task[] {
  return result.status === 'ok' ? result.tasks : [];
}
