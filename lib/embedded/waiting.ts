/** What waits in all outboxes for an index, by what its owner has settled: a look from beside the queue. */
import { chunkKey, chunkStamp, KINDS, type Kind, readChunkKey, STAMPS_END } from './chunk.js';
import { finishedOf } from './cursors.js';
import type { ReadableEnvironment } from './env.js';
import { LAST_SEQUENCE } from './finished.js';
import { type DataFolder, environmentNames, indexOfName } from './folder.js';
import { BINARY } from './lmdb.js';
import { OUTBOX_TABLE } from './outbox.js';
import type { PeerEnvironments } from './peer-environments.js';

/** Rows of one kind that an outbox holds for an index, up to sequence `end`. */
export interface WaitingRows {
  /** Of the environment. */
  readonly name: string;
  readonly id: string;
  readonly kind: Kind;
  readonly end: number;
}

/** A participant. */
interface Looking {
  readonly folder: DataFolder;
  readonly environment: ReadableEnvironment;
  readonly peers: PeerEnvironments;
}

/** What all outboxes hold now for the index of a participant; null while one of them cannot be read. Looks into the folder: not for every task. */
export function waitingIn({ folder, environment, peers }: Looking): WaitingRows[] | null {
  const index = indexOfName(environment.name) ?? 0;
  const waiting: WaitingRows[] = [];
  for (const { name, id } of peers.list()) {
    peers.look(name, (source) => {
      for (const kind of KINDS) waiting.push({ name, id, kind, end: endOf(source, index, kind) });
    });
  }
  return environmentNames(folder).some((name) => peers.troubleOf(name) !== null) ? null : waiting;
}

/** Whether the participant has settled all of that. What stood in an environment that was removed since never comes. */
export function isSettled({ environment, peers }: Looking, waiting: readonly WaitingRows[]): boolean {
  const ids = new Set(peers.list().map(({ id }) => id));
  environment.refresh();
  return waiting.every(({ name, id, kind, end }) => {
    if (!ids.has(id)) return peers.troubleOf(name) === null;
    return finishedOf(environment, id, kind).next >= end;
  });
}

/** The highest stamp of all that stands in the outboxes. Reads each row. */
export function highestStamp(peers: PeerEnvironments): number {
  let highest = 0;
  for (const { name } of peers.list()) {
    peers.look(name, (source) => {
      const rows = source.readTable<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
      for (const { value } of rows?.getRange({}) ?? []) {
        const stamp = chunkStamp(value);
        if (stamp < STAMPS_END) highest = Math.max(highest, stamp);
      }
    });
  }
  return highest;
}

function endOf(source: ReadableEnvironment, index: number, kind: Kind): number {
  const rows = source.readTable<Buffer, Buffer>(OUTBOX_TABLE, BINARY);
  const [start, end] = [chunkKey(index, kind, LAST_SEQUENCE), chunkKey(index, kind, 0)];
  for (const key of rows?.getKeys({ start, end, reverse: true, limit: 1 }) ?? []) {
    const { first, count } = readChunkKey(key);
    return first + count;
  }
  return 0;
}
