/**
 * A failed hook: what becomes of its task. As in DP3, the task goes on as if the hook were not there; one that had to say whether an entity
 * may be created, and said neither yes nor no, denies it.
 */
import type { HookResult } from '../hooks/hook.js';

/** Whether a hook that was asked for a decision ends the task with it. */
export function denies(result: HookResult): boolean {
  return result.status === 'denied' || (result.status === 'failed' && result.failure === 'bad-return');
}
