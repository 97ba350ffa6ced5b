/** placeholder */
import type { Output } from '../lib/cli/output.js';
import type { Place } from './place.js';

export async function servers(_output: Output, _stopping: AbortSignal): Promise<Place> {
  throw new Error('not yet');
}
