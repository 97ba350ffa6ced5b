/**
 * Purge: removes what nobody can ask for any more, a bounded number of rows at a time: histories of deleted records, and ids of the
 * inbox. A settled task is never delivered again by the embedded queue, since the cursor that stands for it moved in its commit; its
 * id is kept only for a sender who sends the same once more, and that for as long as is configured.
 */
import type { Environment } from '../../embedded/env.js';
import type { Clock } from '../../runtime/clock.js';
import { behind, readTimeValue } from './keys.js';
import type { Tables } from './tables.js';

/** Rows looked at or removed in one step. */
const STEP_ROWS = 2_000;
const INCARNATION_BYTES = 4;

export class Purge {
  /** Where the look through the inbox goes on; null to begin anew. */
  private inboxAt: Buffer | null = null;
  private inboxDueAt = 0;

  constructor(
    private readonly environment: Environment,
    private readonly inboxRetentionMs: number,
    private readonly clock: Clock,
  ) {}

  /** True while there is more to do. */
  step(tables: Tables): boolean {
    this.environment.refresh();
    const graves = this.emptyGrave(tables);
    return this.forgetIds(tables) || graves;
  }

  /** All incarnations of the record up to the one of the grave. */
  private emptyGrave({ graves, history }: Tables): boolean {
    const [grave] = graves.getKeys({ limit: 1 });
    if (grave === undefined) return false;
    const start = grave.subarray(0, grave.length - INCARNATION_BYTES);
    const rows = Array.from(history.getKeys({ start, end: behind(grave), limit: STEP_ROWS }));
    this.environment.transaction(() => {
      for (const key of rows) history.removeSync(key);
      if (rows.length < STEP_ROWS) graves.removeSync(grave);
    });
    return true;
  }

  /** A whole look through the inbox, step by step, and then none for a tenth of the retention. */
  private forgetIds({ inbox }: Tables): boolean {
    const now = this.clock.now();
    if (this.inboxAt === null && now < this.inboxDueAt) return false;
    const rows = Array.from(inbox.getRange({ ...(this.inboxAt && { start: this.inboxAt }), limit: STEP_ROWS }));
    const old = rows.filter(({ value }) => readTimeValue(value) < now - this.inboxRetentionMs);
    if (old.length > 0) {
      this.environment.transaction(() => {
        for (const { key } of old) inbox.removeSync(key);
      });
    }
    const last = rows.at(-1);
    this.inboxAt = rows.length === STEP_ROWS && last ? Buffer.concat([last.key, Buffer.of(0)]) : null;
    if (this.inboxAt === null) this.inboxDueAt = now + this.inboxRetentionMs / 10;
    return this.inboxAt !== null;
  }
}
