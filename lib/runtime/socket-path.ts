/**
 * Where a Unix socket of a folder stands. The kernel takes about 107 bytes as a socket's path; a folder too deep for that gets a
 * short folder of its own below the system's temporary folder, named after a hash of the real one and after the user. A folder reached through
 * a link has one set of sockets, whatever it is called.
 */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { realPathOf } from './real-path.js';

/** Longest path that every supported system accepts, in bytes, the closing NUL left out. */
const LONGEST_SOCKET_PATH = 103;
const LONGEST_NAME = 40;

/** The folder for sockets that belong to `folder`, made owner-only if it is missing. Throws when it belongs to another user. */
export function socketFolder(folder: string): string {
  const chosen = pathFor(folder, userInfo().uid);
  mkdirSync(chosen, { recursive: true, mode: 0o700 });
  const found = lstatSync(chosen);
  if (!found.isDirectory()) throw new Error(`${chosen} must be a folder, for the sockets of ${folder}`);
  if (found.uid !== userInfo().uid) throw new Error(`${chosen} belongs to ${userOf(found.uid)}, not to this user`);
  chmodSync(chosen, 0o700);
  return chosen;
}

/**
 * The same where it is only looked into, and not made; null where nobody has made one. Root finds the one of whoever owns `folder`.
 * Throws, with whose it is, where this user may not look.
 */
export function findSocketFolder(folder: string): string | null {
  const { uid } = userInfo();
  const owner = ownerOf(folder);
  const found = [uid, owner].map((each) => pathFor(folder, each)).find(mayBeThere) ?? null;
  if (found !== null && uid !== 0 && ownerOf(found) !== uid) {
    throw new Error(
      `what runs in ${folder} belongs to ${userOf(ownerOf(found))}: ask as that user (sudo -u), or as root`,
    );
  }
  return found;
}

function pathFor(folder: string, uid: number): string {
  const own = join(realPathOf(folder), 'run');
  if (Buffer.byteLength(own) + 1 + LONGEST_NAME <= LONGEST_SOCKET_PATH) return own;
  const digest = createHash('sha256').update(own).digest('hex').slice(0, 16);
  return join(tmpdir(), `dp3-cluster-${uid}-${digest}`);
}

/** True, too, where it is hidden from this user. */
function mayBeThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Who owns a path, or what is above it where that is all that can be seen. */
function ownerOf(path: string): number {
  try {
    return statSync(path).uid;
  } catch {
    return ownerOf(dirname(path));
  }
}

/** A user as a person calls it. */
function userOf(uid: number): string {
  const id = `user id ${uid}`;
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.split(':')[2] === String(uid));
    return entry === undefined ? id : `${entry.split(':')[0]} (${id})`;
  } catch {
    return id;
  }
}
