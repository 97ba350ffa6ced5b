/**
 * Own files: what this user alone may write, whatever its umask is. A folder that another user owns or may write to could hold anything
 * under the name of what is made in it, so it is refused by name; a new file is never opened through a link that was left in its place.
 */
import { constants, fstatSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { nameOfUser } from './users.js';

const OWNER_ONLY_FOLDER = 0o700;
export const OWNER_ONLY_FILE = 0o600;
/** For what others may read: code and configuration. */
export const READABLE_FOLDER = 0o755;
export const READABLE_FILE = 0o644;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ALL = 0o002;
/** Everybody may add to such a folder, and remove only what is his own, as in /tmp. */
const STICKY = 0o1000;

/** Makes a folder owner-only where it is missing; throws a sentence where it is another user's or others may write to it. */
export function ownFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: OWNER_ONLY_FOLDER });
  const { uid, mode } = statSync(path);
  refuseOwner(path, uid);
  if ((mode & (WRITABLE_BY_GROUP | WRITABLE_BY_ALL)) !== 0) throw writableByOthers(path, mode, 'go-w');
}

/** The same for a folder that may be shared, as /var/log is: throws where everybody may replace what is in it. */
export function sharedFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: OWNER_ONLY_FOLDER });
  const { mode } = statSync(path);
  if ((mode & WRITABLE_BY_ALL) !== 0 && (mode & STICKY) === 0) throw writableByOthers(path, mode, 'o-w');
}

/** Opens a new file to be written, owner-only, in place of whatever had its name. */
export function openFresh(path: string): number {
  rmSync(path, { force: true });
  return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, OWNER_ONLY_FILE);
}

/** Opens a file to be read and written, owner-only where it is made; throws at a link, and where it is another user's. */
export function openKept(path: string): number {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, OWNER_ONLY_FILE);
  refuseOwner(path, fstatSync(file).uid);
  return file;
}

function refuseOwner(path: string, uid: number): void {
  if (uid !== userInfo().uid) throw new Error(`${path} belongs to ${nameOfUser(uid)}, not to this user`);
}

function writableByOthers(path: string, mode: number, change: string): Error {
  const shown = (mode & 0o7777).toString(8);
  return new Error(`other users may write to ${path} (mode ${shown}), and so to all that is in it: chmod ${change} it`);
}
