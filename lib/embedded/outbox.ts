/**
 * The outbox of an environment: tasks on their way to the queue pairs of all indexes, until their receivers have settled them.
 *
 * The sender writes only here, and the receiver comes and reads (pull): so no process waits for a lock of another, and a stopped one
 * harms nobody. Sequences are counted for each destination and kind and never used again; the receiver's cursor in its own
 * environment says which are finished, and takes the place of both removal and inbox. What is finished is deleted here, by the sender,
 * along with its next transaction or, when it has none, on a timer.
 */
import type { OutgoingTask } from '../model/task.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { ChunkBuilder, chunkKey, type Kind, NORMAL, PRIORITY, readChunkKey } from './chunk.js';
import { finishedOf } from './cursors.js';
import type { Environment, ReadableEnvironment, Transactional } from './env.js';
import { Finished, SEQUENCE_BYTES } from './finished.js';
import { indexName } from './folder.js';
import { BINARY, type Database } from './lmdb.js';
import type { PeerEnvironments } from './peer-environments.js';
import type { Stamps } from './stamps.js';
import type { Wakeups } from './wakeup.js';

export const OUTBOX_TABLE = 'outbox';
const ENDS_TABLE = 'outbox-ends';
/** How long finished tasks wait for their deletion while there are transactions it can go along with. */
const TRIM_MS = 250;
/** The same where it needs a transaction of its own. */
const LONE_TRIM_MS = 1_000;
/** Rows deleted in one go, so that no transaction becomes long. */
const TRIM_ROWS = 2_000;

/** One destination and kind. */
interface Direction {
  readonly destination: number;
  readonly kind: Kind;
  /** Sequence of the next task, stored. */
  end: number;
  /** Tasks of the transaction that is open. */
  builder: ChunkBuilder | null;
  /** How many finished sequences were deleted, by the cursor's count. */
  trimmed: number;
}

export class EmbeddedOutbox implements Transactional {
  private readonly directions = new Map<number, Direction>();
  private rows: Database<Buffer, Buffer> | null = null;
  private ends: Database<Buffer, Buffer> | null = null;
  private leave = () => {};
  private cancelTrim = () => {};
  private trimScheduled = false;
  private trimDueAt = 0;
  /** Of the transaction that is open; 0 before it has any tasks. */
  private stamp = 0;

  constructor(
    private readonly environment: Environment,
    private readonly peers: PeerEnvironments,
    private readonly wakeups: Wakeups,
    private readonly stamps: Pick<Stamps, 'next'>,
    private readonly clock: Clock = systemClock,
  ) {}

  /** The environment must be open. */
  start(): void {
    this.rows = this.environment.table<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
    this.ends = this.environment.table<Buffer, Buffer>(ENDS_TABLE, BINARY);
    this.leave = this.environment.enlist(this);
  }

  stop(): void {
    this.cancelTrim();
    this.leave();
  }

  /**
   * Puts tasks into the queue pairs of their indexes, inside a transaction of the environment. Receivers are woken after it. `once`:
   * the transaction itself makes sure that these ids are put into a queue once, so the receiver keeps no inbox row.
   */
  enqueue(tasks: readonly OutgoingTask[], once: boolean): void {
    if (!this.environment.inTransaction) throw new Error('tasks are put into the outbox inside a transaction only');
    for (const task of tasks) {
      const direction = this.direction(task.index, task.priority ? PRIORITY : NORMAL);
      this.stamp ||= this.stamps.next();
      direction.builder ??= new ChunkBuilder(
        direction.destination,
        direction.kind,
        direction.end,
        this.stamp,
        (key, value) => {
          this.opened().rows.putSync(key, value);
        },
      );
      direction.builder.add({ id: task.id, body: task.body, once });
    }
  }

  /** Tasks of this outbox that its receiver has not settled yet, by what it has committed. */
  unfinished(destination: number, kind: Kind): number {
    const direction = this.direction(destination, kind);
    return direction.end - this.finished(direction).count;
  }

  claimed(): void {
    this.directions.clear();
    const { ends } = this.opened();
    for (const { key, value } of this.environment.look(() => [...ends.getRange({})])) {
      const direction = this.direction(key.readUInt16BE(0), key[2] === PRIORITY ? PRIORITY : NORMAL);
      direction.end = value.readUIntBE(0, SEQUENCE_BYTES);
    }
    this.environment.refresh();
    this.scheduleTrim();
  }

  write(): void {
    for (const direction of this.directions.values()) {
      if (direction.builder === null) continue;
      const end = Buffer.allocUnsafe(SEQUENCE_BYTES);
      end.writeUIntBE(direction.builder.flush(), 0, SEQUENCE_BYTES);
      this.opened().ends.putSync(endKey(direction.destination, direction.kind), end);
    }
    if (this.clock.monotonic() >= this.trimDueAt) this.trim();
  }

  committed(): void {
    this.stamp = 0;
    for (const direction of this.directions.values()) {
      if (direction.builder === null) continue;
      direction.end = direction.builder.flush();
      direction.builder = null;
      this.wakeups.notify(indexName(direction.destination), 'tasks');
      this.scheduleTrim();
    }
  }

  rolledBack(): void {
    this.stamp = 0;
    for (const direction of this.directions.values()) {
      direction.builder = null;
      // Deletions came back with the rows; count them again.
      direction.trimmed = 0;
    }
    this.scheduleTrim();
  }

  /** Deletes what receivers have finished. Inside a transaction. */
  private trim(): void {
    this.trimDueAt = this.clock.monotonic() + TRIM_MS;
    let left = TRIM_ROWS;
    for (const direction of this.directions.values()) {
      const finished = this.finished(direction);
      if (finished.count === direction.trimmed) continue;
      left -= this.trimDirection(direction, finished, left);
      if (left <= 0) {
        this.trimDueAt = 0;
        return;
      }
      direction.trimmed = finished.count;
    }
  }

  /** Deletes rows that lie whole inside a finished range; a row with both finished and unfinished tasks waits. */
  private trimDirection(direction: Direction, finished: Finished, most: number): number {
    const { rows } = this.opened();
    let deleted = 0;
    for (const [start, end] of finished.ranges()) {
      const range = {
        start: chunkKey(direction.destination, direction.kind, start),
        end: chunkKey(direction.destination, direction.kind, end),
        limit: most - deleted,
      };
      for (const key of [...rows.getKeys(range)]) {
        const { first, count } = readChunkKey(key);
        if (first + count > end) break;
        rows.removeSync(key);
        if (++deleted >= most) return deleted;
      }
    }
    return deleted;
  }

  /** A transaction of its own for what nobody else's transaction has deleted in time. */
  private scheduleTrim(): void {
    if (this.trimScheduled) return;
    this.trimScheduled = true;
    this.cancelTrim = this.clock.after(LONE_TRIM_MS, () => {
      this.trimScheduled = false;
      if (this.environment.epoch === 0) return;
      const directions = [...this.directions.values()];
      try {
        if (directions.some((direction) => this.finished(direction).count !== direction.trimmed))
          this.environment.transaction(() => {});
      } catch {
        // Nothing waits for the deletion; a lasting fault is reported by the next transaction that someone does wait for.
      }
      if (directions.some((direction) => direction.trimmed < direction.end)) this.scheduleTrim();
    });
  }

  private finished(direction: Direction): Finished {
    const { id } = this.environment;
    const finished = this.peers.look(indexName(direction.destination), (receiver) =>
      finishedOf(receiver, id, direction.kind),
    );
    return finished ?? Finished.none();
  }

  private direction(destination: number, kind: Kind): Direction {
    const at = destination * 2 + kind;
    let direction = this.directions.get(at);
    if (direction === undefined) {
      direction = { destination, kind, end: 0, builder: null, trimmed: 0 };
      this.directions.set(at, direction);
    }
    return direction;
  }

  private opened(): { rows: Database<Buffer, Buffer>; ends: Database<Buffer, Buffer> } {
    if (this.rows === null || this.ends === null) throw new Error(`outbox of ${this.environment.name} is not started`);
    return { rows: this.rows, ends: this.ends };
  }
}

/** Sequence of the next task that a source will put into a queue, as committed. */
export function endOf(source: ReadableEnvironment, destination: number, kind: Kind): number {
  const row = source.readTable<Buffer, Buffer>(ENDS_TABLE, BINARY)?.get(endKey(destination, kind));
  return row === undefined ? 0 : row.readUIntBE(0, SEQUENCE_BYTES);
}

function endKey(destination: number, kind: Kind): Buffer {
  return Buffer.from([destination >> 8, destination & 0xff, kind]);
}
