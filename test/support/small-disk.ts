/** A disk of a given size for one test; null where this user or machine may not mount one. */
import { spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { makeFolder } from './folder.js';

export function smallDisk(bytes: number): string | null {
  const folder = makeFolder();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', folder]);
  if (status !== 0) return null;
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}
