/** Disk: whether one has room, and what is said where it has none. */
import { statfsSync } from 'node:fs';

/** Below this a disk is called full where a write failed: LMDB says no more than that one was cut short. */
const FULL_BYTES = 2 ** 20;
/** What making an environment takes. Its lock file is mapped: where its pages find no room, the system ends the process. */
const BEGIN_BYTES = 2 ** 18;

/** A sentence where the disk of this folder has no room; null where it has, or nobody knows. */
export function fullDisk(path: string): string | null {
  return lessThan(FULL_BYTES, path);
}

/** Throws where the disk of this folder has no room to make an environment. */
export function refuseFullDisk(path: string): void {
  const full = lessThan(BEGIN_BYTES, path);
  if (full !== null) throw new Error(full);
}

function lessThan(bytes: number, path: string): string | null {
  try {
    const { bsize, blocks, bfree, bavail } = statfsSync(path);
    const free = (process.getuid?.() === 0 ? bfree : bavail) * bsize;
    if (free >= bytes) return null;
    return `its disk is full (${free} of ${blocks * bsize} bytes are free): make room there`;
  } catch {
    return null;
  }
}
