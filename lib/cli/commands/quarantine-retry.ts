/**
 * `quarantine retry`: puts tasks back into the queue pair of their index, under new ids. The owner of the index does it, in one
 * transaction with the removal, so a program must run; refused was to open its store from here, which two writers would share.
 */
import { requireConfiguration } from '../../config/load.js';
import { ApplicationError } from '../../runtime/errors.js';
import type { ExitCode, Invocation } from '../command.js';
import { askOwner, notServed, runningPrograms, serves } from '../programs.js';
import { allQuarantined, quarantinedTask } from '../quarantined.js';

export async function run({ args, request, output, has }: Invocation): Promise<ExitCode> {
  const [id] = args;
  if ((id === undefined) !== has('all')) {
    throw new ApplicationError('USAGE', 'quarantine retry needs the ID of a task, or --all');
  }
  const { configuration } = requireConfiguration(request);
  const tasks = id === undefined ? await allQuarantined(configuration) : [await quarantinedTask(configuration, id)];
  const programs = await runningPrograms(configuration);
  const unserved = new Set(
    tasks.map(({ index }) => index).filter((index) => !programs.some((it) => serves(it, index))),
  );
  for (const index of unserved) output.error(notServed(index));
  let retried = 0;
  for (const { id: task, index } of tasks) {
    if (unserved.has(index)) continue;
    const done = await askOwner(programs, index, { type: 'quarantine', action: 'retry', task });
    if (done) retried += 1;
    else output.note(`${task} is in quarantine no more`);
  }
  const left = tasks.length - retried;
  if (has('json')) await output.json({ retried, left });
  else if (retried > 0) await output.line(`${retried} retried; they run after later tasks of their entities`);
  else await output.line('none retried');
  return left === 0 ? 0 : 1;
}
