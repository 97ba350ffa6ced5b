/** Which index a key belongs to, by a placement that is used once. */
import { Placement } from '../../lib/routing/placement.js';

export function indexOf(key: string, numProcesses: number): number {
  return new Placement(numProcesses).indexOf(key);
}
