/** `quarantine list`: the tasks that could not be processed, the reason of each; by index and the order of their ids. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { quarantineEntry } from '../../documents/quarantine.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  let tasks = 0;
  await reading(configuration, async (reader) => {
    for await (const task of reader.quarantined()) {
      if (output.closed) return;
      tasks += 1;
      const { id, reason, code, time, index } = task;
      if (has('json')) await output.json(quarantineEntry(task));
      else await output.line(`${id}  ${time}  index ${index}  ${code}  ${reason}`);
    }
  });
  if (tasks === 0 && !has('json')) output.note('no task is in quarantine');
  return 0;
}
