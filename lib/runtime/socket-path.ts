/**
 * Where a Unix socket of a folder stands. The kernel takes about 107 bytes as a socket's path; a folder too deep for that gets a
 * short folder of its own below the system's temporary folder, named after a hash of the real one and after the user. A folder reached through
 * a link has one set of sockets, whatever it is called.
 */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { realPathOf } from './real-path.js';

/** Longest path that every supported system accepts, in bytes, the closing NUL left out. */
const LONGEST_SOCKET_PATH = 103;
const LONGEST_NAME = 40;

/** The folder for sockets that belong to `folder`, made owner-only if it is missing. Throws when it belongs to another user. */
export function socketFolder(folder: string): string {
  const own = join(realPathOf(folder), 'run');
  const chosen = Buffer.byteLength(own) + 1 + LONGEST_NAME <= LONGEST_SOCKET_PATH ? own : shortFolder(own);
  mkdirSync(chosen, { recursive: true, mode: 0o700 });
  const found = lstatSync(chosen);
  if (!found.isDirectory() || found.uid !== userInfo().uid) {
    throw new Error(`${chosen} must be a folder of this user, for the sockets of ${folder}`);
  }
  chmodSync(chosen, 0o700);
  return chosen;
}

function shortFolder(own: string): string {
  const digest = createHash('sha256').update(own).digest('hex').slice(0, 16);
  return join(tmpdir(), `dp3-cluster-${userInfo().uid}-${digest}`);
}
