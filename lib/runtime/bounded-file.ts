/**
 * Bounded files: a small file that a person names is read up to a bound, and only where it is a regular file: a pipe would be waited for,
 * a device has no end. What it is, is asked of the open file, which nobody exchanges meanwhile.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** The whole file. Throws a sentence that begins in the middle where it is no regular file or longer than `maxBytes`, else what the system says. */
export function readBounded(path: string, maxBytes: number): Buffer {
  // Not to wait for who writes into a pipe.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error(found.isDirectory() ? 'it is a folder' : 'it is no regular file');
    if (found.size > maxBytes) throw tooLong(`${found.size}`, maxBytes);
    return readWhole(file, maxBytes);
  } finally {
    closeSync(file);
  }
}

/** Some files of the system tell no size; others grow. */
function readWhole(file: number, maxBytes: number): Buffer {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const piece = Buffer.alloc(Math.min(maxBytes + 1 - bytes, 64 * 1024));
    const read = readSync(file, piece);
    if (read === 0) return Buffer.concat(pieces);
    pieces.push(piece.subarray(0, read));
    bytes += read;
    if (bytes > maxBytes) throw tooLong(`more than ${maxBytes}`, maxBytes);
  }
}

function tooLong(has: string, maxBytes: number): Error {
  return new Error(`it has ${has} bytes, allowed are at most ${maxBytes}`);
}
