/**
 * Purge: removes what nobody can ask for any more, a bounded number of rows at a time: histories of deleted records, and ids of the
 * inbox. A settled task is never delivered again by the embedded queue, since the cursor that stands for it moved in its commit; its
 * id is kept only for a sender who sends the same once more within the retention. Such a repeat may wait in a queue for long while
 * no worker runs: an id goes only when all that was sent before its retention ended is settled. What is kept for a time goes after
 * it (retention.ts).
 */
import { indexOfName } from '../../embedded/folder.js';
import type { Member } from '../../embedded/member.js';
import { waitingSince } from '../../embedded/waiting.js';
import type { Clock } from '../../runtime/clock.js';
import { TrustedTime } from '../../runtime/trusted-time.js';
import { behind, following, incarnationOf, readIncarnationValue, readTimeValue, recordOfIncarnation } from './keys.js';
import { Retention, type RetentionOptions } from './retention.js';
import type { Tables } from './tables.js';

/** Rows looked at or removed in one step. */
const STEP_ROWS = 2_000;

export class Purge {
  /** Where the look through the inbox goes on; null to begin anew. */
  private inboxAt: Buffer | null = null;
  private inboxDueAt = 0;
  private readonly retention: Retention;
  private readonly time: TrustedTime;

  constructor(
    private readonly member: Member,
    private readonly inboxRetentionMs: number,
    private readonly clock: Clock,
    retention: RetentionOptions,
  ) {
    this.time = new TrustedTime(clock);
    this.time.now();
    this.retention = new Retention(member.environment, retention, clock, this.time);
  }

  /** True while there is more to do. */
  step(tables: Tables): boolean {
    this.member.environment.refresh();
    const graves = this.emptyGraves(tables);
    const old = this.retention.step(tables);
    return this.forgetIds(tables) || old || graves;
  }

  /** Of each grave all incarnations up to its own. */
  private emptyGraves({ graves, history, absent }: Tables): boolean {
    const found = Array.from(graves.getKeys({ limit: STEP_ROWS }));
    if (found.length === 0) return false;
    this.member.environment.transaction(() => {
      let left = STEP_ROWS;
      for (const grave of found) {
        const range = { start: recordOfIncarnation(grave), end: behind(grave), limit: left };
        const rows = Array.from(history.getKeys(range));
        for (const key of rows) history.removeSync(key);
        left -= rows.length;
        if (left === 0) return;
        graves.removeSync(grave);
        forgetAbsent(absent, grave);
      }
    });
    return true;
  }

  /** A whole look through the inbox, step by step, and then none for a tenth of the retention. */
  private forgetIds({ inbox }: Tables): boolean {
    const now = this.clock.monotonic();
    if (this.inboxAt === null && now < this.inboxDueAt) return false;
    const rows = Array.from(inbox.getRange({ ...(this.inboxAt && { start: this.inboxAt }), limit: STEP_ROWS }));
    const before = this.forgottenBefore();
    const old = rows.filter(({ value }) => readTimeValue(value) < before);
    if (old.length > 0) {
      this.member.environment.transaction(() => {
        for (const { key } of old) inbox.removeSync(key);
      });
    }
    const last = rows.at(-1);
    this.inboxAt = rows.length === STEP_ROWS && last ? following(last.key) : null;
    if (this.inboxAt === null) this.inboxDueAt = now + this.inboxRetentionMs / 10;
    return this.inboxAt !== null;
  }

  /** Ids that were committed before this time can not come again. */
  private forgottenBefore(): number {
    const { environment, neighbours } = this.member;
    const index = indexOfName(environment.name) ?? 0;
    return Math.min(this.time.now(), waitingSince(environment, neighbours, index)) - this.inboxRetentionMs;
  }
}

/** With its last history gone a record that stays deleted is forgotten: nothing is left that a new first incarnation could meet. */
function forgetAbsent(absent: Tables['absent'], grave: Buffer): void {
  const record = recordOfIncarnation(grave);
  const last = absent.get(record);
  if (last !== undefined && readIncarnationValue(last) <= incarnationOf(grave)) absent.removeSync(record);
}
