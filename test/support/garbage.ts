/** Memory that is held, whenever the garbage collector would have run by itself. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that something refers to: objects, and buffers outside of the heap. */
export function heldBytes(): number {
  // The second one ends the sweeping of the first.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
