/** `quarantine drop`: removes tasks from quarantine for good; done by the owner of their index. */
import { counted } from '../../runtime/printable.js';
import type { CommandExit, Invocation } from '../command.js';
import { orderTasks } from '../quarantine-orders.js';

export async function run(invocation: Invocation): Promise<CommandExit> {
  const { output, has } = invocation;
  const { done, left } = await orderTasks(invocation, 'drop');
  const [id] = done;
  if (has('all')) {
    if (has('json')) await output.json({ dropped: done.length, left });
    else await output.line(`dropped ${counted(done.length, 'task')}${left > 0 ? `, left ${left}` : ''}`);
  } else if (has('json')) await output.json({ id: id ?? null, dropped: id !== undefined });
  else if (id !== undefined) await output.line(`dropped ${id}`);
  return left === 0 ? 0 : 1;
}
