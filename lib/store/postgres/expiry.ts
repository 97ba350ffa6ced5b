/**
 * Expiry: which records' TTL tokens are all past. The column `expiring` says when to look, the latest token or before: a commit only ever
 * lowers it, so that an entity that lives on for its data costs a commit no change of an index. Here it is moved once its time has come.
 *
 * A record is moved only where it is the one that was read (its revision begins anew with each incarnation), and none is waited for:
 * whoever commits it just now sets it himself.
 */
import type { Instant } from '../../model/time.js';
import type { Due, DueRecord, Ownership } from '../store.js';
import { FENCE, fenceOf } from './fence.js';
import type { Session } from './session.js';

/** Which records are looked at: those of one process index. */
export interface Share {
  readonly ownership: Ownership;
  readonly numProcesses: number;
}

const DUE = `select eid, incarnation, revision, (select max(value collate "C") from jsonb_each_text(ttl))
  from records where etype = $1 and expiring < $2::timestamptz and hash % $3 = $4 order by expiring, eid limit $5`;

const MOVE = `with ${FENCE}, moved as (
    select etype, eid, until from own, records
      join unnest($4::text[], $5::integer[], $6::bigint[], $7::text[]) as seen (eid, incarnation, revision, until)
      using (eid, incarnation, revision) where etype = $3 for update of records skip locked
  )
  update records set expiring = until::timestamptz from moved
  where records.etype = moved.etype and records.eid = moved.eid`;

/** Looks at up to `limit` records that are due, and moves those that live longer by now. */
export async function findExpired(
  session: Pick<Session, 'query'>,
  { ownership, numProcesses }: Share,
  etype: string,
  before: Instant,
  limit: number,
): Promise<Due> {
  const rows = await session.query(DUE, [etype, before, numProcesses, ownership.index, limit], 'expiry due');
  const records: DueRecord[] = [];
  const moved: (readonly [eid: string, incarnation: string | null, revision: string | null, until: string | null])[] =
    [];
  for (const [eid = null, incarnation = null, revision = null, until = null] of rows) {
    if (eid === null) continue;
    if (until !== null && until < before) records.push({ eid, until: until as Instant });
    else moved.push([eid, incarnation, revision, until]);
  }
  if (moved.length > 0) {
    const columns = [0, 1, 2, 3].map((column) => moved.map((each) => each[column]));
    await session.query(MOVE, [...fenceOf(ownership), etype, ...columns], 'expiry move');
  }
  records.sort((one, other) => (one.until < other.until ? -1 : one.until > other.until ? 1 : 0));
  return { records, more: rows.length === limit };
}
