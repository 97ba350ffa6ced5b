/**
 * Why the system let nobody in: its errors name a call and a path (`EACCES: permission denied, mkdir '/srv/data'`), and neither who asked nor
 * whose folder is in the way. This adds both, and what to do.
 */
import { type Stats, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { nameOfUser } from './users.js';

/** A sentence to be put behind the message of the error; null for any other error. */
export function accessFault(error: Error): string | null {
  const { code, path } = error as NodeJS.ErrnoException;
  if (OUT_OF_FILES_CODES.has(code)) return OUT_OF_FILES;
  if (path === undefined) return null;
  if (code === 'EROFS')
    return `the file system of ${path} is mounted read-only: mount it writable, or name another folder`;
  if (code !== 'EACCES' && code !== 'EPERM') return null;
  const user = process.geteuid?.();
  const found = nearestThere(path);
  if (user === undefined || found === null) return null;
  const { at, uid, mode } = found;
  const whose = `${at} belongs to ${nameOfUser(uid)}, mode ${(mode & 0o7777).toString(8)}`;
  const remedy =
    uid === user ? `chmod u+rwX ${at}` : 'give it to this user (chown), name another folder, or run as its owner';
  return `this is ${nameOfUser(user)}; ${whose}: ${remedy}`;
}

/** Of Node.js, and of LMDB, which gives the numbers of the system. */
const OUT_OF_FILES_CODES: ReadonlySet<unknown> = new Set([
  'EMFILE',
  'ENFILE',
  constants.errno.EMFILE,
  constants.errno.ENFILE,
]);
const OUT_OF_FILES =
  'the limit of open files is reached: raise it (ulimit -n, LimitNOFILE of a systemd unit, nofile of a container)';

/** The path, or what is above it where that is all that is there or can be seen. */
function nearestThere(path: string): (Pick<Stats, 'uid' | 'mode'> & { readonly at: string }) | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { uid, mode } = statSync(at);
      return { at, uid, mode };
    } catch {
      if (at === dirname(at)) return null;
    }
  }
}
