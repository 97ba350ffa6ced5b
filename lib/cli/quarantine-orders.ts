/** Orders to the quarantine as they are typed: of one task, or of all that are in it now. */
import { reading } from '../backend/open.js';
import { requireConfiguration } from '../config/load.js';
import { runningPrograms } from '../control/programs.js';
import { notServed, orderQuarantine, unservedIndexes } from '../control/quarantine.js';
import { quarantinedTask, quarantinedTasks } from '../documents/quarantine.js';
import { ApplicationError } from '../runtime/errors.js';
import type { Invocation } from './command.js';

export interface Obeyed {
  /** Ids of the tasks with which it was done. */
  readonly done: readonly string[];
  /** How many it was not done with; why was told. */
  readonly left: number;
}

/** @throws ApplicationError USAGE, NOT_RUNNING; Error where the task is not there */
export async function orderTasks(
  { args, request, output, has }: Invocation,
  action: 'retry' | 'drop',
): Promise<Obeyed> {
  const [typed] = args;
  if ((typed === undefined) !== has('all')) {
    throw new ApplicationError('USAGE', `quarantine ${action} needs the ID of a task, or --all`);
  }
  const { configuration } = requireConfiguration(request);
  const tasks = await reading(configuration, async (reader) =>
    typed === undefined ? await quarantinedTasks(reader) : [await quarantinedTask(reader, typed)],
  );
  const programs = await runningPrograms(configuration);
  const unserved = unservedIndexes(programs, tasks);
  for (const index of unserved) output.error(notServed(index));
  const done: string[] = [];
  for (const task of tasks.filter(({ index }) => !unserved.has(index))) {
    if (await orderQuarantine(programs, action, task)) done.push(task.id);
    else output.note(`${task.id} is in quarantine no more`);
  }
  return { done, left: tasks.length - done.length };
}
