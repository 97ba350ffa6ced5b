/** `quarantine retry`: puts tasks back into the queue pair of their index, under new ids; done by the owner of the index. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { runningPrograms } from '../../control/programs.js';
import { notServed, orderQuarantine, type TaskInQuarantine, unservedIndexes } from '../../control/quarantine.js';
import { quarantinedTask } from '../../documents/quarantine.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { StoreReader } from '../../store/store.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ args, request, output, has }: Invocation): Promise<CommandExit> {
  const [id] = args;
  if ((id === undefined) !== has('all')) {
    throw new ApplicationError('USAGE', 'quarantine retry needs the ID of a task, or --all');
  }
  const { configuration } = requireConfiguration(request);
  const tasks = await reading(configuration, async (reader) =>
    id === undefined ? await allOf(reader) : [await quarantinedTask(reader, id)],
  );
  const programs = await runningPrograms(configuration);
  const unserved = unservedIndexes(programs, tasks);
  for (const index of unserved) output.error(notServed(index));
  let retried = 0;
  for (const task of tasks.filter(({ index }) => !unserved.has(index))) {
    if (await orderQuarantine(programs, 'retry', task)) retried += 1;
    else output.note(`${task.id} is in quarantine no more`);
  }
  const left = tasks.length - retried;
  if (has('json')) await output.json({ retried, left });
  else if (retried > 0) await output.line(`${retried} retried; they run after later tasks of their entities`);
  else await output.line('none retried');
  return left === 0 ? 0 : 1;
}

/** Those of now, without what makes each large. */
async function allOf(reader: StoreReader): Promise<TaskInQuarantine[]> {
  const tasks: TaskInQuarantine[] = [];
  for await (const { id, index } of reader.quarantined()) tasks.push({ id, index });
  return tasks;
}
