/**
 * When each task was committed, seen from outside: the number of an index's last commit is looked at about every two milliseconds, and
 * a commit counts from the look that shows it, so that what is measured is never less than it was. Which tasks it held tells the inbox
 * afterwards: all ids of a commit have one time, and those of an index follow each other.
 *
 * Refused: pg_xact_commit_timestamp, which is taken before the log is on the disk.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { CommitTimes } from '../embedded/delays.js';
import { steadyNow } from '../embedded/even.js';
import { APP } from '../embedded/program.js';

const LOOK_MS = 2;
/** Of an id: its number, since that is what the first digits of an id are. */
const NUMBER_DIGITS = 12;

const BATCHES = { name: 'batches', text: `select index, batch::int from dp3_${APP}.owners` };
/** In one statement, so that the inbox and the last commit are of one moment. */
const TASKS = `select i.index, i.id::text, o.batch::int as last,
  dense_rank() over (partition by i.index order by i.stored)::int as commit
  from dp3_${APP}.inbox i join dp3_${APP}.owners o using (index)`;

/** Begins while nothing was sent yet, and looks until `until` has resolved. */
export async function watchCommits(url: string, until: Promise<unknown>): Promise<() => Promise<CommitTimes>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  /** By index, by number of the commit. */
  const seen = new Map<number, number[]>();
  let over = false;
  const ended = until.finally(() => {
    over = true;
  });
  try {
    for (let last = false; !last; ) {
      last = over;
      const { rows } = await client.query<{ index: number; batch: number }>(BATCHES);
      const now = steadyNow();
      for (const { index, batch } of rows) {
        const times = seen.get(index) ?? [];
        seen.set(index, times);
        while (times.length <= batch) times.push(now);
      }
      await sleep(LOOK_MS);
    }
    await ended;
  } finally {
    await client.end();
  }
  return () => timesOf(url, seen);
}

async function timesOf(url: string, seen: ReadonlyMap<number, readonly number[]>): Promise<CommitTimes> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const times: (number | undefined)[] = [];
  const commits = new Map<number, { count: number; readonly last: number }>();
  try {
    const { rows } = await client.query<{ index: number; id: string; last: number; commit: number }>(TASKS);
    for (const { index, id, last, commit } of rows) {
      times[Number.parseInt(id.replaceAll('-', '').slice(0, NUMBER_DIGITS), 16)] = seen.get(index)?.[commit];
      const known = commits.get(index) ?? { count: 0, last };
      known.count = Math.max(known.count, commit);
      commits.set(index, known);
    }
  } finally {
    await client.end();
  }
  for (const [index, { count, last }] of commits) {
    if (count !== last) throw new Error(`index ${index} made ${last} commits, its inbox knows ${count}`);
  }
  return times;
}
