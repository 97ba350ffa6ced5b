/** What waits in all outboxes for an index, by what its owner has settled: a look from beside the queue. */
import { chunkKey, chunkStamp, KINDS, type Kind, readChunkKey, STAMPS_END } from './chunk.js';
import { finishedOf } from './cursors.js';
import type { ReadableEnvironment } from './env.js';
import { LAST_SEQUENCE } from './finished.js';
import { BINARY } from './lmdb.js';
import type { Neighbours } from './neighbours.js';
import { OUTBOX_TABLE } from './outbox.js';

/**
 * When the oldest task that is not settled was put into its outbox, in milliseconds since 1970; Infinity while there is none. Looks
 * into the folder: not for every task.
 */
export function waitingSince(own: ReadableEnvironment, neighbours: Neighbours, index: number): number {
  let oldest = Number.POSITIVE_INFINITY;
  own.refresh();
  for (const { name } of neighbours.list()) {
    neighbours.look(name, (source) => {
      for (const kind of KINDS) {
        const { next } = finishedOf(own, source.id, kind);
        oldest = Math.min(oldest, timeOfFirst(source, index, kind, next));
      }
    });
  }
  own.refresh();
  return oldest;
}

/** The highest stamp of all that stands in the outboxes. Reads each row. */
export function highestStamp(neighbours: Neighbours): number {
  let highest = 0;
  for (const { name } of neighbours.list()) {
    neighbours.look(name, (source) => {
      const rows = source.readTable<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
      for (const { value } of rows?.getRange({}) ?? []) {
        const stamp = chunkStamp(value);
        if (stamp < STAMPS_END) highest = Math.max(highest, stamp);
      }
    });
  }
  return highest;
}

/** Of the first row that ends behind `next`: it may begin before it. */
function timeOfFirst(source: ReadableEnvironment, index: number, kind: Kind, next: number): number {
  const rows = source.readTable<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
  if (rows === null) return Number.POSITIVE_INFINITY;
  const key = (first: number) => chunkKey(index, kind, first);
  const [before] = rows.getRange({ start: key(next), end: key(0), reverse: true, limit: 1 });
  const [after] = rows.getRange({ start: key(next), end: key(LAST_SEQUENCE), limit: 1 });
  for (const row of [before, after]) {
    if (row === undefined) continue;
    const { first, count } = readChunkKey(row.key);
    if (first + count > next) return chunkStamp(row.value);
  }
  return Number.POSITIVE_INFINITY;
}
