/**
 * Where a Unix socket of a folder stands. The kernel takes about 107 bytes as a socket's path; a folder too deep for that gets a
 * short folder of its own below the system's temporary folder, named after a hash of the real one and after the user. A folder reached through
 * a link has one set of sockets, whatever it is called.
 */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf } from './errors.js';
import { realPathOf } from './real-path.js';
import { nameOfUser } from './users.js';

/** Longest path that every supported system accepts, in bytes, the closing NUL left out. */
const LONGEST_SOCKET_PATH = 103;
const LONGEST_NAME = 40;

/** The folder for sockets that belong to `folder`, made owner-only if it is missing. Throws when it belongs to another user. */
export function socketFolder(folder: string): string {
  const { uid } = userInfo();
  const chosen = pathFor(folder, uid);
  try {
    mkdirSync(chosen, { recursive: true, mode: 0o700 });
  } catch (error) {
    const keys = 'processing_core.runtime_dir, or store.path where that is not set';
    throw new Error(`no folder for sockets can be made in ${folder} (${keys}): ${messageOf(error)}`, { cause: error });
  }
  const found = lstatSync(chosen);
  if (!found.isDirectory() || found.uid !== uid) throw taken(chosen, found.uid, folder);
  chmodSync(chosen, 0o700);
  return chosen;
}

/**
 * The same where it is only looked into, and not made; null where nobody has made one. Root finds the one of whoever owns `folder`.
 * Throws, with whose it is, where this user may not look, or where another user has put something in its place.
 */
export function findSocketFolder(folder: string): string | null {
  const { uid } = userInfo();
  const owner = ownerOf(folder);
  for (const user of [uid, owner]) {
    const path = pathFor(folder, user);
    if (!mayBeThere(path)) continue;
    const holder = holderOf(path);
    if (owner !== uid && uid !== 0 && holder !== uid) {
      const whose = nameOfUser(holder);
      throw new Error(`what runs in ${folder} belongs to ${whose}: ask as that user (sudo -u), or as root`);
    }
    if (holder === user || holder === owner) return path;
    throw taken(path, holder, folder);
  }
  return null;
}

/** In a temporary folder anybody may be first to make it. */
function taken(path: string, uid: number, folder: string): Error {
  const other = isBelow(path, folder)
    ? ''
    : '; a processing_core.runtime_dir or store.path with a shorter path needs no folder there';
  return new Error(`${path} belongs to ${nameOfUser(uid)}, not to this user, or is no folder${other}`);
}

function isBelow(path: string, folder: string): boolean {
  return dirname(path) === realPathOf(folder);
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

/** Who put something there, be it a link. */
function holderOf(path: string): number {
  try {
    return lstatSync(path).uid;
  } catch {
    return ownerOf(dirname(path));
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
