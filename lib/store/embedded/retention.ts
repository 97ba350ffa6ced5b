/**
 * Retention: raw data-points older than they are kept are removed, and chunks of history whose last row is beyond its attribute's
 * max_age, a bounded number at a time. Raw data-points stand in the order of time; history is walked once a day, those entity types
 * only that have such an attribute. The newest rows, which stand with their record, go when later ones have moved them into a chunk.
 */
import type { Environment } from '../../embedded/env.js';
import { type Instant, instantOfMs } from '../../model/time.js';
import type { Clock } from '../../runtime/clock.js';
import type { TrustedTime } from '../../runtime/trusted-time.js';
import type { HistoryRetention } from '../history-retention.js';
import { attributeOfChunk, following, INSTANT_BYTES, recordRange, storedKey } from './keys.js';
import type { Tables } from './tables.js';

export interface RetentionOptions {
  /** Null: forever. */
  readonly rawRetentionMs: number | null;
  readonly histories: readonly HistoryRetention[];
}

/** Raw rows removed, and chunks looked at, in one step. */
const STEP_ROWS = 2_000;
const STEP_CHUNKS = 500;
const ROUND_MS = 24 * 3_600_000;

export class Retention {
  private readonly ages = new Map<string, Map<string, number>>();
  /** Entity types that this round has still to walk, and where in the first of them. */
  private waiting: string[] = [];
  private at: Buffer | null = null;
  private roundDueAt = 0;

  constructor(
    private readonly environment: Environment,
    private readonly options: RetentionOptions,
    private readonly clock: Clock,
    private readonly time: TrustedTime,
  ) {
    for (const { etype, attr, maxAgeMs } of options.histories) {
      const ages = this.ages.get(etype) ?? new Map<string, number>();
      this.ages.set(etype, ages.set(attr, maxAgeMs));
    }
  }

  /** True while there is more to do. */
  step(tables: Tables): boolean {
    const raw = this.removeRaw(tables);
    return this.removeHistory(tables) || raw;
  }

  private removeRaw({ raw }: Tables): boolean {
    const { rawRetentionMs } = this.options;
    if (rawRetentionMs === null) return false;
    const end = storedKey(Math.max(0, this.time.now() - rawRetentionMs), 0, 0);
    const old = Array.from(raw.getKeys({ end, limit: STEP_ROWS }));
    this.remove(raw, old);
    return old.length === STEP_ROWS;
  }

  private removeHistory({ history }: Tables): boolean {
    if (this.waiting.length === 0) {
      const now = this.clock.monotonic();
      if (this.ages.size === 0 || now < this.roundDueAt) return false;
      this.waiting = [...this.ages.keys()];
      this.roundDueAt = now + ROUND_MS;
    }
    const etype = this.waiting[0]!;
    const { start, end } = recordRange(etype);
    const chunks = Array.from(history.getRange({ start: this.at ?? start, end, limit: STEP_CHUNKS }));
    const keptFrom = this.keptFrom(etype);
    const old = chunks.filter(({ key, value }) => {
      const from = keptFrom.get(attributeOfChunk(key));
      return from !== undefined && value.toString('latin1', 0, INSTANT_BYTES) < from;
    });
    this.remove(
      history,
      old.map(({ key }) => key),
    );
    const last = chunks.at(-1);
    this.at = chunks.length === STEP_CHUNKS && last ? following(last.key) : null;
    if (this.at === null) this.waiting.shift();
    return this.waiting.length > 0;
  }

  /** Of each attribute of the type that has a max_age: the t2 from which on its rows stay. */
  private keptFrom(etype: string): ReadonlyMap<string, Instant> {
    const now = this.time.now();
    const ages = this.ages.get(etype) ?? new Map<string, number>();
    return new Map(Array.from(ages, ([attr, maxAgeMs]) => [attr, instantOfMs(Math.max(0, now - maxAgeMs))]));
  }

  private remove(table: Tables['raw'], keys: readonly Buffer[]): void {
    if (keys.length === 0) return;
    this.environment.transaction(() => {
      for (const key of keys) table.removeSync(key);
    });
  }
}
