/**
 * An outbox as its receiver reads it: its normal or its priority tasks that are for this index, in sequence.
 *
 * Rows are read a few at a time in one snapshot that is let go at once. What the outbox no longer has was finished and deleted: a
 * gap before or between rows counts as finished (it can be seen only when this index lost its cursors, or was handed an outbox
 * whose beginning was settled before).
 */
import {
  type ChunkKey,
  ChunkReader,
  chunkKey,
  chunkStamp,
  isWhole,
  type Kind,
  readChunkKey,
} from '../../embedded/chunk.js';
import { CURSORS_TABLE, cursorKey, finishedOf } from '../../embedded/cursors.js';
import { Damage } from '../../embedded/data-file.js';
import type { Environment, ReadableEnvironment } from '../../embedded/env.js';
import { type Finished, LAST_SEQUENCE } from '../../embedded/finished.js';
import { BINARY, type Database } from '../../embedded/lmdb.js';
import { endOf, OUTBOX_TABLE } from '../../embedded/outbox.js';
import type { QueueMessage } from '../delivery.js';

/** Whose outbox it is, and how to look into it; nothing is seen while it cannot be read. */
export interface ReadOutbox {
  readonly name: string;
  /** The drawn id of its environment. */
  readonly id: string;
  look<T>(read: (environment: ReadableEnvironment) => T): T | null;
}

/** Rows and bytes that one look into an outbox brings along, beside the window. */
const READ_ROWS = 64;
const READ_BYTES = 256 * 1024;

interface LoadedRow extends ChunkKey {
  readonly value: Buffer;
}

export class OutboxReader {
  /** False when a look found nothing; whoever learns that there may be sets it. */
  mayHaveMore = true;
  private done: Finished;
  /** As stored, while a transaction is open that changes it. */
  private stored: Finished | null = null;
  private foundGap = false;
  private position: number;
  /** Below it tasks may be finished already, for they were read by an earlier process. */
  private readonly seenBelow: number;
  /** Behind what is finished an earlier process had no more tasks open than fit into its window. */
  private readonly redeliveredBelow: number;
  private rows: LoadedRow[] = [];
  private current: ChunkReader | null = null;
  private stamp = 0;
  private left = 0;

  /** Reads where the index stands with this outbox. The index must be owned. */
  constructor(
    private readonly own: Environment,
    readonly outbox: ReadOutbox,
    private readonly index: number,
    readonly kind: Kind,
    windowTasks: number,
  ) {
    this.done = own.look(() => finishedOf(own, outbox.id, kind));
    own.refresh();
    this.position = this.done.next;
    let seen = this.position;
    for (const [, end] of this.done.ranges()) seen = end;
    this.seenBelow = seen;
    const end = outbox.look((environment) => endOf(environment, index, kind)) ?? 0;
    this.redeliveredBelow = Math.min(seen + windowTasks, end);
  }

  /** The stamp of the next task at hand; Infinity while there is none. What comes later has no lower one. */
  nextStamp(): number {
    return this.ready() ? this.stamp : Number.POSITIVE_INFINITY;
  }

  /** The next task in sequence, null when there is none. */
  take(): QueueMessage<OutboxReader> | null {
    if (!this.ready()) return null;
    const position = this.position++;
    this.left--;
    const { id, body, once: deduplicated } = this.current!.next();
    return {
      id,
      // Every sender of ours names what it sends, and nothing can be lost on the way.
      lacksId: false,
      own: true,
      floor: null,
      body,
      redelivered: position < this.redeliveredBelow,
      deduplicated,
      origin: this,
      position,
    };
  }

  /** Inside a transaction; `write` must follow, then `keep` or `undo`. */
  settle(sequence: number): void {
    this.stored ??= this.done.copy();
    this.done.add(sequence);
  }

  /** Whether the row of the cursor is to be written. */
  get changed(): boolean {
    return this.stored !== null || this.foundGap;
  }

  write(): void {
    this.own
      .table<Buffer, Buffer>(CURSORS_TABLE, BINARY)
      .putSync(cursorKey(this.outbox.id, this.kind), this.done.encode());
  }

  keep(): void {
    this.stored = null;
    this.foundGap = false;
  }

  undo(): void {
    if (this.stored !== null) this.done = this.stored;
    this.stored = null;
  }

  /** True when `current` stands before a task that is not finished; looks nowhere. */
  private ready(): boolean {
    for (;;) {
      if (this.left === 0 && !this.open()) return false;
      if (this.position >= this.seenBelow || !this.done.has(this.position)) return true;
      this.current!.skip(1);
      this.position++;
      this.left--;
    }
  }

  /** Opens the next row that has something left. */
  private open(): boolean {
    for (;;) {
      const row = this.rows.shift();
      if (row === undefined) return false;
      this.skipTo(row.first);
      const passed = this.position - row.first;
      if (passed >= row.count) continue;
      this.current = new ChunkReader(row.value);
      this.current.skip(passed);
      // Rows of before there were stamps may say otherwise.
      this.stamp = Math.max(this.stamp, chunkStamp(row.value));
      this.left = row.count - passed;
      return true;
    }
  }

  /** Looks for rows from the position on; true when there are any. To be called when none is at hand. */
  read(): boolean {
    this.mayHaveMore = false;
    this.outbox.look((environment) => this.readFrom(environment));
    return this.mayHaveMore;
  }

  private readFrom(environment: ReadableEnvironment): void {
    const table = environment.readTable<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
    // Being made: nothing is known of it, above all not that something was deleted. A wake-up or a look around comes back.
    if (table === null) return;
    // End and rows from one snapshot, which begins after the table was found.
    environment.refresh();
    const end = endOf(environment, this.index, this.kind);
    if (end > this.position) this.rows = this.rowsOf(table, this.startOfRow(table));
    this.mayHaveMore = this.rows.length > 0;
    if (!this.mayHaveMore) this.skipTo(end);
  }

  private rowsOf(table: Database<Buffer, Buffer>, start: Buffer): LoadedRow[] {
    const rows: LoadedRow[] = [];
    let bytes = 0;
    const end = chunkKey(this.index, this.kind, LAST_SEQUENCE);
    for (const { key, value } of table.getRange({ start, end, limit: READ_ROWS })) {
      const row = { ...readChunkKey(key), value };
      if (!isWhole(value, row.count)) throw new Damage(`the row of task ${row.first} in its outbox is not whole`);
      rows.push(row);
      bytes += value.length;
      if (bytes >= READ_BYTES) break;
    }
    return rows;
  }

  /** Key of the row that holds the position, which may lie in the middle of it. */
  private startOfRow(table: Database<Buffer, Buffer>): Buffer {
    const start = chunkKey(this.index, this.kind, this.position, 0xffff);
    const end = chunkKey(this.index, this.kind, 0);
    const [before] = table.getKeys({ start, end, reverse: true, limit: 1 });
    if (before !== undefined) {
      const { first, count } = readChunkKey(before);
      if (first + count > this.position) return before;
    }
    return chunkKey(this.index, this.kind, this.position);
  }

  private skipTo(sequence: number): void {
    if (sequence <= this.position) return;
    this.done.add(this.position, sequence);
    this.stored?.add(this.position, sequence);
    this.foundGap = true;
    this.position = sequence;
  }
}
