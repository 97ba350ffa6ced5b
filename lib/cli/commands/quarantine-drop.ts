/** `quarantine drop`: removes a task from quarantine for good; done by the owner of its index. */
import { requireConfiguration } from '../../config/load.js';
import type { ExitCode, Invocation } from '../command.js';
import { askOwner, runningPrograms } from '../programs.js';
import { quarantinedTask } from '../quarantined.js';

export async function run({ args, request, output, has }: Invocation): Promise<ExitCode> {
  const { configuration } = requireConfiguration(request);
  const { id, index } = await quarantinedTask(configuration, args[0] ?? '');
  const programs = await runningPrograms(configuration);
  const dropped = await askOwner(programs, index, { type: 'quarantine', action: 'drop', task: id });
  if (!dropped) throw new Error(`task ${id} is in quarantine no more`);
  if (has('json')) await output.json({ id, dropped });
  else await output.line(`dropped ${id}`);
  return 0;
}
