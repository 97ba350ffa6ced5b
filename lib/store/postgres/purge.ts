/**
 * Purge: removes what nobody can ask for any more, a bounded number of rows at a time. Every owner forgets the ids of its own index;
 * histories of deleted records and what is beyond its retention are removed by the owner of index 0 for all. Each statement that
 * removes something does so behind the fence.
 *
 * Inbox (rules.md: an id is forgotten when it cannot come again): an id is forgotten when no copy of its task can come again. Copies come
 * out of the queue pair, out of the outbox as long as its row is there (its owner may publish it again), and from a producer who repeats a
 * publish within the retention. So first the outbox is looked at; all that was put into the queues before that must be settled; and the
 * retention must have passed since, by the server's clock, which also says when an id was stored: hosts need not agree. While a row of the
 * outbox has a time that lies ahead, since that clock was wrong when it was stored, nobody knows how old it is, and nothing is forgotten. A
 * copy that is published after the look is one of a row that was seen, or a producer's.
 */
import type { Clock } from '../../runtime/clock.js';
import type { TrustedTime } from '../../runtime/trusted-time.js';
import { FENCE, type FenceParameters, fenceOf } from './fence.js';
import { Retention, type RetentionOptions } from './retention.js';
import type { Session } from './session.js';
import { dropStreams } from './streams.js';

/** Rows removed in one step. */
const STEP_ROWS = 2_000;
/** Tombstones looked at in one step. */
const STEP_TOMBSTONES = 200;
/** Tombstones (in `graves`) that are as they were when they were looked at. */
const SEEN = `seen as (
  select etype, eid, incarnation from own, graves
    join unnest($3::text[], $4::text[], $5::integer[]) as grave (etype, eid, incarnation) using (etype, eid, incarnation))`;
/** Between two looks at the inbox at most. */
const INBOX_PAUSE_MS = 60_000;

export interface PurgeOptions extends RetentionOptions {
  /** The longest that a producer may repeat a publish. */
  readonly inboxRetentionMs: number;
  /** Shown the server's clock alone. */
  readonly trusted: TrustedTime;
  /** Before which moment all that was put into the queue pair is settled for good; null while unknown. */
  readonly redeliveryHorizon: () => Promise<number | null>;
}

/** A look at the outbox: ids stored before `before` are forgotten once the queues have caught up with `at`. */
interface OutboxLook {
  /** By the clock of this process, which is never set. */
  readonly at: number;
  /** By the server's clock, as it writes it. */
  readonly before: string;
}

export class Purge {
  private readonly clock: Clock;
  private readonly own: FenceParameters;
  private readonly retention: Retention;
  private look: OutboxLook | null = null;
  /** Ids before this are being forgotten; null between two looks. */
  private forgetBefore: string | null = null;
  private inboxDueAt = 0;

  constructor(
    private readonly session: Pick<Session, 'query'>,
    private readonly options: PurgeOptions,
  ) {
    this.clock = options.clock;
    this.own = fenceOf(options.ownership);
    this.retention = new Retention(session, options, () => this.time());
  }

  /** True while there is more to do. */
  async step(): Promise<boolean> {
    const ids = await this.forgetIds();
    if (this.options.ownership.index !== 0) return ids;
    const tombstones = await this.emptyTombstones();
    return (await this.retention.step()) || tombstones || ids;
  }

  private async forgetIds(): Promise<boolean> {
    this.forgetBefore ??= await this.nextToForget();
    if (this.forgetBefore === null) return false;
    const [row] = await this.session.query(
      `with ${FENCE}, old as (
         delete from inbox using own where inbox.index = $1 and id in (
           select id from inbox where index = $1 and stored < $3::timestamptz order by stored limit $4)
         returning id)
       select count(*) from old`,
      [...this.own, this.forgetBefore, STEP_ROWS],
      'purge inbox',
    );
    const streams = await dropStreams(this.session, this.own, this.forgetBefore, STEP_ROWS);
    const more = Number(row?.[0]) === STEP_ROWS || streams;
    if (!more) this.forgetBefore = null;
    return more;
  }

  /** Null where nothing can be forgotten for now. */
  private async nextToForget(): Promise<string | null> {
    const { clock } = this;
    const { inboxRetentionMs, redeliveryHorizon } = this.options;
    if (clock.monotonic() < this.inboxDueAt) return null;
    this.inboxDueAt = clock.monotonic() + Math.min(inboxRetentionMs / 10, INBOX_PAUSE_MS);
    const look = this.look ?? (await this.lookAtOutbox());
    this.look = look;
    const settled = await redeliveryHorizon();
    if (settled === null || settled < look.at) return null;
    this.look = null;
    return look.before;
  }

  private async lookAtOutbox(): Promise<OutboxLook> {
    const at = this.clock.monotonic();
    const [row] = await this.session.query(
      `select case when max(stored) < trusted.at + interval '1 minute' or count(stored) = 0
           then least(trusted.at, min(stored)) - $2::float8 * interval '1 millisecond' end
       from (select to_timestamp($3::float8 / 1000) as at) trusted left join outbox on destination = $1
       group by trusted.at`,
      [this.options.ownership.index, this.options.inboxRetentionMs, await this.time()],
      'purge outbox',
    );
    return { at, before: row?.[0] ?? '-infinity' };
  }

  /** By the server's clock, as far as it is believed, in milliseconds since 1970: hosts need not agree. */
  private async time(): Promise<number> {
    const [row] = await this.session.query('select extract(epoch from now()) * 1000', [], 'purge time');
    return this.options.trusted.of(Number(row?.[0]));
  }

  /** Of each tombstone all incarnations up to its own. It goes with the last of them, unless the entity was deleted once more. */
  private async emptyTombstones(): Promise<boolean> {
    const tombstones = await this.session.query(
      `select etype, eid, incarnation, (select count(*) from (select from history h
         where h.etype = g.etype and h.eid = g.eid and h.incarnation <= g.incarnation limit $2) as rows)
       from graves g order by etype, eid limit $1`,
      [STEP_TOMBSTONES, STEP_ROWS],
      'purge graves',
    );
    const [first] = tombstones;
    if (first === undefined) return false;
    if (Number(first[3]) === STEP_ROWS) return this.shortenHistory(first.slice(0, 3));
    let rows = 0;
    const small = tombstones.filter(([, , , count]) => {
      rows += Number(count);
      return rows <= STEP_ROWS;
    });
    const columns = [0, 1, 2].map((column) => small.map((tombstone) => tombstone[column]));
    await this.session.query(
      `with ${FENCE}, ${SEEN}
       delete from history h using seen
       where h.etype = seen.etype and h.eid = seen.eid and h.incarnation <= seen.incarnation`,
      [...this.own, ...columns],
      'purge histories',
    );
    const [removed] = await this.session.query(
      `with ${FENCE}, ${SEEN},
       empty as (select etype, eid from graves join seen using (etype, eid, incarnation) for update of graves skip locked),
       removed as (delete from graves using empty where graves.etype = empty.etype and graves.eid = empty.eid returning 1)
       select count(*) from removed`,
      [...this.own, ...columns],
      'purge emptied graves',
    );
    return Number(removed?.[0]) > 0;
  }

  /** Removes the first rows of a long history. True when there were any. */
  private async shortenHistory(tombstone: readonly unknown[]): Promise<boolean> {
    const [removed] = await this.session.query(
      `with ${FENCE}, seen as (
         select from graves, own where etype = $3 and eid = $4 and incarnation = $5),
       removed as (
         delete from history using seen where etype = $3 and eid = $4 and incarnation <= $5 and (attr, t1, n) <= (
           select attr, t1, n from history where etype = $3 and eid = $4 and incarnation <= $5
           order by attr, t1, n offset $6 limit 1)
         returning 1)
       select count(*) from removed`,
      [...this.own, ...tombstone, STEP_ROWS - 1],
      'purge long history',
    );
    return Number(removed?.[0]) > 0;
  }
}
