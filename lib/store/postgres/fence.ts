/**
 * Fence: what an owner changes beside its commits finds the row of its epoch, in the same statement. A process may be stopped between
 * two statements for as long as it takes another one to take its index and to go on; what it knew before is then worth nothing.
 *
 * The lock holds up a take-over, which raises the epoch and so changes a key of the row (the index over index and epoch), until the
 * statement has ended; it does not hold up commits, which change no key. Refused: `for share`, for which commits would wait.
 */
import type { Ownership } from '../store.js';

/** Part of a statement: one row while the ownership of the first two parameters holds, else none. Others join it. */
export const FENCE = 'own as (select index from owners where index = $1 and epoch = $2 for key share)';

export type FenceParameters = readonly [index: number, epoch: number];

export function fenceOf({ index, epoch }: Ownership): FenceParameters {
  return [index, epoch];
}
