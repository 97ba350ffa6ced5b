/**
 * Follow-ups: what becomes of the tasks that hooks returned. Those of the same entity may be executed at once, within the result
 * of their cause; all others go to the priority queue of their index, in the transaction of the result.
 *
 * The rules are DP3's (`max_inline_generated_tasks`): the delivered task and everything executed inline after it share one
 * allowance, first come, first served; inline tasks wait in a line; what finds no place left is sent. Order per entity is kept:
 * once one task of it was sent, the allowance is used up, so that none overtakes it.
 */
import type { ModelSpec } from '../model/spec.js';
import { unsentTask } from '../model/task-serialise.js';
import type { Chain } from './chain.js';

/**
 * Sorts what the hooks of the present task returned, and puts the next inline task in its place; false when there
 * is none. A task that is deeper than a chain may be is sent, and goes to quarantine where it arrives.
 */
export function nextInline(chain: Chain, spec: ModelSpec, maxDepth: number): boolean {
  for (const task of chain.returned) {
    if (chain.inlineLeft > 0 && task.key === chain.task.key && task.depth <= maxDepth) {
      chain.inlineLeft -= 1;
      chain.inline.push(task);
    } else {
      chain.derived.push(unsentTask(task, spec, true));
    }
  }
  chain.returned.length = 0;
  const next = chain.inline.shift();
  if (next === undefined) return false;
  chain.task = next;
  chain.outcome = null;
  chain.isNew = false;
  return true;
}
