/** `quarantine drop`: removes a task from quarantine for good; done by the owner of its index. */
import { reading } from '../../backend/open.js';
import { requireConfiguration } from '../../config/load.js';
import { runningPrograms } from '../../control/programs.js';
import { orderQuarantine } from '../../control/quarantine.js';
import { quarantinedTask } from '../../documents/quarantine.js';
import type { CommandExit, Invocation } from '../command.js';

export async function run({ args, request, output, has }: Invocation): Promise<CommandExit> {
  const { configuration } = requireConfiguration(request);
  const task = await reading(configuration, (reader) => quarantinedTask(reader, args[0] ?? ''));
  const { id } = task;
  const dropped = await orderQuarantine(await runningPrograms(configuration), 'drop', task);
  if (!dropped) throw new Error(`task ${id} is in quarantine no more`);
  if (has('json')) await output.json({ id, dropped });
  else await output.line(`dropped ${id}`);
  return 0;
}
