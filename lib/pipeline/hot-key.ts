/** A window that is full: under load it always is; what matters is whether a single key fills it, for that holds up all others. */
import type { Pipeline } from './pipeline.js';

/** A key, and how many of the tasks in the window are of it. */
export interface Filling {
  readonly key: string;
  readonly tasks: number;
}

/** The key that has more than half of the tasks in a full window; null where none has. */
export function keyThatFills(pipeline: Pick<Pipeline, 'lanes' | 'reader'>): Filling | null {
  if (!pipeline.reader.window.full) return null;
  const fullest = pipeline.lanes.fullest();
  // A single task is no backlog: where messages are large, the window holds no more.
  return fullest !== null && fullest.tasks > Math.max(1, pipeline.reader.window.tasks / 2) ? fullest : null;
}
