/**
 * Bisection: a search for what cannot be stored. A batch is stored part by part inside of a transaction; a part that the server refuses is
 * halved, down to the single task. What could be stored stays there while the rest is tried, so that a task is also found that only fits
 * without one before it (an index that someone made may be unique). If anything is found, all of it is undone.
 *
 * First of all comes a part without any task: what refuses that is the fault of none. Where nothing is found, the batch as a whole was
 * refused and its parts are not (a trigger that someone made may look at whole statements): the parts are stored for good instead.
 *
 * Later tasks of the same entity are left out: they build on the one that is found, and will be executed again. Refused: to have the
 * server only read the values: some fail when they are written into an index.
 */
import type { Clock } from '../../runtime/clock.js';
import type { Batch, BatchEntry } from '../store.js';
import { failureOf, sentenceOf } from './failures.js';
import type { Query } from './session.js';

/** Stores a part of the batch under a number; false where that is not allowed any more. */
type StorePart = (part: Batch, number: number) => Promise<boolean>;

export interface BisectionOptions {
  /** Number of the last batch. */
  readonly number: number;
  readonly clock: Clock;
  /** The lease is not renewed meanwhile. */
  readonly mostMs: number;
  readonly store: StorePart;
}

export class Bisection {
  /** Why each cannot be stored. */
  readonly guilty = new Map<BatchEntry, string>();
  /** Why even a batch without any task is refused. */
  faultOfNone: unknown = null;
  /** False once a part could not be stored since someone else owns the index. */
  owned = true;
  /** That of the last part that is stored for now. */
  number: number;
  private readonly keys = new Set<string>();
  private readonly until: number;
  private gaveUp = false;
  private ended = false;

  constructor(
    private readonly batch: Batch,
    private readonly options: BisectionOptions,
  ) {
    this.number = options.number;
    this.until = options.clock.monotonic() + options.mostMs;
  }

  /** Whether it has ended and each part of the batch is stored for now. */
  get complete(): boolean {
    return this.ended && this.owned && !this.gaveUp && this.guilty.size === 0 && this.faultOfNone === null;
  }

  /** In a transaction. @throws what is no fault of the data */
  async go(query: Query): Promise<void> {
    // What is checked at the end of a transaction is checked with each part.
    await query('set constraints all immediate');
    this.faultOfNone = await this.refusal(query, []);
    if (this.faultOfNone === null) await this.halve(query, this.batch.entries);
    this.ended = true;
  }

  private async halve(query: Query, entries: readonly BatchEntry[]): Promise<void> {
    const half = Math.ceil(entries.length / 2);
    for (const part of [entries.slice(0, half), entries.slice(half)]) {
      const left = part.filter((entry) => !this.keys.has(keyOf(entry)));
      if (left.length === 0) continue;
      if (this.options.clock.monotonic() > this.until) this.gaveUp = true;
      if (!this.owned || this.gaveUp) return;
      const reason = await this.refusal(query, left);
      if (reason === null) continue;
      const [entry] = left;
      if (left.length > 1 || entry === undefined) await this.halve(query, left);
      else this.accuse(entry, reason);
    }
  }

  private accuse(entry: BatchEntry, reason: unknown): void {
    this.guilty.set(entry, `PostgreSQL cannot hold a value of this task: ${sentenceOf(reason)}`);
    if (entry.result.record !== undefined) this.keys.add(keyOf(entry));
  }

  /** Null when the part is stored for now. */
  private async refusal(query: Query, entries: readonly BatchEntry[]): Promise<unknown> {
    await query('savepoint part');
    try {
      this.owned = await this.options.store({ ...this.batch, entries }, this.number);
      this.number += 1;
      return null;
    } catch (error) {
      const failure = failureOf(error);
      if (failure !== 'data' && failure !== 'partition') throw error;
      await query('rollback to savepoint part');
      return error;
    }
  }
}

function keyOf({ result }: BatchEntry): string {
  return `${result.etype}\0${result.eid}`;
}
