/** Where a receiver writes which tasks of a source are finished: a row for each source and kind, in the receiver's own environment. */
import type { Kind } from './chunk.js';
import type { ReadableEnvironment } from './env.js';
import { Finished } from './finished.js';
import { BINARY } from './lmdb.js';

export const CURSORS_TABLE = 'cursors';

/** `source`: the drawn id of the source's environment, so that one which was removed and made again starts anew. */
export function cursorKey(source: string, kind: Kind): Buffer {
  const key = Buffer.allocUnsafe(1 + source.length);
  key[0] = kind;
  key.write(source, 1, 'latin1');
  return key;
}

/** What a receiver has finished of a source, as committed; nothing while the receiver has never run. */
export function finishedOf(receiver: ReadableEnvironment, source: string, kind: Kind): Finished {
  const row = receiver.readTable<Buffer, Buffer>(CURSORS_TABLE, BINARY)?.get(cursorKey(source, kind));
  return row === undefined ? Finished.none() : Finished.decode(row);
}
