/**
 * Retention: partitions for the weeks to come are made, those out of their retention are dropped, and history beyond its attribute's max_age
 * is removed row by row where its partition holds other rows that stay.
 *
 * A partition of history is walked block by block, so that each step reads a bounded amount: first for a row that stays; if there is none
 * the whole table goes, otherwise what is too old is removed in a second walk. Refused: an index over (attribute, t2) for this (every
 * row written would pay for it), and columns that say when a row expires (max_age is configuration and may change).
 */
import type { Clock } from '../../runtime/clock.js';
import type { HistoryRetention } from '../history-retention.js';
import type { Ownership } from '../store.js';
import { FENCE, type FenceParameters, fenceOf } from './fence.js';
import { dropPartition, type Partition, PartitionMissing, type Partitions, partitionsOf } from './partitions.js';
import type { Session } from './session.js';

export interface RetentionOptions {
  readonly ownership: Ownership;
  readonly partitions: Pick<Partitions, 'ensure'>;
  readonly clock: Clock;
  readonly histories: readonly HistoryRetention[];
  /** How long raw data-points are kept, in whole partitions; null forever. */
  readonly rawRetentionMs: number | null;
}

const ROUND_MS = 3_600_000;
const VISIT_MS = 24 * ROUND_MS;
/** A statement that began before the end of a week stores its rows in that week, and may take a while. */
const CLOSED_AFTER_MS = ROUND_MS;
/** Pages of 8 KiB that are looked through in one step. */
const STEP_BLOCKS = 256;

interface Visit {
  readonly partition: Partition;
  readonly blocks: number;
  /** Whether rows are removed one by one: one that stays was found. */
  removing: boolean;
  block: number;
}

export class Retention {
  private readonly own: FenceParameters;
  private roundDueAt = 0;
  /** When the round began. */
  private nowMs = 0;
  private readonly waiting: Partition[] = [];
  private visit: Visit | null = null;
  /** When each partition of history was last walked, Infinity where only rows that stay are left. */
  private readonly visited = new Map<string, number>();
  private readonly ages: readonly [readonly string[], readonly string[], readonly number[]];

  constructor(
    private readonly session: Pick<Session, 'query'>,
    private readonly options: RetentionOptions,
    /** What time it is by the server's clock, as far as it is believed, in milliseconds since 1970. */
    private readonly time: () => Promise<number>,
  ) {
    const { histories, ownership } = options;
    this.own = fenceOf(ownership);
    this.ages = [
      histories.map(({ etype }) => etype),
      histories.map(({ attr }) => attr),
      histories.map(({ maxAgeMs }) => maxAgeMs),
    ];
  }

  /** True while there is more to do. */
  async step(): Promise<boolean> {
    if (this.visit !== null) await this.walk(this.visit);
    else if (this.waiting.length > 0) await this.beginVisit();
    else if (this.options.clock.monotonic() >= this.roundDueAt) await this.beginRound();
    return this.visit !== null || this.waiting.length > 0;
  }

  private async beginRound(): Promise<void> {
    const { partitions, clock, histories, rawRetentionMs } = this.options;
    await partitions.ensure().catch(unlessToldThere);
    this.nowMs = await this.time();
    if (rawRetentionMs !== null) {
      for (const partition of await partitionsOf(this.session, 'raw')) {
        if (partition.toMs + rawRetentionMs < this.nowMs) await this.drop(partition);
      }
    }
    if (histories.length > 0) {
      const least = Math.min(...this.ages[2]);
      for (const partition of await partitionsOf(this.session, 'history')) {
        const last = this.visited.get(partition.name) ?? Number.NEGATIVE_INFINITY;
        if (partition.fromMs + least < this.nowMs && last + VISIT_MS <= clock.monotonic()) this.waiting.push(partition);
      }
    }
    this.roundDueAt = clock.monotonic() + ROUND_MS;
  }

  private async beginVisit(): Promise<void> {
    const partition = this.waiting.shift();
    if (partition === undefined) return;
    const [row] = await this.session.query(
      `select pg_relation_size(to_regclass($1)) / current_setting('block_size')::integer`,
      [partition.name],
    );
    // Null when another process has dropped it.
    const blocks = row?.[0] ?? null;
    if (blocks === null) return;
    this.visit = { partition, blocks: Number(blocks), removing: !this.isClosed(partition), block: 0 };
  }

  private async walk(visit: Visit): Promise<void> {
    const { partition } = visit;
    if (visit.block >= visit.blocks) {
      this.visit = null;
      await this.endVisit(visit);
    } else if (visit.removing) {
      await this.session.query(
        `with ${FENCE} delete from ${partition.name} h using own, ${ages(3)}
         where ${range(6)} and h.etype = age.etype and h.attr = age.attr and ${tooOld(8)}`,
        [...this.own, ...this.ages, ...rangeOf(visit), this.nowMs],
      );
      visit.block += STEP_BLOCKS;
    } else if (await this.holdsMore(visit)) {
      visit.removing = true;
      visit.block = 0;
    } else visit.block += STEP_BLOCKS;
  }

  /** Whether a row that stays is among the next blocks. */
  private async holdsMore(visit: Visit): Promise<boolean> {
    const [row] = await this.session.query(
      `select exists (select from ${visit.partition.name} h where ${range(4)} and not exists (
         select from ${ages(1)} where h.etype = age.etype and h.attr = age.attr and ${tooOld(6)}))`,
      [...this.ages, ...rangeOf(visit), this.nowMs],
    );
    return row?.[0] === 't';
  }

  private async endVisit({ partition, removing }: Visit): Promise<void> {
    if (!removing) {
      if (await this.drop(partition)) this.visited.delete(partition.name);
      return;
    }
    const most = Math.max(...this.ages[2]);
    const emptied = partition.toMs + most < this.nowMs;
    this.visited.set(partition.name, emptied ? Number.POSITIVE_INFINITY : this.options.clock.monotonic());
  }

  private drop(partition: Partition): Promise<boolean> {
    return dropPartition(this.session, this.options.ownership, partition);
  }

  private isClosed({ toMs }: Partition): boolean {
    return toMs + CLOSED_AFTER_MS < this.nowMs;
  }
}

/** What is old goes all the same. */
function unlessToldThere(error: unknown): void {
  if (!(error instanceof PartitionMissing)) throw error;
}

/** From a parameter on. */
const ages = (n: number) => `unnest($${n}::text[], $${n + 1}::text[], $${n + 2}::float8[]) as age (etype, attr, ms)`;
const range = (n: number) => `h.ctid >= $${n}::tid and h.ctid < $${n + 1}::tid`;
/** At a time in milliseconds since 1970. */
const tooOld = (n: number) => `h.t2 < to_timestamp($${n}::float8 / 1000) - age.ms * interval '1 millisecond'`;

function rangeOf({ block }: Visit): readonly [string, string] {
  return [`(${block},0)`, `(${block + STEP_BLOCKS},0)`];
}
