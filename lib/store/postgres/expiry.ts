/**
 * Expiry: which records' TTL tokens are all past. The column `expiring` says when to look, the latest token or before: a commit only ever
 * lowers it, so that an entity that lives on for its data costs a commit no change of an index. Here it is moved once its time has come.
 *
 * A record is moved only where its revision is the one that was read, and none is waited for: whoever commits it just now sets it himself.
 */
import type { Instant } from '../../model/time.js';
import type { ExpiredRecord, ExpiredRecords } from '../store.js';
import type { Session } from './session.js';

/** Which records are looked at: those of one process index. */
export interface Share {
  readonly index: number;
  readonly numProcesses: number;
}

const DUE = `select eid, revision, (select max(value collate "C") from jsonb_each_text(ttl))
  from records where etype = $1 and expiring < $2::timestamptz and hash % $3 = $4 order by expiring, eid limit $5`;

const MOVE = `with moved as (
    select etype, eid, until from records join unnest($2::text[], $3::bigint[], $4::text[]) as seen (eid, revision, until)
      using (eid, revision) where etype = $1 for update of records skip locked
  )
  update records set expiring = until::timestamptz from moved
  where records.etype = moved.etype and records.eid = moved.eid`;

/** Looks at up to `limit` records that are due, and moves those that live longer by now. */
export async function findExpired(
  session: Pick<Session, 'query'>,
  { index, numProcesses }: Share,
  etype: string,
  before: Instant,
  limit: number,
): Promise<ExpiredRecords> {
  const rows = await session.query(DUE, [etype, before, numProcesses, index, limit], 'expiry due');
  const expired: ExpiredRecord[] = [];
  const moved: { readonly eid: string; readonly revision: string; readonly until: string | null }[] = [];
  for (const [eid = null, revision = null, until = null] of rows) {
    if (eid === null || revision === null) continue;
    if (until !== null && until < before) expired.push({ eid, until: until as Instant });
    else moved.push({ eid, revision, until });
  }
  if (moved.length > 0) {
    const columns = [moved.map(({ eid }) => eid), moved.map((each) => each.revision), moved.map(({ until }) => until)];
    await session.query(MOVE, [etype, ...columns], 'expiry move');
  }
  expired.sort((one, other) => (one.until < other.until ? -1 : one.until > other.until ? 1 : 0));
  return { expired, more: rows.length === limit };
}
