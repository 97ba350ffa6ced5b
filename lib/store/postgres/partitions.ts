/** Partitions of history and raw data-points: one for each week (Monday, UTC) in which something is stored. */
import type { Session } from './session.js';

const TABLES = ['history', 'raw'] as const;

/** Makes those of this week and the next where they are missing. */
export async function ensurePartitions(session: Session): Promise<void> {
  for (const table of TABLES) {
    for (const week of [0, 1]) {
      const [row] = await session.query(
        `select to_char(monday, 'YYYY_MM_DD'), to_char(monday, 'YYYY-MM-DD'), to_char(monday + interval '7 days', 'YYYY-MM-DD')
         from (select date_trunc('week', now() at time zone 'UTC') + $1 * interval '7 days' monday) as week`,
        [week],
      );
      const [name, from, to] = row ?? [];
      await session.query(
        `create table if not exists ${table}_${name} partition of ${table} for values from ('${from} 00:00+00') to ('${to} 00:00+00')`,
      );
    }
  }
}
