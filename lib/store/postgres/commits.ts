/**
 * Commits: the results of many tasks in one statement that is a transaction by itself, in one round trip: a client that is stopped in
 * the middle holds nothing. How it may end stands in the union CommitOutcome; what follows is the committer's business.
 *
 * Refused: to send the next batch before this one is answered. It gained 6 % with twice as many messages in memory and nothing with as
 * many (two processors), for a second batch whose fate may be unknown.
 */
import { DatabaseError } from 'pg';
import type { Clock } from '../../runtime/clock.js';
import { ApplicationError } from '../../runtime/errors.js';
import { Changes, entriesForInbox, refusalOfTwins } from '../changes.js';
import type { Batch, BatchEntry, CommitOutcome } from '../store.js';
import { Bisection } from './bisect.js';
import { CommitStatement } from './commit-statement.js';
import { encodeBatch } from './encode-batch.js';
import { failureOf, sentenceOf, storeError } from './failures.js';
import { knownIds } from './inbox.js';
import type { Owned, Owner } from './owner.js';
import { PartitionMissing, type Partitions } from './partitions.js';
import type { Query, Row, Session } from './session.js';
import { JsonWriter } from './values.js';

/** The server cuts a connection over a message of 1 GiB, again and again. Some is left for the text of the statement. */
const MOST_BYTES = 2 ** 30 - 2 ** 20;
/** The search for what cannot be stored takes at most this part of the lease, which nobody renews meanwhile. */
const SEARCH_PART = 1 / 3;

const STORED: CommitOutcome = { kind: 'stored' };
const OUTDATED: CommitOutcome = { kind: 'outdated' };

/** A batch as the statement that commits it. */
class Encoded {
  readonly statement = new CommitStatement();
  /** Of the batch; null where there is none. */
  entries: readonly BatchEntry[] | null = null;
  /** What of it cannot be stored, as far as that can be told here. */
  guilty: ReadonlyMap<BatchEntry, string> | null = null;

  encode(batch: Batch, json: JsonWriter): void {
    this.statement.reset();
    const changes = new Changes(batch);
    encodeBatch(changes, this.statement.rows, json);
    this.guilty = changes.guilty.size > 0 ? changes.guilty : null;
    this.entries = batch.entries;
  }
}

export class Commits {
  private readonly json = new JsonWriter();
  /** Of the batch that is committed, and of the one after it, which is made ready meanwhile. */
  private present = new Encoded();
  private next = new Encoded();
  /** The last batch of which an id was there and then was not. */
  private puzzling: readonly BatchEntry[] | null = null;
  /** The last batch that had no partition, though all are there by now. */
  private homeless: readonly BatchEntry[] | null = null;

  constructor(
    private readonly session: Session,
    private readonly owner: Owner,
    private readonly partitions: Pick<Partitions, 'ensure'>,
    private readonly clock: Clock,
    private readonly mostBytes = MOST_BYTES,
  ) {}

  prepare(batch: Batch): void {
    this.next.encode(batch, this.json);
  }

  async commit(batch: Batch): Promise<CommitOutcome> {
    try {
      return await this.session.exclusive((query) => this.commitOn(query, batch));
    } catch (error) {
      switch (failureOf(error)) {
        case 'partition':
          return this.withoutPartition(batch);
        case 'lost':
        case 'passing':
          return unavailable(error);
        default:
          throw storeError(error);
      }
    }
  }

  /** Makes the tables of this week where they are missing; where that fails, this is why nothing is stored. */
  private async withoutPartition({ entries }: Batch): Promise<CommitOutcome> {
    try {
      await this.partitions.ensure();
      this.homeless = entries;
      return { kind: 'unavailable', why: 'there was no partition for this week' };
    } catch (error) {
      return unavailable(error);
    }
  }

  private async commitOn(query: Query, batch: Batch): Promise<CommitOutcome> {
    const { owned } = this.owner;
    if (owned === null || owned.epoch !== batch.ownership.epoch) return OUTDATED;
    const { unsure } = owned;
    owned.unsure = null;
    if (unsure?.stored && unsure.entries === batch.entries) return stored(batch);
    const { guilty, statement } = this.encoded(batch);
    if (guilty !== null) return { kind: 'unstorable', entries: guilty };
    if (statement.bytes > this.mostBytes) return this.tooLarge(batch, statement.bytes);
    const sentAt = this.clock.monotonic();
    let rows: readonly Row[];
    try {
      rows = await this.run(query, statement, owned.index, owned.epoch, owned.batch);
    } catch (error) {
      return this.failed(error, query, batch, owned);
    }
    if (rows[0]?.[0] !== '1') return this.refused(query, owned);
    this.owner.found(sentAt);
    owned.batch += 1;
    this.present.entries = null;
    return stored(batch);
  }

  /** One task can never be stored; several can in smaller batches. */
  private tooLarge({ entries }: Batch, bytes: number): CommitOutcome {
    const why = `${bytes} bytes are to be stored at once, PostgreSQL takes ${this.mostBytes} at most`;
    const [only] = entries;
    if (only !== undefined && entries.length === 1) return { kind: 'unstorable', entries: new Map([[only, why]]) };
    return { kind: 'refused', why };
  }

  private encoded(batch: Batch): Encoded {
    if (this.next.entries === batch.entries) [this.present, this.next] = [this.next, this.present];
    else if (this.present.entries !== batch.entries) this.present.encode(batch, this.json);
    return this.present;
  }

  private async run(
    query: Query,
    statement: CommitStatement,
    index: number,
    epoch: number,
    batch: number,
  ): Promise<readonly Row[]> {
    const { name, text, values } = statement.make([index, epoch, batch, this.owner.leaseSeconds]);
    return query(text, values, name);
  }

  /** The row of the owner is not as it was left. */
  private async refused(query: Query, owned: Owned): Promise<CommitOutcome> {
    const [row] = await query('select epoch, batch from owners where index = $1', [owned.index]);
    if (row?.[0] === String(owned.epoch)) {
      throw new ApplicationError(
        'STORE_FAILED',
        `the row of index ${owned.index} in owners was changed by someone else`,
      );
    }
    await this.owner.lose(query);
    return OUTDATED;
  }

  private async failed(error: unknown, query: Query, batch: Batch, owned: Owned): Promise<CommitOutcome> {
    switch (failureOf(error)) {
      case 'lost':
        owned.unsure = { entries: batch.entries, number: owned.batch + 1, stored: false };
        throw error;
      case 'duplicate':
        return this.doneBefore(error, query, batch, owned.index);
      case 'data':
        return this.unstorable(error, query, batch, owned);
      case 'partition':
        // None is missing, and yet the server says so: it means this batch.
        if (this.homeless === batch.entries) return this.unstorable(error, query, batch, owned);
        throw error;
      default:
        throw error;
    }
  }

  private async doneBefore(error: unknown, query: Query, batch: Batch, index: number): Promise<CommitOutcome> {
    const inbox = entriesForInbox(batch);
    const refusal = refusalOfTwins(inbox);
    if (refusal !== null) return refusal;
    const ids = inbox.map(({ delivery }) => delivery.id);
    const known = await knownIds(query, index, ids);
    if (known.size > 0) return { kind: 'done-before', ids: known };
    // It may have been forgotten just then.
    if (this.puzzling === batch.entries) return { kind: 'refused', why: sentenceOf(error) };
    this.puzzling = batch.entries;
    return unavailable(error);
  }

  /** The server does not say which value of a batch it cannot hold: the tasks are really stored, and all is undone again. */
  private async unstorable(error: unknown, query: Query, batch: Batch, owned: Owned): Promise<CommitOutcome> {
    const store = (part: Batch, number: number) => this.store(query, part, owned, number);
    const mostMs = SEARCH_PART * this.owner.leaseSeconds * 1_000;
    const search = new Bisection(batch, { number: owned.batch, clock: this.clock, mostMs, store });
    await query('begin');
    try {
      await search.go(query);
      await query(search.complete ? 'commit' : 'rollback');
    } catch (reason) {
      await query('rollback').catch(() => {});
      return this.searchFailed(reason, query, batch, search.complete ? search.number : null);
    }
    if (search.complete) {
      owned.batch = search.number;
      this.present.entries = null;
      return stored(batch);
    }
    if (!search.owned) return this.refused(query, owned);
    if (search.faultOfNone !== null) return unavailable(search.faultOfNone);
    if (search.guilty.size === 0) return { kind: 'refused', why: sentenceOf(error) };
    return { kind: 'unstorable', entries: search.guilty };
  }

  /** `number`: that of the last part, where all were to be stored for good. */
  private async searchFailed(reason: unknown, query: Query, batch: Batch, number: number | null) {
    switch (failureOf(reason)) {
      case 'duplicate':
        return this.doneBefore(reason, query, batch, batch.ownership.index);
      case 'data':
        return { kind: 'refused', why: sentenceOf(reason) } as const;
      case 'lost':
        if (number !== null && this.owner.owned !== null) {
          this.owner.owned.unsure = { entries: batch.entries, number, stored: false };
        }
        throw reason;
      default:
        throw reason;
    }
  }

  /** Stores a part of a batch as if it were the batch of a number; false where the owner is not the owner any more. */
  private async store(query: Query, part: Batch, { index, epoch }: Owned, number: number): Promise<boolean> {
    const [row] = await this.run(query, this.encoded(part).statement, index, epoch, number);
    return row?.[0] === '1';
  }
}

function stored({ entries }: Batch): CommitOutcome {
  for (const { delivery } of entries) delivery.settle();
  return STORED;
}

function unavailable(error: unknown): CommitOutcome {
  const why = error instanceof PartitionMissing ? error.message : sentenceOf(error);
  const answers = error instanceof PartitionMissing || (error instanceof DatabaseError && failureOf(error) !== 'lost');
  return { kind: 'unavailable', why, answers };
}
