/** Where a receiver writes which tasks of a source are finished: a row for each source and kind, in the receiver's own environment. */
import type { Kind } from './chunk.js';

export const CURSORS_TABLE = 'cursors';

/** `source`: the drawn id of the source's environment, so that one which was removed and made again starts anew. */
export function cursorKey(source: string, kind: Kind): Buffer {
  const key = Buffer.allocUnsafe(1 + source.length);
  key[0] = kind;
  key.write(source, 1, 'latin1');
  return key;
}
