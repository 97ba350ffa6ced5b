/** What the committer does after a commit, by how it ended (product.md, rules 1, 2 and 4). */
import type { CommitOutcome } from '../store/store.js';

/**
 * `finish`: its tasks are done. `sort-out`: take out what the outcome names, execute the rest of those keys again, commit what is
 * left. `repeat`: the same batch after a pause. `stop`: commit nothing any more.
 */
export const AFTER_COMMIT = {
  stored: 'finish',
  'done-before': 'sort-out',
  unstorable: 'sort-out',
  unavailable: 'repeat',
  outdated: 'stop',
} as const satisfies Record<CommitOutcome['kind'], 'finish' | 'sort-out' | 'repeat' | 'stop'>;
