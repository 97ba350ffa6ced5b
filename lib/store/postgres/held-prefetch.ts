/**
 * The prefetch of quorum queues, which never becomes smaller: a successor with a smaller one than its predecessor, which was killed, gets
 * what that left behind out of order (measured).
 */
import { ApplicationError } from '../../runtime/errors.js';
import { quoteName } from './names.js';
import type { Query } from './session.js';

/** The largest one counts: whoever had it may have been killed. Throws STORE_MISMATCH for a smaller one. */
export async function holdPrefetch(query: Query, schema: string, prefetch: number): Promise<void> {
  const [row] = await query('update settings set prefetch = greatest(prefetch, $1) returning prefetch', [prefetch]);
  const largest = Number(row?.[0]);
  if (largest <= prefetch) return;
  throw new ApplicationError(
    'STORE_MISMATCH',
    `the quorum queues were consumed with a prefetch of ${largest}, configured is ${prefetch}, and what a killed worker left would come ` +
      `out of order: set msg_broker.prefetch to ${largest} or more, or once all queues are empty and no program runs: ` +
      `update ${quoteName(schema)}.settings set prefetch = ${prefetch}`,
  );
}
