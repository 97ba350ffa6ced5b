/**
 * Search for what can not be stored: a batch is stored part by part inside of a transaction that is undone afterwards; a part that the
 * server refuses is halved, down to the single task. What could be stored stays there while the rest is tried, so that a task is also
 * found that only fits without one before it (an index that someone made may be unique).
 *
 * Later tasks of the same entity are left out: they build on the one that is found, and will be executed again. Refused: to have the
 * server only read the values: some fail when they are written into an index.
 */
import type { Batch, BatchEntry } from '../store.js';
import { failureOf, sentenceOf } from './failures.js';
import type { Query } from './session.js';

/** Stores a part of the batch under a number; false where that is not allowed any more. */
type StorePart = (part: Batch, number: number) => Promise<boolean>;

export class Search {
  /** Why each can not be stored. */
  readonly guilty = new Map<BatchEntry, string>();
  /** False once a part could not be stored since someone else owns the index. */
  owned = true;
  private readonly keys = new Set<string>();
  private number = 0;

  constructor(
    private readonly batch: Batch,
    private readonly store: StorePart,
  ) {}

  /** In a transaction. `number`: that of the last batch. @throws what is no fault of the data */
  async go(query: Query, number: number): Promise<void> {
    this.number = number;
    await this.halve(query, this.batch.entries);
  }

  private async halve(query: Query, entries: readonly BatchEntry[]): Promise<void> {
    const half = Math.ceil(entries.length / 2);
    for (const part of [entries.slice(0, half), entries.slice(half)]) {
      const left = part.filter((entry) => !this.keys.has(keyOf(entry)));
      if (!this.owned || left.length === 0) continue;
      const reason = await this.refusal(query, left);
      if (reason === null) continue;
      const [entry] = left;
      if (left.length > 1 || entry === undefined) await this.halve(query, left);
      else this.accuse(entry, reason);
    }
  }

  private accuse(entry: BatchEntry, reason: unknown): void {
    this.guilty.set(entry, `PostgreSQL can not hold a value of this task: ${sentenceOf(reason)}`);
    if (entry.result.record !== undefined) this.keys.add(keyOf(entry));
  }

  /** Null when the part is stored for now. */
  private async refusal(query: Query, entries: readonly BatchEntry[]): Promise<unknown> {
    await query('savepoint part');
    try {
      this.owned = await this.store({ ...this.batch, entries }, this.number);
      this.number += 1;
      return null;
    } catch (error) {
      if (failureOf(error) !== 'data') throw error;
      await query('rollback to savepoint part');
      return error;
    }
  }
}

function keyOf({ result }: BatchEntry): string {
  return `${result.etype}\0${result.eid}`;
}
