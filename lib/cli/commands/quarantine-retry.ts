/** `quarantine retry`: puts tasks back into the queue pair of their index, under new ids; done by the owner of the index. */
import type { CommandExit, Invocation } from '../command.js';
import { orderTasks } from '../quarantine-orders.js';

export async function run(invocation: Invocation): Promise<CommandExit> {
  const { output, has } = invocation;
  const { done, left } = await orderTasks(invocation, 'retry');
  const retried = done.length;
  if (has('json')) await output.json({ retried, left });
  else if (retried > 0) await output.line(`${retried} retried; they run after later tasks of their entities`);
  else await output.line('none retried');
  return left === 0 ? 0 : 1;
}
