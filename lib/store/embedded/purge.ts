/**
 * Purge: removes what nobody can ask for any more, a bounded number of rows at a time: histories of deleted records, and ids of the
 * inbox. A settled task is never delivered again by the embedded queue, since the cursor that stands for it moved in its commit; its
 * id is kept only for a sender who sends the same once more within the retention. Such a repeat may wait in a queue for long while
 * no worker runs: an id goes only when all that was sent before its retention ended is settled. So first all outboxes are looked at, and
 * what is out of retention then goes once all that stood in them is settled. Refused: to go by the stamps of what waits, which are an order and no
 * time. What is kept for a time goes after it (retention.ts).
 */
import type { Participant } from '../../embedded/participant.js';
import { isSettled, type WaitingRows, waitingIn } from '../../embedded/waiting.js';
import type { Clock } from '../../runtime/clock.js';
import type { TrustedTime } from '../../runtime/trusted-time.js';
import { behind, following, incarnationOf, readInboxTime, readIncarnationValue, recordOfIncarnation } from './keys.js';
import { Retention, type RetentionOptions } from './retention.js';
import type { Tables } from './tables.js';

/** Rows looked at or removed in one step. */
const STEP_ROWS = 2_000;
/** Between two looks whether all is settled that stood in the outboxes, at most. */
const INBOX_PAUSE_MS = 60_000;

export interface PurgeOptions extends RetentionOptions {
  /** The longest that a sender may wait to send the same again. */
  readonly inboxRetentionMs: number;
}

/** A look at the outboxes: ids stored before `before` are forgotten once that is settled. */
interface OutboxLook {
  readonly waiting: readonly WaitingRows[];
  readonly before: number;
}

export class Purge {
  private look: OutboxLook | null = null;
  /** Ids before this are being forgotten; null between two passes. */
  private forgetBefore: number | null = null;
  /** Where the look through the inbox goes on; null to begin anew. */
  private inboxAt: Buffer | null = null;
  private inboxDueAt = 0;
  private readonly retention: Retention;

  constructor(
    private readonly participant: Participant,
    private readonly options: PurgeOptions,
    private readonly clock: Clock,
    private readonly time: TrustedTime,
  ) {
    this.retention = new Retention(participant.environment, options, clock, time);
  }

  /** True while there is more to do. */
  step(tables: Tables): boolean {
    this.participant.environment.refresh();
    const tombstones = this.emptyTombstones(tables);
    const old = this.retention.step(tables);
    return this.forgetIds(tables) || old || tombstones;
  }

  /** Of each tombstone all incarnations up to its own. */
  private emptyTombstones({ tombstones, history, absent }: Tables): boolean {
    const found = Array.from(tombstones.getKeys({ limit: STEP_ROWS }));
    if (found.length === 0) return false;
    this.participant.environment.transaction(() => {
      let left = STEP_ROWS;
      for (const tombstone of found) {
        const range = { start: recordOfIncarnation(tombstone), end: behind(tombstone), limit: left };
        const rows = Array.from(history.getKeys(range));
        for (const key of rows) history.removeSync(key);
        left -= rows.length;
        if (left === 0) return;
        tombstones.removeSync(tombstone);
        forgetAbsent(absent, tombstone);
      }
    });
    return true;
  }

  /** A whole pass through the inbox, step by step, and then none for a tenth of the retention. */
  private forgetIds({ inbox }: Tables): boolean {
    this.forgetBefore ??= this.nextToForget();
    const before = this.forgetBefore;
    if (before === null) return false;
    const rows = Array.from(inbox.getRange({ ...(this.inboxAt && { start: this.inboxAt }), limit: STEP_ROWS }));
    const old = rows.filter(({ value }) => readInboxTime(value) < before);
    if (old.length > 0) {
      this.participant.environment.transaction(() => {
        for (const { key } of old) inbox.removeSync(key);
      });
    }
    const last = rows.at(-1);
    this.inboxAt = rows.length === STEP_ROWS && last ? following(last.key) : null;
    if (this.inboxAt !== null) return true;
    this.forgetBefore = null;
    this.inboxDueAt = this.clock.monotonic() + this.options.inboxRetentionMs / 10;
    return false;
  }

  /** Ids that were committed before this time cannot come again; null where nothing can be forgotten for now. */
  private nextToForget(): number | null {
    const now = this.clock.monotonic();
    if (now < this.inboxDueAt) return null;
    this.inboxDueAt = now + Math.min(this.options.inboxRetentionMs / 10, INBOX_PAUSE_MS);
    this.look ??= this.lookAtOutboxes();
    if (this.look === null || !isSettled(this.participant, this.look.waiting)) return null;
    const { before } = this.look;
    this.look = null;
    return before;
  }

  /** Null while one of them cannot be read: a repeat may wait there. */
  private lookAtOutboxes(): OutboxLook | null {
    const before = this.time.now() - this.options.inboxRetentionMs;
    const waiting = waitingIn(this.participant);
    return waiting && { waiting, before };
  }
}

/** With its last history gone a record that stays deleted is forgotten: nothing is left that a new first incarnation could meet. */
function forgetAbsent(absent: Tables['absent'], tombstone: Buffer): void {
  const record = recordOfIncarnation(tombstone);
  const last = absent.get(record);
  if (last !== undefined && readIncarnationValue(last) <= incarnationOf(tombstone)) absent.removeSync(record);
}
